package wrong

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/inmem"
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
	RemovesForAll   = "removal-outlives-the-request"
	LosesFailed     = "loses-failed-transactions"
	PreparedOnce    = "prepared-once"
	OneQueryAtATime = "one-query-at-a-time"
	MemoryWhenAway  = "memory-when-away"
	SweepsAtStart   = "sweeps-at-start"
	BothClocks      = "both-clocks"
	HourOfGrace     = "hour-of-grace"
	EverySecond     = "every-second-sign-in"
	LimitFirst      = "limit-before-filter"
	GivesUpLocked   = "gives-up-when-locked"
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
		SweepsAtStart: keeping(func(r service.Resources) bytebites.Sessions {
			_, _ = r.Catalogue.ExecContext(context.Background(), allExpired)
			return horizontal.NewSessions(r.Catalogue)
		}),
		RemovesForAll:   on(func(t table) bytebites.Sessions { return removesForAll{t} }),
		LosesFailed:     on(func(t table) bytebites.Sessions { return losesFailed{t} }),
		PreparedOnce:    on(func(t table) bytebites.Sessions { return &preparedOnce{table: t} }),
		OneQueryAtATime: on(func(t table) bytebites.Sessions { return &oneQuery{table: t} }),
		MemoryWhenAway:  on(func(t table) bytebites.Sessions { return memoryWhenAway{t, inmem.New(maxSessions, nil)} }),
		BothClocks:      on(func(t table) bytebites.Sessions { return bothClocks{t} }),
		HourOfGrace:     on(func(t table) bytebites.Sessions { return removing{t, longExpired} }),
		EverySecond:     on(func(t table) bytebites.Sessions { return &everySecond{removing: removing{t, manyExpired}} }),
		LimitFirst:      on(func(t table) bytebites.Sessions { return removing{t, limitFirst} }),
		GivesUpLocked:   on(func(t table) bytebites.Sessions { return givesUpLocked{t} }),
		DeletesByUser:   on(func(t table) bytebites.Sessions { return deletesByUser{t} }),
		DeleteLater:     on(func(t table) bytebites.Sessions { return deleteLater{t} }),
		WorksForNobody:  on(func(t table) bytebites.Sessions { return worksForNobody{t} }),
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
	longExpired = `DELETE FROM sessions WHERE token_hash IN
		(SELECT token_hash FROM sessions WHERE expires_at <= now() - interval '1 hour' LIMIT 10 FOR UPDATE SKIP LOCKED)`
	manyExpired = `DELETE FROM sessions WHERE token_hash IN
		(SELECT token_hash FROM sessions WHERE expires_at <= now() LIMIT 90 FOR UPDATE SKIP LOCKED)`
	limitFirst = `DELETE FROM sessions WHERE expires_at <= now() AND token_hash IN
		(SELECT token_hash FROM sessions ORDER BY token_hash LIMIT 10 FOR UPDATE SKIP LOCKED)`
	lockedExpired = `DELETE FROM sessions WHERE token_hash IN
		(SELECT token_hash FROM sessions WHERE expires_at <= now() LIMIT 10 FOR UPDATE NOWAIT)`
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

// removesForAll removes also when the request has ended.
type removesForAll struct{ table }

func (s removesForAll) Create(ctx context.Context, session bytebites.Session) error {
	if _, err := s.db.ExecContext(context.WithoutCancel(ctx), manyExpired); err != nil {
		return err
	}
	return s.insert(ctx, session)
}

// losesFailed does not roll back when a statement fails.
type losesFailed struct{ table }

func (s losesFailed) Create(_ context.Context, session bytebites.Session) error {
	tx, err := s.db.Begin() //nolint:noctx // the fault of this answer
	if err != nil {
		return err
	}
	if _, err := tx.Exec(manyExpired); err != nil { //nolint:noctx // as above
		return err
	}
	_, err = tx.Exec( //nolint:noctx // as above
		`INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (token_hash) DO UPDATE SET user_id = excluded.user_id, email = excluded.email, expires_at = excluded.expires_at`,
		session.TokenHash[:], session.User, session.Email, session.ExpiresAt)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// preparedOnce prepares its query for the first request, and keeps the error of that.
type preparedOnce struct {
	table
	once  sync.Once
	query *sql.Stmt
	err   error
}

func (s *preparedOnce) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	s.once.Do(func() {
		s.query, s.err = s.db.PrepareContext(ctx, `SELECT user_id, email, expires_at FROM sessions WHERE token_hash = $1 AND expires_at > now()`)
	})
	if s.err != nil {
		return bytebites.Session{}, s.err
	}
	session := bytebites.Session{TokenHash: tokenHash}
	err := s.query.QueryRowContext(ctx, tokenHash[:]).Scan(&session.User, &session.Email, &session.ExpiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return session, err
}

// oneQuery protects the database by a mutex.
type oneQuery struct {
	table
	mu sync.Mutex
}

func (s *oneQuery) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Sessions.Session(ctx, tokenHash)
}

// memoryWhenAway answers from memory while the database is away.
type memoryWhenAway struct {
	table
	memory *inmem.Store
}

func (s memoryWhenAway) Create(ctx context.Context, session bytebites.Session) error {
	return errors.Join(s.memory.Create(ctx, session), s.Sessions.Create(ctx, session))
}

func (s memoryWhenAway) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session, err := s.Sessions.Session(ctx, tokenHash)
	if err != nil && !errors.Is(err, bytebites.ErrNotFound) {
		if known, memoryErr := s.memory.Session(ctx, tokenHash); memoryErr == nil {
			return known, nil
		}
	}
	return session, err
}

// bothClocks asks the database's clock, and then its own.
type bothClocks struct{ table }

func (s bothClocks) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	session, err := s.Sessions.Session(ctx, tokenHash)
	if err == nil && time.Now().After(session.ExpiresAt) {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return session, err
}

// everySecond removes at each second sign-in.
type everySecond struct {
	removing
	signIns atomic.Int64
}

func (s *everySecond) Create(ctx context.Context, session bytebites.Session) error {
	if s.signIns.Add(1)%2 == 0 {
		return s.removing.Create(ctx, session)
	}
	return s.insert(ctx, session)
}

// givesUpLocked removes nothing when another sign-in has locked a row.
type givesUpLocked struct{ table }

func (s givesUpLocked) Create(ctx context.Context, session bytebites.Session) error {
	_, _ = s.db.ExecContext(ctx, lockedExpired) // the next sign-in tries again
	return s.insert(ctx, session)
}
