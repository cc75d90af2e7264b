// Package postgres implements the stores of package bytebites in PostgreSQL, with database/sql
// and lib/pq. It has one type for each store, in two groups. Catalogue data is Catalogue, Stock
// and Directory. User data is Profiles, Carts, Ratings, Orders, Ledger and Weeks. The groups may
// share a database.
//
// The stores return the errors of package bytebites. Any other error is internal. If the
// caller's deadline or the server's statement_timeout ends a call, the error matches
// context.DeadlineExceeded or context.Canceled. The same holds for a call that waits for a
// connection of the pool. PostgreSQL cannot store a NUL byte or broken UTF-8: such text as an id
// gives ErrNotFound, and in free text it is replaced.
//
// The function that Orders.Place calls gets a context. Calls with that context on stores over
// the same *sql.DB take part in the transaction of Place.
package postgres

import "bytebites.example/workshop/shared/bytebites"

var (
	_ bytebites.Catalogue      = (*Catalogue)(nil)
	_ bytebites.Stock          = (*Stock)(nil)
	_ bytebites.Directory      = (*Directory)(nil)
	_ bytebites.Profiles       = (*Profiles)(nil)
	_ bytebites.Carts          = (*Carts)(nil)
	_ bytebites.Ratings        = (*Ratings)(nil)
	_ bytebites.Orders         = (*Orders)(nil)
	_ bytebites.SupplierLedger = (*Ledger)(nil)
	_ bytebites.Weeks          = (*Weeks)(nil)
)
