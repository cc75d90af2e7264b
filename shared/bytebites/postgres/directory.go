package postgres

import (
	"context"
	"database/sql"

	"bytebites.example/workshop/shared/bytebites"
)

// Directory maps email addresses to accounts.
type Directory struct{ db *sql.DB }

// NewDirectory returns the directory in a database with the catalogue's schema.
func NewDirectory(db *sql.DB) *Directory { return &Directory{db: db} }

// Account returns the account of an email address in any case, or ErrNotFound.
func (d *Directory) Account(ctx context.Context, email string) (bytebites.Account, error) {
	var a bytebites.Account
	err := Join(ctx, d.db).QueryRowContext(ctx,
		`SELECT user_id, email, password_hash FROM accounts WHERE lower(email) = lower($1 COLLATE "C")`, name(email),
	).Scan(&a.User, &a.Email, &a.PasswordHash)
	return a, wrap(ctx, "read account", err)
}

// Register adds an account. The error is ErrDuplicate when the email address, in any case, or
// the subscriber already has an account.
func (d *Directory) Register(ctx context.Context, a bytebites.Account) error {
	result, err := Join(ctx, d.db).ExecContext(ctx,
		`INSERT INTO accounts (user_id, email, password_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		name(a.User), name(a.Email), a.PasswordHash)
	return wrap(ctx, "register account", mustInsert(result, unknownParent(err)))
}
