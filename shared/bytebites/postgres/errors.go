package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"bytebites.example/workshop/shared/bytebites"
)

// Wrap says what failed, as the stores here do, for packages that ask the same servers.
func Wrap(ctx context.Context, what string, err error) error { return wrap(ctx, what, err) }

// wrap says what failed, in the terms of package bytebites where it has any.
func wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, bytebites.ErrNotFound)
	case pq.As(err, pqerror.CharacterNotInRepertoire, pqerror.UntranslatableCharacter) != nil:
		// No row can hold such text, so nothing has that name.
		return fmt.Errorf("%s: %w: %w", what, bytebites.ErrNotFound, err)
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		// The driver cancels the statement on the server and reports the server's words.
		return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
	case pq.As(err, pqerror.QueryCanceled) != nil:
		return fmt.Errorf("%s: %w: %w", what, context.DeadlineExceeded, err) // statement_timeout
	case pq.As(err, pqerror.TooManyConnections) != nil:
		return fmt.Errorf("%s: %w: %w", what, bytebites.ErrBusy, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unknownParent turns the violation of a foreign key, or a name that is null, into
// ErrNotFound: in these schemas it means that the subscriber or the order that a row
// belongs to is not there.
func unknownParent(err error) error {
	if pq.As(err, pqerror.ForeignKeyViolation, pqerror.NotNullViolation) != nil {
		return fmt.Errorf("%w: %w", bytebites.ErrNotFound, err)
	}
	return err
}

// mustAffect returns ErrNotFound when a statement went well and touched no row.
func mustAffect(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = bytebites.ErrNotFound
	}
	return err
}

// mustInsert returns ErrDuplicate when a statement went well and inserted no row.
func mustInsert(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = bytebites.ErrDuplicate
	}
	return err
}

func isNotFound(err error) bool { return errors.Is(err, bytebites.ErrNotFound) }
