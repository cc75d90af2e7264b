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

// Wrap wraps an error as the stores of this package do, for packages that use the same servers.
func Wrap(ctx context.Context, what string, err error) error { return wrap(ctx, what, err) }

// wrap names the failed operation, and adds the matching error of package bytebites or context.
func wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", what, bytebites.ErrNotFound)
	case pq.As(err, pqerror.CharacterNotInRepertoire, pqerror.UntranslatableCharacter) != nil:
		// PostgreSQL cannot store such text, so no row has that name.
		return fmt.Errorf("%s: %w: %w", what, bytebites.ErrNotFound, err)
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		// The driver cancels the statement and returns the server's error, not ctx's.
		return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
	case pq.As(err, pqerror.QueryCanceled) != nil:
		return fmt.Errorf("%s: %w: %w", what, context.DeadlineExceeded, err) // statement_timeout
	case pq.As(err, pqerror.TooManyConnections) != nil:
		return fmt.Errorf("%s: %w: %w", what, bytebites.ErrBusy, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unknownParent turns the violation of a foreign key, or a name that is NULL, into ErrNotFound.
// In these schemas both mean that the subscriber or the order of a row does not exist.
func unknownParent(err error) error {
	if pq.As(err, pqerror.ForeignKeyViolation, pqerror.NotNullViolation) != nil {
		return fmt.Errorf("%w: %w", bytebites.ErrNotFound, err)
	}
	return err
}

// mustAffect returns ErrNotFound when a statement succeeded and changed no row.
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

// mustInsert returns ErrDuplicate when a statement succeeded and inserted no row.
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
