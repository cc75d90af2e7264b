// Package checkout places orders: the steps that every order goes through, as small
// functions over the interfaces of bytebites, and Serial, the baseline's way of
// stringing them together. A lab that changes how orders are placed writes its own
// bytebites.Checkout out of the same steps.
//
// Stock and orders live in different databases once user data is sharded, so no
// transaction spans both. An order is reserved, placed and confirmed; what fails in
// between is released; and what a crash leaves behind, a Sweeper settles.
package checkout
