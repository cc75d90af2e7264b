// Package right is answers to lab 02 that keep every rule and are made otherwise than the
// solution. The checks must accept them.
package right

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// The names of the variants.
const (
	Transactions = "sessions-in-transactions"
	LaterRemoval = "removal-after-the-answer"
	ClosedDoor   = "drain-by-channel"
)

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		Transactions: keeping(func(db *sql.DB) bytebites.Sessions { return transactions{db} }),
		LaterRemoval: keeping(func(db *sql.DB) bytebites.Sessions { return laterRemoval{transactions{db}} }),
		ClosedDoor: func(c *service.Composition) {
			c.Lifecycle = func() service.Lifecycle { return &door{closed: make(chan struct{})} }
		},
	}
}

func keeping(build func(*sql.DB) bytebites.Sessions) func(*service.Composition) {
	return func(c *service.Composition) {
		c.Sessions = func(r service.Resources) (bytebites.Sessions, error) { return build(r.Catalogue), nil }
	}
}

// transactions uses a transaction of simple statements, prepared ones, texts for times, and the
// standard's name for the database's clock.
type transactions struct{ db *sql.DB }

// removed is how many expired sessions a sign-in removes at most: the largest number that the
// lesson allows.
const removed = 100

// Create stores a session: it deletes the earlier one, and then some that have expired.
func (s transactions) Create(ctx context.Context, session bytebites.Session) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // without effect after the commit
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`DELETE FROM public.sessions WHERE token_hash = $1`, []any{session.TokenHash[:]}},
		{`INSERT INTO public.sessions VALUES ($1, $2, $3, $4::timestamptz)`,
			[]any{session.TokenHash[:], string(session.User), session.Email, session.ExpiresAt.Format(time.RFC3339Nano)}},
		{`DELETE FROM public.sessions WHERE ctid IN
			(SELECT ctid FROM public.sessions WHERE NOT expires_at > CURRENT_TIMESTAMP LIMIT $1 FOR UPDATE SKIP LOCKED)`, []any{removed}},
	} {
		if _, err := tx.ExecContext(ctx, statement.sql, statement.args...); err != nil {
			return fmt.Errorf("store session: %w", err)
		}
	}
	return tx.Commit()
}

// Session returns a session, or bytebites.ErrNotFound.
func (s transactions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	query, err := s.db.PrepareContext(ctx, `SELECT email, user_id, expires_at, expires_at > clock_timestamp() FROM sessions WHERE token_hash = $1`)
	if err != nil {
		return bytebites.Session{}, fmt.Errorf("read session: %w", err)
	}
	defer query.Close() //nolint:errcheck // the rows are read
	session, live := bytebites.Session{TokenHash: tokenHash}, false
	err = query.QueryRowContext(ctx, tokenHash[:]).Scan(&session.Email, &session.User, &session.ExpiresAt, &live)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !live {
		return bytebites.Session{}, fmt.Errorf("read session: %w", bytebites.ErrNotFound)
	}
	return session, err
}

// Delete forgets a session.
func (s transactions) Delete(ctx context.Context, tokenHash [32]byte) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM sessions WHERE token_hash = $1`, tokenHash[:])
	return err
}

// laterRemoval removes expired sessions after the answer.
type laterRemoval struct{ transactions }

// Create stores a session and leaves the removal to the background.
func (s laterRemoval) Create(ctx context.Context, session bytebites.Session) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, to_timestamp($4))
		 ON CONFLICT ON CONSTRAINT sessions_pkey DO UPDATE SET (user_id, email, expires_at) = (excluded.user_id, excluded.email, excluded.expires_at)`,
		session.TokenHash[:], session.User, session.Email, session.ExpiresAt.Unix())
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		// What this one does not remove, the next sign-in does.
		_, _ = s.db.ExecContext(ctx, `DELETE FROM sessions WHERE token_hash IN
			(SELECT token_hash FROM sessions WHERE expires_at <= statement_timestamp() ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED)`)
	}()
	return nil
}

// door is a channel that is closed when the replica is told to stop.
type door struct{ closed chan struct{} }

// drain is the sum of the lesson, without a reserve.
const drain = 2 * time.Second

// Ready asks the databases first.
func (d *door) Ready(ctx context.Context, healthy func(context.Context) error) error {
	select {
	case <-d.closed:
		return errors.New("closed")
	default:
	}
	if err := healthy(ctx); err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	select {
	case <-d.closed: // while the databases answered
		return errors.New("closed")
	default:
		return nil
	}
}

// Stop closes the door, waits for those who have not heard of it, and finishes.
func (d *door) Stop(ctx context.Context, finish func(context.Context) error) error {
	timer := time.NewTimer(drain)
	close(d.closed)
	<-timer.C
	last, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := finish(last); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}
