package spec

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// storeLimit bounds one call of the subject's store. It takes milliseconds, on a busy machine
	// some hundred.
	storeLimit = 3 * time.Second
	// storeConnections is the size of a store's pool, and reads more than it: a read that keeps
	// its connection leaves none for the last.
	storeConnections = 2
	reads            = 4 * storeConnections
	// crowd is the number of subscribers that use a store at once.
	crowd = 12
	// clockShift is the difference between the clocks of a replica and of the database. A session
	// that expires halfway between them has expired by one of them only.
	clockShift = time.Hour
	// endsSoon is the length of a short session, longer than the check needs on a busy machine.
	endsSoon = 20 * time.Second
)

// desk is an empty PostgreSQL server for the checks of the subject's store.
type desk struct {
	bed    *testbed.Bed
	server *testbed.Postgres
	pool   *sql.DB
}

// startDesk starts the server, or takes over that of the run before in a series. Each check has a
// database of its own there, so nothing of one run reaches the next.
func (l *trial) startDesk(ctx context.Context, run *lab.Run) (end func() error, err error) {
	const name = "lab 02 database"
	d, kept := taken[*desk](run, name)
	if !kept {
		d = &desk{}
		if d.bed, err = testbed.Start(lifetime(ctx, run), testbed.Options{}); err != nil {
			return nil, err
		}
	}
	l.desk = d
	end = func() error { return keepOrClose(run, name, d, d.close) }
	if kept {
		return end, nil
	}
	if d.server, err = d.bed.Postgres(ctx, testbed.PostgresOptions{}); err != nil {
		return d.close, err
	}
	d.pool, err = postgres.Open(ctx, d.server.URL(), postgres.PoolConfig{MaxOpen: checkPool, MaxIdle: checkPool})
	if err != nil {
		return d.close, err
	}
	return end, nil
}

func (d *desk) close() error {
	var err error
	if d.pool != nil {
		err = d.pool.Close()
	}
	return errors.Join(err, d.bed.Close())
}

// shelf is a database of its own for checks of the subject's store, with the subject's tables.
type shelf struct {
	subject Subject
	admin   *sql.DB // of the server
	name    string
	url     string
	db      *sql.DB // for the check's own questions
	opened  []*sql.DB
}

// openShelf creates the database and applies the subject's schema.
func (l *trial) openShelf(ctx context.Context) (*shelf, error) {
	s := &shelf{subject: l.subject, admin: l.desk.pool, name: "sessions_" + strings.ToLower(rand.Text()[:10])}
	at, err := url.Parse(l.desk.server.URL())
	if err != nil {
		return nil, errors.New("database of the stores: the server has no URL")
	}
	at.Path = "/" + s.name
	s.url = at.String()
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+s.name); err != nil {
		return nil, fmt.Errorf("create database %s: %w", s.name, err)
	}
	if s.db, err = postgres.Open(ctx, s.url, postgres.PoolConfig{MaxOpen: checkPool, MaxIdle: checkPool}); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.applySchema(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// checkPool is the number of connections for a check's own questions.
const checkPool = 2

// close removes the database, with connections that the subject keeps.
func (s *shelf) close(ctx context.Context) error {
	var errs []error
	for _, db := range append(s.opened, s.db) {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	_, err := s.admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+s.name+" WITH (FORCE)")
	return errors.Join(append(errs, err)...)
}

// applySchema does what every start of a replica does.
func (s *shelf) applySchema(ctx context.Context) error {
	c := service.Baseline()
	s.subject.Apply(&c)
	for _, change := range c.SchemaChanges {
		if _, err := s.db.ExecContext(ctx, change.SQL); err != nil {
			return &lab.Failure{
				Expected: "sessions.sql to run at every start of a replica", Seen: err.Error(), Waited: lab.Late(err),
				Look: lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "sessions.sql must change nothing the second time"},
			}
		}
	}
	return nil
}

// open returns a store as a new replica builds it, over a database whose clock is ahead by shift.
func (s *shelf) open(shift time.Duration) (bytebites.Sessions, error) {
	db, err := openShifted(s.url, shift, storeConnections)
	if err != nil {
		return nil, err
	}
	s.opened = append(s.opened, db)
	c := service.Baseline()
	s.subject.Apply(&c)
	return c.Sessions(service.Resources{Catalogue: db})
}

// use runs a check with a shelf.
func (l *trial) use(ctx context.Context, check func(context.Context, *shelf) error) (err error) {
	s, err := l.openShelf(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	return check(ctx, s)
}

// session returns a new session of visitor n that ends at a time.
func session(n int, ends time.Time) bytebites.Session {
	return bytebites.Session{
		TokenHash: sha256.Sum256([]byte(rand.Text())), User: seed.User(firstVisitor + n), Email: seed.Email(firstVisitor + n),
		ExpiresAt: ends.UTC().Truncate(time.Second),
	}
}

// store is a store of the subject, called with a time limit and without panics.
type store struct{ bytebites.Sessions }

// storeLook is the place of a method of sessions.go.
func storeLook(method, hint string) lab.Look {
	switch method {
	case "Create":
		return lab.Look{File: "sessions.go", Func: "Sessions.Create", Hint: hint}
	case "Delete":
		return lab.Look{File: "sessions.go", Func: "Sessions.Delete", Hint: hint}
	default:
		return lab.Look{File: "sessions.go", Func: "Sessions.Session", Hint: hint}
	}
}

// call runs one call of the subject's store. The failure is not nil when the call did not end or
// panicked, and err is the call's own.
func call(ctx context.Context, method string, do func(context.Context) error) (err, failure error) {
	ctx, cancel := context.WithCancel(ctx)
	// The context outlives a call that ends in time, as that of a request does: its end would give
	// back a connection that the call has kept.
	limit := time.AfterFunc(hostspeed.Wait(storeLimit), cancel)
	ended := make(chan error, 1)
	broken := make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broken <- p
			}
		}()
		ended <- do(ctx)
	}()
	select {
	case err := <-ended:
		if limit.Stop() || err == nil {
			return err, nil
		}
		return nil, tooLong(method)
	case p := <-broken:
		return nil, &lab.Failure{Expected: method + " to return", Seen: fmt.Sprintf("a panic: %v", p), Look: storeLook(method, "")}
	case <-ctx.Done():
		return nil, tooLong(method)
	}
}

func tooLong(method string) error {
	return &lab.Failure{
		Expected: fmt.Sprintf("%s to return within %s", method, storeLimit), Seen: method + " still waits",
		Look: storeLook(method, "close all rows and transactions, and pass over locked rows by FOR UPDATE SKIP LOCKED"),
	}
}

func (s store) create(ctx context.Context, session bytebites.Session) error {
	err, failure := call(ctx, "Create", func(ctx context.Context) error { return s.Create(ctx, session) })
	if failure == nil && err != nil {
		failure = &lab.Failure{Expected: "Create to store a session", Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Create", "")}
	}
	return failure
}

func (s store) find(ctx context.Context, hash [32]byte) (found bytebites.Session, err, failure error) {
	var mu sync.Mutex // a call that does not end may still write
	err, failure = call(ctx, "Session", func(ctx context.Context) error {
		session, err := s.Session(ctx, hash)
		mu.Lock()
		defer mu.Unlock()
		found = session
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	return found, err, failure
}

func (s store) remove(ctx context.Context, hash [32]byte) error {
	err, failure := call(ctx, "Delete", func(ctx context.Context) error { return s.Delete(ctx, hash) })
	if failure == nil && err != nil {
		failure = &lab.Failure{Expected: "Delete to return nil, also for an unknown session", Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Delete", "")}
	}
	return failure
}

// holds demands that the store has a session, and nothing else under its token.
func (s store) holds(ctx context.Context, want bytebites.Session, when, hint string) error {
	got, err, failure := s.find(ctx, want.TokenHash)
	switch {
	case failure != nil:
		return failure
	case err != nil:
		return &lab.Failure{Expected: "Session to find a session " + when, Seen: err.Error(), Waited: lab.Late(err), Look: storeLook("Session", hint)}
	case got.User != want.User || got.Email != want.Email || !got.ExpiresAt.Equal(want.ExpiresAt) || got.TokenHash != want.TokenHash:
		return &lab.Failure{
			Expected: fmt.Sprintf("Session to return what Create stored, %s: %s", when, about(want)), Seen: about(got),
			Look: storeLook("Session", hint),
		}
	}
	return nil
}

// seenIn returns what the failure inside an error saw, so that a failure with an expectation of its
// own can say it. Of another error it returns the text.
func seenIn(err error) string {
	var failure *lab.Failure
	if errors.As(err, &failure) {
		return failure.Seen
	}
	return err.Error()
}

func about(s bytebites.Session) string {
	return fmt.Sprintf("user %s, %s, ends %s, token hash %.4x", s.User, s.Email, s.ExpiresAt.UTC().Format(time.RFC3339Nano), s.TokenHash)
}

// lacks demands bytebites.ErrNotFound.
func (s store) lacks(ctx context.Context, hash [32]byte, what, method, hint string) error {
	got, err, failure := s.find(ctx, hash)
	switch {
	case failure != nil:
		return failure
	case !errors.Is(err, bytebites.ErrNotFound):
		seen := about(got)
		if err != nil {
			seen = err.Error()
		}
		return &lab.Failure{Expected: fmt.Sprintf("bytebites.ErrNotFound for %s", what), Seen: seen, Look: storeLook(method, hint)}
	}
	return nil
}

// sessionStore calls the subject's store as two replicas do.
func (l *trial) sessionStore(ctx context.Context, _ *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		one, err := s.open(0)
		if err != nil {
			return err
		}
		two, err := s.open(0)
		if err != nil {
			return err
		}
		for _, check := range []func(context.Context, *shelf, store, store) error{shared, replaced, ownAnswers, connections, restarted, unreachable, calledOff} {
			if err := check(ctx, s, store{one}, store{two}); err != nil {
				return err
			}
		}
		return nil
	})
}

// shared creates a session in one replica, reads it in both, and deletes it in the other.
func shared(ctx context.Context, _ *shelf, one, two store) error {
	ends := time.Now().Add(2 * time.Hour)
	here, other := session(0, ends), session(0, ends.Add(time.Hour))
	if err := one.lacks(ctx, here.TokenHash, "a token that nobody has", "Session", ""); err != nil {
		return err
	}
	const hint = "keep sessions in the database, where all replicas can read them"
	for _, s := range []bytebites.Session{here, other} {
		if err := one.create(ctx, s); err != nil {
			return err
		}
		for _, at := range []store{one, two} {
			if err := at.holds(ctx, s, "that any replica has stored", hint); err != nil {
				return err
			}
		}
	}
	if err := one.holds(ctx, here, "of a subscriber who signed in on a second device", "which rows does Create remove?"); err != nil {
		return err
	}
	if err := two.remove(ctx, here.TokenHash); err != nil {
		return err
	}
	for _, at := range []store{two, one} {
		if err := at.lacks(ctx, here.TokenHash, "a session that any replica has deleted", "Delete", "what does a replica remember that another has deleted?"); err != nil {
			return err
		}
	}
	if err := one.remove(ctx, here.TokenHash); err != nil { // unknown by now
		return err
	}
	return one.holds(ctx, other, "of a subscriber who signed out on another device", "which rows does Delete remove?")
}

// replaced creates a session under a token that has one.
func replaced(ctx context.Context, _ *shelf, one, two store) error {
	ends := time.Now().Add(time.Hour)
	first, second := session(1, ends), session(2, ends.Add(time.Hour))
	second.TokenHash = first.TokenHash
	second.User, second.Email = `u'1"; --`, "Zoë.O'Brien+1@Example.org"
	for _, s := range []bytebites.Session{first, first, second, first} {
		if err := one.create(ctx, s); err != nil {
			return err
		}
		if err := two.holds(ctx, s, "that replaced an earlier one of its token", "what does Create do ON CONFLICT (token_hash)?"); err != nil {
			return err
		}
	}
	return nil
}

// ownAnswers has a crowd create and read at once, each its own session.
func ownAnswers(ctx context.Context, _ *shelf, one, two store) error {
	var group errgroup.Group
	for n := range crowd {
		group.Go(func() error {
			mine := session(n, time.Now().Add(time.Hour+time.Duration(n)*time.Minute))
			if err := one.create(ctx, mine); err != nil {
				return err
			}
			for _, at := range []store{one, two} {
				if err := at.holds(ctx, mine, "of a subscriber among others", "which values do calls at the same time share?"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// connections calls each method more often than the pool has connections, also with a session that the
// server refuses.
func connections(ctx context.Context, shelf *shelf, one, _ store) error {
	known := session(3, time.Now().Add(time.Hour))
	refused := session(3, time.Now().Add(time.Hour))
	refused.User = "\x00" // no text in PostgreSQL
	for range reads {
		if err := one.create(ctx, known); err != nil {
			return err
		}
		err, failure := call(ctx, "Create", func(ctx context.Context) error { return one.Create(ctx, refused) })
		if failure == nil && err == nil {
			failure = &lab.Failure{Expected: "Create to return the error of the database", Seen: "nil", Look: storeLook("Create", "")}
		}
		if failure != nil {
			return failure
		}
		if err := one.holds(ctx, known, "that was read before", ""); err != nil {
			return err
		}
		if err := one.lacks(ctx, refused.TokenHash, "an unknown token", "Session", ""); err != nil {
			return err
		}
		if err := one.remove(ctx, known.TokenHash); err != nil {
			return err
		}
	}
	return shelf.givenBack(ctx)
}

// givenBack demands that no store keeps a connection. Work in the background may end first.
func (s *shelf) givenBack(ctx context.Context) error {
	for deadline := time.Now().Add(hostspeed.Wait(storeLimit)); ; {
		kept := 0
		for _, db := range s.opened {
			kept += db.Stats().InUse
		}
		if kept == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "each call to give its connection back", Seen: fmt.Sprintf("%d connections in use after all calls", kept),
				Waited: lab.Last(storeLimit), Look: storeLook("Session", "close all rows, transactions and connections, also after an error"),
			}
		}
		if err := rig.Pause(ctx, removalPause); err != nil {
			return err
		}
	}
}

// restarted builds the store again, as the start of a replica does.
func restarted(ctx context.Context, s *shelf, one, _ store) error {
	known := session(4, time.Now().Add(time.Hour))
	// Not by Create, which may remove expired sessions in the background.
	if _, err := s.db.ExecContext(ctx, `INSERT INTO sessions (token_hash, user_id, email, expires_at) VALUES ($1, $2, $3, $4)`,
		known.TokenHash[:], known.User, known.Email, known.ExpiresAt); err != nil {
		return fmt.Errorf("put a session: %w", err)
	}
	if err := s.putExpired(ctx); err != nil {
		return err
	}
	before, err := s.rows(ctx)
	if err != nil {
		return err
	}
	if err := s.applySchema(ctx); err != nil {
		return err
	}
	again, err := s.open(0)
	if err != nil {
		return err
	}
	after, err := s.rows(ctx)
	if err != nil {
		return err
	}
	if after != before {
		return &lab.Failure{
			Expected: "the start of a replica to change no session, and to remove no expired one", Seen: "before it " + before + "; after it " + after,
			Look: lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "leave the rows alone in NewSessions and in sessions.sql"},
		}
	}
	for _, at := range []store{{again}, one} {
		err := at.holds(ctx, known, "after another replica has started", "leave the rows alone in NewSessions and in sessions.sql")
		if err != nil {
			return err
		}
	}
	return nil
}

// rows tells the number of rows in the table, and a hash of them.
func (s *shelf) rows(ctx context.Context) (text string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) || ' sessions with the hash ' || left(md5(coalesce(string_agg(s::text, ' ' ORDER BY token_hash), '')), 8) FROM sessions s`).Scan(&text)
	if err != nil {
		return "", fmt.Errorf("read sessions: %w", err)
	}
	return text, nil
}

// unreachable calls a store whose database is gone. The store must not report a session as missing, and must
// not answer from what it remembers.
func unreachable(ctx context.Context, s *shelf, _, _ store) error {
	gone, err := s.open(0)
	if err != nil {
		return err
	}
	at := store{gone}
	some := session(5, time.Now().Add(time.Hour))
	if err := at.create(ctx, some); err != nil {
		return err
	}
	if err := at.holds(ctx, some, "that it has stored", ""); err != nil {
		return err
	}
	if err := s.opened[len(s.opened)-1].Close(); err != nil {
		return err
	}
	for _, c := range []struct {
		method string
		do     func(context.Context) error
	}{
		{"Session", func(ctx context.Context) error { _, err := at.Session(ctx, some.TokenHash); return err }},
		{"Create", func(ctx context.Context) error { return at.Create(ctx, some) }},
		{"Delete", func(ctx context.Context) error { return at.Delete(ctx, some.TokenHash) }},
	} {
		err, failure := call(ctx, c.method, c.do)
		switch {
		case failure != nil:
			return failure
		case err == nil || errors.Is(err, bytebites.ErrNotFound):
			return &lab.Failure{
				Expected: c.method + " to return an error other than bytebites.ErrNotFound when the database cannot be reached",
				Seen:     fmt.Sprintf("%v", err), Look: storeLook(c.method, "a subscriber must not be told to be signed out, or in, because a database is away"),
			}
		}
	}
	return nil
}

// calledOff calls a new store for requests that have ended, and for requests that end while the table is
// locked. The store must work afterwards.
func calledOff(ctx context.Context, s *shelf, one, _ store) error {
	known := session(6, time.Now().Add(time.Hour))
	if err := one.create(ctx, known); err != nil {
		return err
	}
	built, err := s.open(0)
	if err != nil {
		return err
	}
	fresh := store{built}
	for _, callOff := range []func() error{
		func() error { return fresh.endsAfter(ctx, 0, known) },
		func() error { return s.whileLocked(ctx, fresh, known) },
	} {
		if err := callOff(); err != nil {
			return err
		}
		if err := fresh.create(ctx, session(6, time.Now().Add(time.Hour))); err != nil {
			return err
		}
		if err := fresh.holds(ctx, known, "after requests that were called off", "what does a store keep from a call that failed?"); err != nil {
			return err
		}
	}
	return nil
}

// lockedFor is how long a request lasts that meets a locked table.
const lockedFor = 100 * time.Millisecond

// whileLocked calls the store for short requests while nothing can be read or written, and while a longer
// request waits too.
func (s *shelf) whileLocked(ctx context.Context, at store, known bytebites.Session) (err error) {
	longer, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		end()
		return fmt.Errorf("lock sessions: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `LOCK TABLE sessions`); err != nil {
		end()
		return errors.Join(fmt.Errorf("lock sessions: %w", err), tx.Rollback())
	}
	go func() {
		defer close(ended)
		defer func() { _ = recover() }() // an earlier check has called it
		_, _ = at.Session(longer, known.TokenHash)
	}()
	defer func() {
		end()
		err = errors.Join(err, tx.Rollback()) // an answer without regard to its context ends here
		select {
		case <-ended:
		case <-time.After(hostspeed.Wait(storeLimit)):
		}
	}()
	if err := s.waiting(ctx, tx); err != nil {
		return err
	}
	return at.endsAfter(ctx, lockedFor, known)
}

// waiting returns when a statement of the store waits for a lock of tx.
func (s *shelf) waiting(ctx context.Context, tx *sql.Tx) error {
	for deadline := time.Now().Add(hostspeed.Wait(storeLimit)); ; {
		var blocked int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sessions'::regclass`).Scan(&blocked)
		switch {
		case err != nil:
			return fmt.Errorf("read locks: %w", err)
		case blocked > 0:
			return nil
		case time.Now().After(deadline):
			return &lab.Failure{
				Expected: "Session to read the table sessions", Seen: "no statement that waits for it while it is locked",
				Waited: lab.Last(storeLimit), Look: storeLook("Session", ""),
			}
		}
		if err := rig.Pause(ctx, removalPause); err != nil {
			return err
		}
	}
}

// endsAfter calls each method for a request that ends after a time, in which the database does not answer.
func (s store) endsAfter(ctx context.Context, length time.Duration, known bytebites.Session) error {
	for _, c := range []struct {
		method string
		do     func(context.Context) error
	}{
		{"Session", func(ctx context.Context) error { _, err := s.Session(ctx, known.TokenHash); return err }},
		{"Create", func(ctx context.Context) error { return s.Create(ctx, known) }},
		{"Delete", func(ctx context.Context) error { return s.Delete(ctx, known.TokenHash) }},
	} {
		request, end := context.WithCancel(ctx) // as when a client leaves; the error is not one of time
		if length == 0 {
			end()
		} else {
			time.AfterFunc(length, end)
		}
		err, failure := call(ctx, c.method, func(context.Context) error { return c.do(request) })
		end()
		if failure == nil && (err == nil || errors.Is(err, bytebites.ErrNotFound)) {
			failure = &lab.Failure{
				Expected: c.method + " to return the error of its context when that has ended", Seen: fmt.Sprintf("%v", err),
				Look: storeLook(c.method, "pass ctx to each statement, so that it ends with the request"),
			}
		}
		if failure != nil {
			return failure
		}
	}
	return nil
}

// oneClock calls stores of replicas whose clocks differ from the database's.
func (l *trial) oneClock(ctx context.Context, _ *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		exact, err := s.open(0)
		if err != nil {
			return err
		}
		slow, err := s.open(clockShift) // the database is ahead of the replica
		if err != nil {
			return err
		}
		fast, err := s.open(-clockShift)
		if err != nil {
			return err
		}
		var now time.Time
		if err := s.db.QueryRowContext(ctx, `SELECT now()`).Scan(&now); err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		return clocks(ctx, now, store{exact}, store{slow}, store{fast})
	})
}

const clockHint = "compare expires_at with now() in SQL: the replicas' clocks differ"

// clocks calls the stores with sessions that end before and after now by the database's clock.
func clocks(ctx context.Context, now time.Time, exact, slow, fast store) error {
	old, soon := session(0, now.Add(-time.Second)), session(0, now.Add(endsSoon))
	for _, s := range []bytebites.Session{soon, old} { // a sign-in after the old one would remove it
		if err := exact.create(ctx, s); err != nil {
			return err
		}
	}
	if err := exact.lacks(ctx, old.TokenHash, "a session that has expired a second ago", "Session", clockHint); err != nil {
		return err
	}
	if err := exact.holds(ctx, soon, "that ends in some seconds", clockHint); err != nil {
		return err
	}
	// Expired by the database's clock, and not by that of the replica.
	late := session(1, now.Add(clockShift/2))
	if err := slow.create(ctx, late); err != nil {
		return err
	}
	if err := slow.lacks(ctx, late.TokenHash, "a session that has expired by the database's clock and not by the replica's", "Session", clockHint); err != nil {
		return err
	}
	// A replica with a fast clock would remove a live session, and sign its subscriber out.
	live, left := session(2, now.Add(clockShift/2)), session(3, now.Add(2*clockShift))
	for _, s := range []bytebites.Session{live, left} {
		if err := exact.create(ctx, s); err != nil {
			return err
		}
	}
	for range signIns {
		if err := fast.create(ctx, session(4, now.Add(time.Hour))); err != nil {
			return err
		}
	}
	if err := fast.remove(ctx, left.TokenHash); err != nil {
		return err
	}
	if err := exact.lacks(ctx, left.TokenHash, "a session that a replica with a fast clock has deleted", "Delete", clockHint); err != nil {
		return err
	}
	_, err, failure := exact.find(ctx, live.TokenHash)
	if failure == nil && err != nil {
		failure = &lab.Failure{
			Expected: "a live session to stay when a replica whose clock is an hour ahead removes expired ones",
			Seen:     err.Error(), Waited: lab.Late(err), Look: storeLook("Create", clockHint),
		}
	}
	if failure != nil {
		return failure
	}
	_, err, failure = fast.find(ctx, live.TokenHash)
	if failure == nil && err != nil {
		failure = &lab.Failure{
			Expected: "a replica whose clock is an hour ahead to find a live session",
			Seen:     err.Error(), Waited: lab.Late(err), Look: storeLook("Session", clockHint),
		}
	}
	return failure
}

const (
	// expired is the number of expired sessions in the table. Each of signIns sign-ins has to
	// remove at least one and at most removedMost of them.
	expired     = 1000
	liveToo     = 300 // that are in the table beside them
	signIns     = 3
	removedMost = 100
	// removalTime bounds the wait for a removal that does not hold up the sign-in.
	removalTime  = 3 * time.Second
	removalPause = 20 * time.Millisecond
)

// oldSessions counts expired rows while some sign in, and has others hold them meanwhile.
func (l *trial) oldSessions(ctx context.Context, run *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		built, err := s.open(0)
		if err != nil {
			return err
		}
		at := store{built}
		live := session(0, time.Now().Add(time.Minute))
		if err := at.create(ctx, live); err != nil {
			return err
		}
		if err := s.putLive(ctx); err != nil {
			return err
		}
		if err := s.putExpired(ctx); err != nil {
			return err
		}
		if err := s.removes(ctx, run, at); err != nil {
			return err
		}
		if err := at.holds(ctx, live, "that has not expired, after others have signed in", "which rows does a sign-in remove?"); err != nil {
			return err
		}
		return s.whileHeld(ctx, at)
	})
}

// putLive puts live sessions into the table, whose token hashes are the smallest and the largest.
func (s *shelf) putLive(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at)
		 SELECT decode(CASE n % 2 WHEN 0 THEN '00000000' ELSE 'ffffffff' END || lpad(to_hex(n), 56, '0'), 'hex'), $1, $2, now() + interval '1 hour'
		 FROM generate_series(1, $3) AS n`,
		seed.User(firstVisitor), seed.Email(firstVisitor), liveToo)
	if err != nil {
		return fmt.Errorf("put live sessions: %w", err)
	}
	return nil
}

// putExpired puts expired sessions into the table.
func (s *shelf) putExpired(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at)
		 SELECT sha256(('expired ' || n)::bytea), $1, $2, now() - interval '1 second' FROM generate_series(1, $3) AS n`,
		seed.User(firstVisitor), seed.Email(firstVisitor), expired)
	if err != nil {
		return fmt.Errorf("put expired sessions: %w", err)
	}
	return nil
}

// left counts the expired sessions in the table.
func (s *shelf) left(ctx context.Context) (left int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM sessions WHERE expires_at <= now()`).Scan(&left)
	if err != nil {
		return 0, fmt.Errorf("count expired sessions: %w", err)
	}
	return left, nil
}

// removes has some sign in, and counts what each of them removes.
func (s *shelf) removes(ctx context.Context, run *lab.Run, at store) error {
	var gone int
	for n := 1; n <= signIns; n++ {
		if err := at.create(ctx, session(1, time.Now().Add(time.Hour))); err != nil {
			return err
		}
		var err error
		if gone, err = s.goneAfter(ctx, n); err != nil {
			return err
		}
		switch {
		case gone < n:
			return &lab.Failure{
				Expected: "each sign-in to remove an expired session or more, so that they do not pile up",
				Seen:     fmt.Sprintf("%d of %d removed by %d sign-ins", gone, expired, n), Look: storeLook("Create", ""),
			}
		case gone > n*removedMost:
			return &lab.Failure{
				Expected: fmt.Sprintf("a sign-in to remove at most %d expired sessions, because a subscriber waits for it", removedMost),
				Seen:     fmt.Sprintf("%d of %d removed by %d", gone, expired, n), Look: storeLook("Create", "use a LIMIT"),
			}
		}
	}
	run.Report(fmt.Sprintf("expired sessions that %d sign-ins removed", signIns), float64(gone), "")
	return nil
}

// goneAfter counts the removed sessions, as soon as there are so many.
func (s *shelf) goneAfter(ctx context.Context, wanted int) (gone int, err error) {
	for deadline := time.Now().Add(hostspeed.Wait(removalTime)); ; {
		left, err := s.left(ctx)
		if err != nil {
			return 0, err
		}
		if gone = expired - left; gone >= wanted || time.Now().After(deadline) {
			return gone, nil
		}
		if err := rig.Pause(ctx, removalPause); err != nil {
			return 0, err
		}
	}
}

// notHeld is the number of expired rows that the other sign-in leaves.
const notHeld = 5

// whileHeld signs in while another sign-in, which has not committed, removes all expired rows but some.
func (s *shelf) whileHeld(ctx context.Context, at store) (err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("hold expired sessions: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if _, err := tx.ExecContext(ctx,
		`SELECT 1 FROM sessions WHERE expires_at <= now() AND token_hash NOT IN
		 (SELECT token_hash FROM sessions WHERE expires_at <= now() ORDER BY token_hash DESC LIMIT $1) FOR UPDATE`, notHeld); err != nil {
		return fmt.Errorf("hold expired sessions: %w", err)
	}
	left, err := s.left(ctx)
	if err != nil {
		return err
	}
	err, failure := call(ctx, "Create", func(ctx context.Context) error { return at.Create(ctx, session(2, time.Now().Add(time.Hour))) })
	if failure == nil {
		failure = err
	}
	if failure != nil {
		return &lab.Failure{
			Expected: "a sign-in to leave the rows alone that another sign-in removes at the moment", Seen: seenIn(failure), Waited: lab.Late(failure),
			Look: storeLook("Create", "FOR UPDATE SKIP LOCKED"),
		}
	}
	gone, err := s.goneAfter(ctx, expired-left+1)
	if err == nil && gone <= expired-left {
		err = &lab.Failure{
			Expected: fmt.Sprintf("a sign-in to remove one of the %d expired sessions that no other sign-in holds", notHeld), Seen: "none removed",
			Look: storeLook("Create", "FOR UPDATE SKIP LOCKED"),
		}
	}
	return err
}
