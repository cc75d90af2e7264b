// Package checkout places orders. Steps are the steps of every order, as small functions
// over the interfaces of package bytebites. Serial is the baseline's checkout made of them.
// A lab that changes how orders are placed writes its own bytebites.Checkout from the same
// steps.
//
// Stock and orders live in different databases once user data is sharded, so no
// transaction spans both. Checkout reserves the stock, places the order, and confirms the
// reservation. If a step fails, it releases the reservation. A Sweeper settles the
// reservations that a crash leaves held.
package checkout
