package shard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
)

func nothing(context.Context) error { return nil }

// to returns what Switch asks for the next map.
func to(next shard.Map) func(context.Context) (shard.Map, error) {
	return func(context.Context) (shard.Map, error) { return next, nil }
}

func testPublish(t *testing.T, f *fixture) {
	c := f.cluster(t, 3)
	mover := c.mover(t, f) // before any replica: it makes the first map
	defer func() { must(t, mover.Close()) }()
	c.wantFences(t, "at first", fence{1, true}, fence{1, true}, fence{1, true})
	next := mover.Map()
	next.Phase, next.Target = shard.NewUsers, everywhere(1)

	// It waits for writers with the old map.
	inside, leave := make(chan struct{}), make(chan struct{})
	written, published := make(chan error), make(chan error)
	go func() {
		written <- shard.Within(f.ctx, c.servers[0], 1, func(ctx context.Context) error {
			close(inside)
			<-leave
			return shard.Mark(ctx, c.servers[0], "a")
		})
	}()
	<-inside
	go func() { published <- mover.Publish(f.ctx, next) }()
	select {
	case err := <-published:
		t.Fatalf("published while a writer uses the old map: %v", err)
	case <-time.After(600 * time.Millisecond):
	}
	close(leave)
	must(t, <-written)
	must(t, <-published)
	c.wantFences(t, "published", fence{2, true}, fence{2, true}, fence{1, true}) // the map does not name the last one
	for server, db := range c.servers[:2] {
		wantError(t, fmt.Sprintf("old map on server %d", server), shard.Within(f.ctx, db, 1, nothing), shard.ErrMoved)
		if err := shard.Within(f.ctx, db, 2, nothing); err != nil {
			t.Errorf("new map on server %d: %v", server, err)
		}
	}

	// The cursor is kept for the next mover, without a new version.
	must(t, mover.SaveCursor(f.ctx, "u\x00\xff"))
	if m := mover.Map(); m.Cursor != "u\x00\xff" || m.Version != 2 {
		t.Errorf("cursor %q, version %d", m.Cursor, m.Version)
	}
	must(t, mover.Close())
	second := c.mover(t, f)
	if m := second.Map(); m != mover.Map() || m.Cursor != "u\x00\xff" {
		t.Errorf("the next mover has version %d, cursor %q", m.Version, m.Cursor)
	}
	// A map must not name a server that does not exist.
	bad := second.Map()
	bad.Target = everywhere(3)
	if err := second.Publish(f.ctx, bad); err == nil {
		t.Error("published a map with a server that is not there")
	}
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	wantError(t, "publish when time is up", second.Publish(ended, next), context.Canceled)
	wantError(t, "save when time is up", second.SaveCursor(ended, ""), context.Canceled)
	c.wantFences(t, "after failures", fence{2, true}, fence{2, true}, fence{2, true})
	mover = second
}

func testSwitch(t *testing.T, f *fixture) {
	c := f.cluster(t, 3)
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	next := mover.Map()
	next.Phase, next.Source, next.Target = shard.Flipped, everywhere(1), everywhere(2)
	var steps []string
	closed := func(step string) {
		steps = append(steps, step)
		for version := int64(0); version < 4; version++ {
			err := shard.Within(f.ctx, c.servers[0], version, nothing)
			wantError(t, fmt.Sprintf("%s: version %d", step, version), err, shard.ErrMoved)
		}
	}
	must(t, mover.Switch(f.ctx,
		func(context.Context) error { closed("settle"); return nil },
		func(context.Context) (shard.Map, error) { closed("next"); return next, nil }))
	next.Version = 2
	if got := mover.Map(); got != next || len(steps) != 2 || steps[0] != "settle" {
		t.Errorf("version %d after %v", got.Version, steps)
	}
	c.wantFences(t, "switched", fence{2, true}, fence{2, true}, fence{2, true})
}

func testSwitchFails(t *testing.T, f *fixture) {
	c := f.cluster(t, 2)
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	failure := errors.New("no")
	next := mover.Map()
	next.Phase, next.Source = shard.Flipped, everywhere(1)
	missing := next
	missing.Source[0] = 2
	timeUp := func() (context.Context, context.CancelFunc) { return context.WithTimeout(f.ctx, 400*time.Millisecond) }
	for _, test := range []struct {
		name   string
		settle func(ctx context.Context) error
		next   func(ctx context.Context) (shard.Map, error)
		inside func(ctx context.Context) error // a writer inside
		want   error
	}{
		{name: "settle", settle: func(context.Context) error { return failure }, next: to(next), want: failure},
		{name: "next", settle: nothing, next: func(context.Context) (shard.Map, error) { return next, failure }, want: failure},
		{name: "no such server", settle: nothing, next: to(missing)},
		{name: "time is up while settling", next: to(next), want: context.DeadlineExceeded,
			settle: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		{name: "time is up before publishing", next: to(next), want: context.DeadlineExceeded,
			settle: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		{name: "a writer stays inside", settle: nothing, next: to(next), want: context.DeadlineExceeded,
			inside: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		ctx, cancel := timeUp()
		done := make(chan struct{})
		if test.inside == nil {
			close(done)
		} else {
			entered := make(chan struct{})
			longer, cancel := context.WithTimeout(f.ctx, 800*time.Millisecond)
			defer cancel()
			go func() {
				defer close(done)
				_ = shard.Within(longer, c.servers[0], 1, func(context.Context) error { close(entered); return test.inside(longer) })
			}()
			<-entered
		}
		err := mover.Switch(ctx, test.settle, test.next)
		cancel()
		if err == nil || (test.want != nil && !errors.Is(err, test.want)) {
			t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
		}
		<-done
		c.wantFences(t, test.name, fence{1, true}, fence{1, true})
		if m := mover.Map(); m.Version != 1 || m.Phase != shard.Settled {
			t.Errorf("%s: the mover's map has version %d", test.name, m.Version)
		}
		if n := count(t, c.control, `SELECT version FROM shard_map`); n != 1 {
			t.Errorf("%s: the map has version %d", test.name, n)
		}
		must(t, shard.Within(f.ctx, c.servers[0], 1, nothing))
	}
	// The mover works on as before.
	must(t, mover.Switch(f.ctx, nothing, to(next)))
	c.wantFences(t, "at last", fence{2, true}, fence{2, true})
}

// testRecovery starts a mover on every state that a dead mover can leave.
func testRecovery(t *testing.T, f *fixture) {
	c := f.cluster(t, 3)
	first := c.mover(t, f)
	next := first.Map()
	next.Phase, next.Target = shard.DoubleWrites, everywhere(1)
	must(t, first.Publish(f.ctx, next))
	must(t, first.Close())
	for _, left := range []string{
		`version = 2, open = false`, // in the middle of Switch
		`version = 1, open = false`, // after the map was switched
		`version = 1, open = true`,  // after the map was published
	} {
		exec(t, c.servers[0], `UPDATE shard_fence SET `+left)
		mover := c.mover(t, f)
		c.wantFences(t, left, fence{2, true}, fence{2, true}, fence{2, true})
		must(t, mover.Close())
	}
	// A server that was never prepared, as after a new server was set up.
	exec(t, c.servers[1], `DROP TABLE shard_fence`)
	mover := c.mover(t, f)
	c.wantFences(t, "new server", fence{2, true}, fence{2, true}, fence{2, true})
	must(t, mover.Close())

	// A move needs every server that has data, and no other server.
	gone := f.server(t)
	must(t, gone.Close())
	c.servers = append(c.servers, gone)
	mover = c.mover(t, f)
	must(t, mover.Close())
	c.servers[1] = gone
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	if mover, err := shard.NewMover(ctx, c.control, c.servers, slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("a mover without a server that it needs; close: %v", mover.Close())
	}
}

func testTurns(t *testing.T, f *fixture) {
	c := f.cluster(t, 1)
	first := c.mover(t, f)
	ctx, cancel := context.WithTimeout(f.ctx, 600*time.Millisecond)
	defer cancel()
	_, err := shard.NewMover(ctx, c.control, c.servers, slog.New(slog.DiscardHandler))
	wantError(t, "second mover", err, context.DeadlineExceeded)
	var second *shard.Mover
	started := make(chan error)
	go func() {
		second, err = shard.NewMover(f.ctx, c.control, c.servers, slog.New(slog.DiscardHandler))
		started <- err
	}()
	select {
	case err := <-started:
		t.Fatalf("two movers at once: %v", err)
	case <-time.After(400 * time.Millisecond):
	}
	must(t, first.Close())
	must(t, <-started)
	if err := first.SaveCursor(f.ctx, "x"); err == nil {
		t.Error("a mover whose turn is over has saved a cursor")
	}
	must(t, second.SaveCursor(f.ctx, "y"))
	must(t, second.Close())
}

// breakSession ends the connection that holds the mover's lock.
func (c cluster) breakSession(t *testing.T) {
	t.Helper()
	if n := count(t, c.control, `SELECT count(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); n != 1 {
		t.Fatalf("%d sessions hold a lock", n)
	}
}

// testLateMover suspends a mover in the middle of a switch until another mover has done some work.
// After that, the first mover changes nothing.
func testLateMover(t *testing.T, f *fixture) {
	for _, fails := range []bool{false, true} {
		c := f.cluster(t, 2)
		late := c.mover(t, f)
		asleep, wake, done := make(chan struct{}), make(chan struct{}), make(chan error)
		wrong := late.Map()
		wrong.Phase, wrong.Source = shard.Flipped, everywhere(1)
		go func() {
			done <- late.Switch(f.ctx, func(context.Context) error {
				close(asleep)
				<-wake
				if fails {
					return errors.New("no")
				}
				return nil
			}, to(wrong))
		}()
		<-asleep
		c.wantFences(t, "asleep", fence{1, false}, fence{1, true})
		c.breakSession(t)
		next := c.mover(t, f)
		c.wantFences(t, "next turn", fence{1, true}, fence{1, true})
		right := next.Map()
		right.Phase, right.Target = shard.NewUsers, everywhere(1)
		var woken error
		must(t, next.Switch(f.ctx, func(context.Context) error {
			// The fences are closed, at the version that the late mover knows.
			close(wake)
			woken = <-done
			return nil
		}, func(context.Context) (shard.Map, error) {
			c.wantFences(t, "late one awake", fence{1, false}, fence{1, true})
			return right, nil
		}))
		if woken == nil {
			t.Error("the late mover has switched")
		}
		right.Version = 2
		if m := next.Map(); m != right {
			t.Errorf("the map has version %d, phase %v", m.Version, m.Phase)
		}
		if err := late.Publish(f.ctx, wrong); err == nil {
			t.Error("the late mover has published")
		}
		if err := late.SaveCursor(f.ctx, "x"); err == nil {
			t.Error("the late mover has saved a cursor")
		}
		if err := late.Switch(f.ctx, nothing, to(wrong)); err == nil {
			t.Error("the late mover has switched")
		}
		c.wantFences(t, "in the end", fence{2, true}, fence{2, true})
		if n := count(t, c.control, `SELECT version FROM shard_map`); n != 2 {
			t.Errorf("the map has version %d", n)
		}
		_ = late.Close() // reports that its session is lost
		must(t, next.Close())
	}
}

// testLostSession breaks a mover's connection while no other mover has a turn.
func testLostSession(t *testing.T, f *fixture) {
	for _, made := range []bool{false, true} {
		c := f.cluster(t, 2)
		mover := c.mover(t, f)
		next := mover.Map()
		next.Phase, next.Source, next.Target = shard.Flipped, everywhere(1), everywhere(1)
		err := mover.Switch(f.ctx, func(context.Context) error {
			c.breakSession(t)
			if made { // as if only the answer were lost
				exec(t, c.control, `UPDATE shard_map SET version = 2, phase = 'flipped', home = array_fill(1, ARRAY[1024]), target = home`)
			}
			return nil
		}, to(next))
		if made != (err == nil) {
			t.Errorf("map changed: %t, got error %v", made, err)
		}
		if version := int64(count(t, c.control, `SELECT version FROM shard_map`)); mover.Map().Version != version {
			t.Errorf("the mover's map has version %d, want %d", mover.Map().Version, version)
		}
		if made {
			c.wantFences(t, "changed", fence{2, true}, fence{2, true})
		} else {
			c.wantFences(t, "not changed", fence{1, true}, fence{1, true})
		}
		_ = mover.Close() // reports that its session is lost
	}
}

// testWriters has replicas write while all data moves from server to server and back. At the end
// every acknowledged write exists exactly once. No write was made on a server that was no longer
// home.
// ownPools opens pools for a mover that is to die: closing them ends it as the death of its process
// does.
func (f *fixture) ownPools(t *testing.T, c cluster) cluster {
	t.Helper()
	again := func(db *sql.DB) *sql.DB {
		var name string
		must(t, db.QueryRow(`SELECT current_database()`).Scan(&name))
		opened, err := postgres.Open(f.ctx, f.urlOf(t, name), postgres.PoolConfig{MaxOpen: 10, MaxIdle: 10})
		must(t, err)
		return opened
	}
	own := cluster{control: again(c.control)}
	for _, server := range c.servers {
		own.servers = append(own.servers, again(server))
	}
	return own
}

func (c cluster) closeAll() {
	_ = c.control.Close()
	for _, server := range c.servers {
		_ = server.Close()
	}
}

// writeUntil tries a write by the map until it is let in, as a replica's writers do.
func writeUntil(ctx context.Context, maps *shard.Maps, servers []*sql.DB, within time.Duration) (time.Duration, error) {
	began := time.Now()
	m, err := maps.Current()
	for err == nil {
		if err = shard.Within(ctx, servers[m.Source[0]], m.Version, nothing); err == nil || time.Since(began) > within {
			break
		}
		if errors.Is(err, shard.ErrMoved) {
			time.Sleep(25 * time.Millisecond)
			m, err = maps.Refresh(ctx)
		}
	}
	return time.Since(began), err
}

// testDeadInside kills a mover inside Switch, and inside Publish. Nobody starts another. Writers must
// be let in again.
func testDeadInside(t *testing.T, f *fixture) {
	var dying sync.WaitGroup // a dead mover tries for a while to open its fences
	defer dying.Wait()
	for _, inside := range []string{"settle", "next", "publish"} {
		c := f.cluster(t, 2)
		maps := c.watch(t, f, "replica")
		own := f.ownPools(t, c)
		mover := own.mover(t, f)
		next := mover.Map()
		next.Phase, next.Target = shard.NewUsers, everywhere(1)
		dead := make(chan struct{})
		die := func(context.Context) error { own.closeAll(); close(dead); return nil }
		switched := func(settle func(context.Context) error, choose func(context.Context) (shard.Map, error)) {
			dying.Go(func() {
				if err := mover.Switch(f.ctx, settle, choose); err == nil {
					t.Errorf("a mover that died in %s published its map", inside)
				}
			})
		}
		switch inside {
		case "settle":
			switched(die, to(next))
		case "next":
			switched(nothing, func(ctx context.Context) (shard.Map, error) { return next, die(ctx) })
		case "publish": // the map is published, and the fences are not moved
			exec(t, c.control, `UPDATE shard_map SET version = version + 1, phase = 'new-users', target = array_fill(1, ARRAY[1024]), changed_at = now()`)
			must(t, die(f.ctx))
		}
		<-dead
		if took, err := writeUntil(f.ctx, maps, c.servers, 30*time.Second); err != nil {
			t.Errorf("dead in %s: after %s, writers are not let in: %v", inside, took, err)
		}
	}
}

// testSuspendedInside suspends a mover inside Switch. Its session stays, so its lease has to end.
func testSuspendedInside(t *testing.T, f *fixture) {
	c := f.cluster(t, 2)
	maps := c.watch(t, f, "replica")
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	next := mover.Map()
	next.Phase, next.Target = shard.NewUsers, everywhere(1)
	inside, resume, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- mover.Switch(f.ctx, func(context.Context) error { close(inside); <-resume; return nil }, to(next))
	}()
	<-inside
	took, err := writeUntil(f.ctx, maps, c.servers, 40*time.Second)
	if err != nil || took < 5*time.Second {
		t.Errorf("after %s: %v; want writers to be let in when the lease has ended", took, err)
	}
	close(resume)
	if err := <-ended; err == nil {
		t.Error("a mover whose lease had ended published its map: writes of the meantime may be lost")
	}
	if m, err := maps.Refresh(f.ctx); err != nil || m.Phase != shard.Settled {
		t.Errorf("phase %s, %v; want no change", m.Phase, err)
	}
	if _, err := writeUntil(f.ctx, maps, c.servers, 30*time.Second); err != nil {
		t.Errorf("after the mover's end, writers are not let in: %v", err)
	}
}

func testWriters(t *testing.T, f *fixture) {
	const (
		servers  = 3
		replicas = 2
		writers  = 4 // of each replica
		switches = 12
	)
	c := f.cluster(t, servers)
	users := make([]bytebites.UserID, 8)
	for i := range users {
		users[i] = bytebites.UserID(fmt.Sprintf("u%d", i))
		join(t, c.servers[0], users[i])
		exec(t, c.servers[0], `INSERT INTO carts VALUES ($1)`, string(users[i]))
		exec(t, c.servers[0], `INSERT INTO cart_lines VALUES ($1, 'm', 1)`, string(users[i]))
	}
	for _, server := range c.servers {
		exec(t, server, `CREATE TABLE landed (version bigint, bucket int)`)
	}
	bucket := func(user bytebites.UserID) shard.Bucket { return shard.Bucket(user[1] - '0') }

	ctx, stop := context.WithCancel(f.ctx)
	defer stop()
	var mu sync.Mutex
	acknowledged := make(map[bytebites.UserID]int)
	turnedAway := 0
	var group sync.WaitGroup
	for r := range replicas {
		maps := c.watch(t, f, fmt.Sprint("replica ", r))
		for w := range writers {
			group.Go(func() {
				random := rand.New(rand.NewPCG(uint64(r), uint64(w)))
				for ctx.Err() == nil {
					user := users[random.IntN(len(users))]
					m, err := maps.Current()
					if err == nil {
						server := c.servers[m.Source[bucket(user)]]
						// Writes have their own context, because a cancelled write may have been
						// made.
						err = shard.Within(f.ctx, server, m.Version, func(ctx context.Context) error {
							return increment(ctx, server, user, m.Version, int(bucket(user)))
						})
					}
					switch {
					case err == nil:
						mu.Lock()
						acknowledged[user]++
						mu.Unlock()
					case errors.Is(err, shard.ErrMoved), errors.Is(err, shard.ErrStale):
						mu.Lock()
						turnedAway++
						mu.Unlock()
						// On a busy machine the map may take longer than its limit. A request is refused then.
						if _, err := maps.Refresh(f.ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("refresh: %v", err)
							return
						}
						time.Sleep(time.Millisecond)
					default:
						t.Errorf("write: %v", err)
						return
					}
				}
			})
		}
	}

	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	homes := map[int64]shard.Assignment{1: mover.Map().Source}
	landed := make(map[[2]int64]int) // by version and server, counted when the version was over
	random := rand.New(rand.NewPCG(4, 5))
	var longest time.Duration
	for range switches {
		time.Sleep(60 * time.Millisecond)
		next := mover.Map()
		next.Phase = shard.Flipped
		if random.IntN(3) == 0 { // move nothing
			must(t, mover.Publish(f.ctx, next))
		} else {
			for b := range len(users) {
				next.Source[b] = shard.Server(random.IntN(servers))
			}
			next.Target = everywhere(shard.Server(random.IntN(servers)))
			from := mover.Map().Source
			begun := time.Now()
			must(t, mover.Switch(f.ctx, func(ctx context.Context) error {
				for _, user := range users {
					if a, b := c.servers[from[bucket(user)]], c.servers[next.Source[bucket(user)]]; a != b {
						if err := copyAll(ctx, a, b, []bytebites.UserID{user}); err != nil {
							return err
						}
					}
				}
				return nil
			}, to(next)))
			longest = max(longest, time.Since(begun))
		}
		version := mover.Map().Version
		homes[version] = mover.Map().Source
		for server, db := range c.servers {
			landed[[2]int64{version - 1, int64(server)}] = count(t, db, `SELECT count(*) FROM landed WHERE version < $1`, version)
		}
	}
	time.Sleep(60 * time.Millisecond)
	stop()
	group.Wait()

	total := 0
	last := mover.Map()
	for _, user := range users {
		total += acknowledged[user]
		got := count(t, c.servers[last.Source[bucket(user)]], `SELECT quantity - 1 FROM cart_lines WHERE user_id = $1`, string(user))
		if got != acknowledged[user] {
			t.Errorf("%s: %d writes were acknowledged, %d are there", user, acknowledged[user], got)
		}
	}
	for server, db := range c.servers {
		for version := int64(1); version <= last.Version; version++ {
			if want, ok := landed[[2]int64{version, int64(server)}]; ok {
				if got := count(t, db, `SELECT count(*) FROM landed WHERE version <= $1`, version); got != want {
					t.Errorf("server %d: %d writes by maps up to %d, %d when that was over", server, got, version, want)
				}
			}
			for b := range len(users) {
				n := count(t, db, `SELECT count(*) FROM landed WHERE version = $1 AND bucket = $2`, version, b)
				if n > 0 && homes[version][b] != shard.Server(server) {
					t.Errorf("server %d: %d writes for bucket %d by map %d, whose home for it is %d", server, n, b, version, homes[version][b])
				}
			}
		}
	}
	if total == 0 || turnedAway == 0 {
		t.Errorf("%d writes, %d turned away: nothing was tried", total, turnedAway)
	}
	t.Logf("%d writes, %d turned away, %d changes of the map, longest pause %v", total, turnedAway, last.Version-1, longest.Round(time.Millisecond))
}
