package wrong

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/02-horizontal"
)

// The names of the variants of sessions.go.
const (
	ReplicaClock    = "replica-clock"
	CleanupClock    = "cleanup-by-replica-clock"
	ExpiredCount    = "expired-sessions-count"
	FirstStays      = "first-session-stays"
	AnyErrorIsGone  = "any-error-is-not-found"
	LostConnections = "lost-connections"
	NeverRemoved    = "never-removed"
	AllRemoved      = "all-removed"
	WaitsForOthers  = "waits-for-others"
	OwnExpiry       = "own-expiry"
	EmptyAtStart    = "empty-at-start"
	DeletesByUser   = "deletes-by-user"
	DeleteLater     = "delete-in-background"
	WorksForNobody  = "works-for-nobody"
)

func sessions() map[string]func(*service.Composition) {
	on := func(build func(table) bytebites.Sessions) func(*service.Composition) {
		return keeping(func(r service.Resources) bytebites.Sessions {
			return build(table{horizontal.NewSessions(r.Catalogue), r.Catalogue})
		})
	}
	return map[string]func(*service.Composition){
		ReplicaClock:    on(func(t table) bytebites.Sessions { return replicaClock{t} }),
		CleanupClock:    on(func(t table) bytebites.Sessions { return cleanupClock{t} }),
		ExpiredCount:    on(func(t table) bytebites.Sessions { return expiredCount{t} }),
		FirstStays:      on(func(t table) bytebites.Sessions { return firstStays{t} }),
		AnyErrorIsGone:  on(func(t table) bytebites.Sessions { return anyErrorIsGone{t} }),
		LostConnections: on(func(t table) bytebites.Sessions { return lostConnections{t} }),
		NeverRemoved:    on(func(t table) bytebites.Sessions { return neverRemoved{t} }),
		AllRemoved:      on(func(t table) bytebites.Sessions { return removing{t, allExpired} }),
		WaitsForOthers:  on(func(t table) bytebites.Sessions { return removing{t, someExpired} }),
		OwnExpiry:       on(func(t table) bytebites.Sessions { return ownExpiry{t} }),
		EmptyAtStart: keeping(func(r service.Resources) bytebites.Sessions {
			_, _ = r.Catalogue.ExecContext(context.Background(), `DELETE FROM sessions`)
			return horizontal.NewSessions(r.Catalogue)
		}),
		DeletesByUser:  on(func(t table) bytebites.Sessions { return deletesByUser{t} }),
		DeleteLater:    on(func(t table) bytebites.Sessions { return deleteLater{t} }),
		WorksForNobody: on(func(t table) bytebites.Sessions { return worksForNobody{t} }),
	}
}

// table is the solution, with its database for what an answer does otherwise.
type table struct {
	*horizontal.Sessions
	db *sql.DB
}

// insert stores a session, in place of an earlier one.
func (t table) insert(ctx context.Context, s bytebites.Session) error {
	_, err := t.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (token_hash) DO UPDATE SET user_id = excluded.user_id, email = excluded.email, expires_at = excluded.expires_at`,
		s.TokenHash[:], s.User, s.Email, s.ExpiresAt)
	return err
}

// find runs a query that returns user, email and expiry.
func (t table) find(ctx context.Context, tokenHash [32]byte, query string, args ...any) (bytebites.Session, error) {
	s := bytebites.Session{TokenHash: tokenHash}
	err := t.db.QueryRowContext(ctx, query, args...).Scan(&s.User, &s.Email, &s.ExpiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return s, err
}

// replicaClock passes the time of the process to the query.
type replicaClock struct{ table }

func (s replicaClock) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	return s.find(ctx, tokenHash,
		`SELECT user_id, email, expires_at FROM sessions WHERE token_hash = $1 AND expires_at > $2`, tokenHash[:], time.Now())
}

// cleanupClock reads by the database's clock, and removes by that of the process.
type cleanupClock struct{ table }

func (s cleanupClock) Create(ctx context.Context, session bytebites.Session) error {
	_, err := s.db.ExecContext(ctx,
		`DELETE FROM sessions WHERE token_hash IN
		 (SELECT token_hash FROM sessions WHERE expires_at <= $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`, time.Now())
	if err != nil {
		return err
	}
	return s.insert(ctx, session)
}

// expiredCount leaves the expiry to the API, which looks at it too.
type expiredCount struct{ table }

func (s expiredCount) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	return s.find(ctx, tokenHash, `SELECT user_id, email, expires_at FROM sessions WHERE token_hash = $1`, tokenHash[:])
}

// firstStays stores nothing under a token that is known.
type firstStays struct{ table }

func (s firstStays) Create(ctx context.Context, session bytebites.Session) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		session.TokenHash[:], session.User, session.Email, session.ExpiresAt)
	return err
}

// anyErrorIsGone takes every error of the query for a missing row.
type anyErrorIsGone struct{ table }

func (s anyErrorIsGone) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session, err := s.Sessions.Session(ctx, tokenHash)
	if err != nil {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return session, nil
}

// lostConnections reads rows and closes them only where one was found.
type lostConnections struct{ table }

func (s lostConnections) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session := bytebites.Session{TokenHash: tokenHash}
	rows, err := s.db.QueryContext(ctx, //nolint:rowserrcheck,sqlclosecheck // the fault of this answer
		`SELECT user_id, email, expires_at FROM sessions WHERE token_hash = $1 AND expires_at > now()`, tokenHash[:])
	if err != nil {
		return bytebites.Session{}, err
	}
	if rows.Next() {
		err := rows.Scan(&session.User, &session.Email, &session.ExpiresAt)
		return session, err
	}
	return bytebites.Session{}, bytebites.ErrNotFound
}

// neverRemoved stores and removes nothing.
type neverRemoved struct{ table }

func (s neverRemoved) Create(ctx context.Context, session bytebites.Session) error {
	return s.insert(ctx, session)
}

const (
	allExpired  = `DELETE FROM sessions WHERE expires_at <= now()`
	someExpired = `DELETE FROM sessions WHERE token_hash IN
		(SELECT token_hash FROM sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT 10)`
)

// removing removes by its own statement before it stores.
type removing struct {
	table
	remove string
}

func (s removing) Create(ctx context.Context, session bytebites.Session) error {
	if _, err := s.db.ExecContext(ctx, s.remove); err != nil {
		return err
	}
	return s.insert(ctx, session)
}

// ownExpiry counts the length of a session from now.
type ownExpiry struct{ table }

func (s ownExpiry) Create(ctx context.Context, session bytebites.Session) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, now() + interval '12 hours')
		 ON CONFLICT (token_hash) DO UPDATE SET user_id = excluded.user_id, email = excluded.email, expires_at = excluded.expires_at`,
		session.TokenHash[:], session.User, session.Email)
	return err
}

// deletesByUser signs a subscriber out everywhere.
type deletesByUser struct{ table }

func (s deletesByUser) Delete(ctx context.Context, tokenHash [32]byte) error {
	_, err := s.db.ExecContext(ctx,
		`DELETE FROM sessions WHERE user_id = (SELECT user_id FROM sessions WHERE token_hash = $1)`, tokenHash[:])
	return err
}

// deleteLater answers a sign-out before it is done.
type deleteLater struct{ table }

func (s deleteLater) Delete(ctx context.Context, tokenHash [32]byte) error {
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		time.Sleep(10 * time.Millisecond) // lets the answer go first
		_ = s.Sessions.Delete(ctx, tokenHash)
	}()
	return nil
}

// worksForNobody asks the database also when the request has ended.
type worksForNobody struct{ table }

func (s worksForNobody) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	return s.Sessions.Session(context.WithoutCancel(ctx), tokenHash)
}
