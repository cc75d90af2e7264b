package horizontal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
)

// Sessions keeps sessions in a table that all replicas share. The database's clock decides whether a
// session has expired, because the clocks of replicas differ.
type Sessions struct{ db *sql.DB }

// NewSessions returns the sessions of a database that has the table of sessions.sql.
func NewSessions(db *sql.DB) *Sessions { return &Sessions{db: db} }

// Create stores a session, in place of an earlier one of the same token. It also removes up to ten
// expired sessions: more than it adds, so that the table shrinks, and few, so that the sign-in stays
// fast. It skips rows that another sign-in is removing.
func (s *Sessions) Create(ctx context.Context, session bytebites.Session) error {
	_, err := s.db.ExecContext(ctx, `
		WITH expired AS (
		    SELECT token_hash FROM sessions WHERE expires_at <= now()
		    ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED
		), removed AS (
		    DELETE FROM sessions USING expired WHERE sessions.token_hash = expired.token_hash
		)
		INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (token_hash) DO UPDATE
		SET user_id = excluded.user_id, email = excluded.email, expires_at = excluded.expires_at`,
		session.TokenHash[:], session.User, session.Email, session.ExpiresAt)
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	return nil
}

// Session returns a session that has not expired, or bytebites.ErrNotFound. A database that
// does not answer is another error.
func (s *Sessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session := bytebites.Session{TokenHash: tokenHash}
	err := s.db.QueryRowContext(ctx,
		`SELECT user_id, email, expires_at FROM sessions WHERE token_hash = $1 AND expires_at > now()`, tokenHash[:],
	).Scan(&session.User, &session.Email, &session.ExpiresAt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return bytebites.Session{}, bytebites.ErrNotFound
	case err != nil:
		return bytebites.Session{}, fmt.Errorf("read session: %w", err)
	}
	return session, nil
}

// Delete forgets a session; an unknown one changes nothing.
func (s *Sessions) Delete(ctx context.Context, tokenHash [32]byte) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM sessions WHERE token_hash = $1`, tokenHash[:]); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
