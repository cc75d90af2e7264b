// Package postgres keeps ByteBites in PostgreSQL, through database/sql and lib/pq. It
// has one type for each store of package bytebites, in two groups that may share a
// database or not: catalogue data (Catalogue, Stock, Directory) and user data (Profiles,
// Carts, Ratings, Orders, Ledger, Weeks).
//
// Errors are those that bytebites names. Anything else is internal; when the caller's
// deadline or the server's statement_timeout cut a call short, also while it waited for
// a connection of the pool, the error matches context.DeadlineExceeded (or
// context.Canceled). Text that PostgreSQL cannot store (a NUL, broken UTF-8) names
// nothing that is there: as an id it is ErrNotFound, in free text it is replaced.
//
// All calls inside the function that Orders.Place is given, made with the context that
// the function gets and on stores over the same *sql.DB, take part in its transaction.
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
