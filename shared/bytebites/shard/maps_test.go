package shard_test

import (
	"database/sql"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

func testWatch(t *testing.T, f *fixture) {
	c := f.cluster(t, 3)
	const replicas = 6
	all := make([]*shard.Maps, replicas)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			var err error
			if all[i], err = shard.Watch(f.ctx, c.control, c.servers, "replica", slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("watch: %v", err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	defer func() {
		for _, maps := range all {
			must(t, maps.Close())
		}
	}()
	want := shard.Map{Version: 1, Source: everywhere(shard.Old), Target: everywhere(shard.Old)}
	for _, maps := range all {
		if got, err := maps.Current(); err != nil || got != want {
			t.Fatalf("version %d, phase %v, error %v", got.Version, got.Phase, err)
		}
	}
	c.wantFences(t, "at first", fence{1, true}, fence{1, true}, fence{1, true})

	// All replicas see a change soon, with all its fields.
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	next := want
	next.Version, next.Phase, next.NewFrom, next.Cursor = 99, shard.Backfill, "u1\x00", "ü\xff"
	for b := range next.Target {
		next.Target[b] = shard.Server(b % 3)
	}
	begun := time.Now()
	must(t, mover.Publish(f.ctx, next))
	next.Version = 2
	refreshed, err := all[0].Refresh(f.ctx)
	if err != nil || refreshed != next {
		t.Errorf("refreshed: version %d, phase %v, error %v", refreshed.Version, refreshed.Phase, err)
	}
	for _, maps := range all {
		for {
			got, err := maps.Current()
			must(t, err)
			if got == next {
				break
			}
			if time.Since(begun) > 5*time.Second {
				t.Fatalf("still at version %d", got.Version)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if got := mover.Map(); got != next {
		t.Errorf("the mover's map has version %d", got.Version)
	}

	// A replica that starts later changes nothing.
	late := c.watch(t, f, "late")
	if got, err := late.Current(); err != nil || got != next {
		t.Errorf("version %d, error %v", got.Version, err)
	}
	c.wantFences(t, "later", fence{2, true}, fence{2, true}, fence{2, true})

	// A replica that does not know a server in the map would answer its subscribers wrongly, or not
	// at all. So it does not start, and stops using the map that it has read.
	if maps, err := shard.Watch(f.ctx, c.control, c.servers[:2], "poor", slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("a map of three servers was watched with two of them; close: %v", maps.Close())
	} else if !strings.Contains(err.Error(), "names server 2") {
		t.Errorf("watch with two servers of three: %v", err)
	}
	other := f.cluster(t, 3)
	poor := cluster{control: other.control, servers: other.servers[:1]}.watch(t, f, "poor")
	rich := other.mover(t, f)
	grown := rich.Map()
	grown.Phase, grown.Target = shard.NewUsers, next.Target
	must(t, rich.Publish(f.ctx, grown))
	must(t, rich.Close())
	if m, err := poor.Refresh(f.ctx); err == nil {
		t.Errorf("version %d was read, which names servers that are not known", m.Version)
	}

	// Servers that the map does not name, or no longer names, are not needed.
	gone := f.server(t)
	must(t, gone.Close())
	begun = time.Now()
	lonely, err := shard.Watch(f.ctx, c.control, append(c.servers[:3:3], gone), "lonely", slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, lonely.Close())
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("starting without a server took %v", took)
	}
	empty := f.database(t)
	if maps, err := shard.Watch(f.ctx, empty, append([]*sql.DB{gone}, c.servers[1:]...), "first", slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("the first map was made without its only server; close: %v", maps.Close())
	}
}

func testStale(t *testing.T, f *fixture) {
	before := runtime.NumGoroutine()
	c := f.cluster(t, 1)
	exec(t, c.control, `CREATE EXTENSION pg_stat_statements`)
	maps := c.watch(t, f, "replica")

	// Concurrent calls share a read in flight, or the next.
	held, err := c.control.BeginTx(f.ctx, nil)
	must(t, err)
	_, err = held.ExecContext(f.ctx, `LOCK TABLE shard_map`)
	must(t, err)
	const many = 100
	failures := make(chan error, many)
	for range many {
		go func() {
			_, err := maps.Refresh(f.ctx)
			failures <- err
		}()
	}
	time.Sleep(300 * time.Millisecond)
	asked := func() int {
		return count(t, c.control, `SELECT coalesce(sum(calls), 0) FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid
			WHERE d.datname = current_database() AND query LIKE 'SELECT version, phase%'`)
	}
	earlier := asked()
	must(t, held.Commit())
	for range many {
		must(t, <-failures)
	}
	if n := asked() - earlier; n < 1 || n > 3 {
		t.Errorf("%d concurrent calls queried the database %d times", many, n)
	}

	exec(t, c.control, `ALTER TABLE shard_map RENAME TO away`)
	cut := time.Now()
	if _, err := maps.Refresh(f.ctx); err == nil {
		t.Error("refreshed from nothing")
	}
	if _, err := maps.Current(); err != nil {
		t.Errorf("after a moment: %v", err)
	}
	for {
		if _, err = maps.Current(); err != nil {
			break
		}
		if time.Since(cut) > 10*time.Second {
			t.Fatal("uses a map that was read ten seconds ago")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if after := time.Since(cut); after < time.Second {
		t.Errorf("stale after %v", after)
	}
	wantError(t, "stale", err, shard.ErrStale)
	wantError(t, "stale", err, bytebites.ErrBusy)
	exec(t, c.control, `ALTER TABLE away RENAME TO shard_map`)
	if _, err := maps.Refresh(f.ctx); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if _, err := maps.Current(); err != nil {
		t.Errorf("read again: %v", err)
	}

	must(t, maps.Close())
	must(t, maps.Close())
	must(t, c.control.Close())
	must(t, c.servers[0].Close())
	for begun := time.Now(); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func testDarkReads(t *testing.T, f *fixture) {
	c := f.cluster(t, 2)
	a, b := c.watch(t, f, "a"), c.watch(t, f, "b")
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	open := []*shard.Maps{a, b}
	phase := func(p shard.Phase) {
		t.Helper()
		next := mover.Map()
		next.Phase, next.Target = p, everywhere(1)
		must(t, mover.Publish(f.ctx, next))
		for _, maps := range open {
			_, err := maps.Refresh(f.ctx)
			must(t, err)
		}
	}
	want := func(when string, compared, differed int) {
		t.Helper()
		var n, bad int
		for begun := time.Now(); time.Since(begun) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
			var err error
			n, bad, err = mover.DarkReads(f.ctx)
			must(t, err)
			if n == compared && bad == differed {
				return
			}
		}
		t.Errorf("%s: %d compared, %d of them differed, want %d and %d", when, n, bad, compared, differed)
	}
	phase(shard.DarkReads)
	want("at first", 0, 0)
	for i := range 300 {
		go a.Compared(i%100 != 0)
		b.Compared(true)
	}
	want("after some", 600, 3)
	// Changes of the map within the phase, and of the cursor, keep the counts.
	must(t, mover.SaveCursor(f.ctx, "x"))
	phase(shard.DarkReads)
	a.Compared(false)
	want("after one more", 601, 4)
	// Counts that cannot be written are kept, also by Close.
	exec(t, c.control, `ALTER TABLE shard_dark_reads RENAME TO away`)
	a.Compared(true)
	b.Compared(false)
	time.Sleep(600 * time.Millisecond)
	exec(t, c.control, `ALTER TABLE away RENAME TO shard_dark_reads`)
	must(t, b.Close())
	open = open[:1]
	want("after an outage", 603, 5)
	// Counting starts with the phase.
	phase(shard.Verify)
	phase(shard.DarkReads)
	want("in the next round", 0, 0)
	a.Compared(true)
	want("in the next round", 1, 0)
}
