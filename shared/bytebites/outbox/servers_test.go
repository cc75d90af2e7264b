package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/outbox"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/testbed"
)

var errBroken = errors.New("broken")

const maxConnections = 20

// TestOnRealServers runs all tests that need a database on one server.
func TestOnRealServers(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(ctx, server.URL(), postgres.PoolConfig{MaxOpen: maxConnections, MaxIdle: maxConnections})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	f := &fixture{ctx: ctx, db: db, store: outbox.New(db), claims: outbox.NewClaims(db)}
	for range 2 { // the service applies Schema at every start
		f.exec(t, outbox.Schema)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"added with what it tells of", testAdd},
		{"added once", testAddAgain},
		{"not added", testAddRefuses},
		{"oldest first", testRelayOrder},
		{"what is confirmed leaves", testRelayInPart},
		{"what is not stays", testRelayFails},
		{"confirmed by mistake", testRelayOthers},
		{"handed on in vain", testRelayInVain},
		{"nothing to relay", testRelayNothing},
		{"two relays", testRelayTogether},
		{"told to stop while it publishes", testRelayStopped},
		{"dies while it publishes", testRelayDies},
		{"cannot be read", testRelayUnreadable},
		{"all batches in their order", testRelayAllOrder},
		{"reads ahead while it publishes", testRelayAllAhead},
		{"stops when one is not confirmed", testRelayAllInPart},
		{"stops when publish fails", testRelayAllFails},
		{"told to stop with a batch ahead", testRelayAllStopped},
		{"one connection", testRelayAllOneConnection},
		{"backlog", testBacklog},
		{"claims", testClaims},
		{"claims at once", testClaimsTogether},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.exec(t, `TRUNCATE outbox, effect_claims`)
			test.run(t, f)
		})
	}
}

type fixture struct {
	ctx    context.Context
	db     *sql.DB
	store  *outbox.Store
	claims *outbox.Claims
}

func (f *fixture) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := f.db.ExecContext(f.ctx, query, args...); err != nil {
		t.Fatalf("%.60s: %v", query, err)
	}
}

// waiting returns the ids of the events in the outbox, the oldest first.
func (f *fixture) waiting(t *testing.T) []bytebites.EventID {
	t.Helper()
	rows, err := f.db.QueryContext(f.ctx, `SELECT event_id FROM outbox ORDER BY added_at, event_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var ids []bytebites.EventID
	for rows.Next() {
		var id bytebites.EventID
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// fill adds n events, one after the other, and returns their ids.
func (f *fixture) fill(t *testing.T, n int) []bytebites.EventID {
	t.Helper()
	ids := make([]bytebites.EventID, n)
	for i := range ids {
		event := requested()
		event.Order = bytebites.OrderID(fmt.Sprintf("ord_%03d", i))
		event.ID = outbox.NewID(event.Topic, event.Order)
		if err := f.store.Add(f.ctx, event.User, event); err != nil {
			t.Fatal(err)
		}
		ids[i] = event.ID
	}
	return ids
}

func idsOf(events []bytebites.Event) []bytebites.EventID {
	ids := make([]bytebites.EventID, len(events))
	for i, event := range events {
		ids[i] = event.ID
	}
	return ids
}

// confirmAll is a broker that confirms all events.
func confirmAll(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
	return idsOf(events), nil
}

func same(t *testing.T, what string, got, want []bytebites.EventID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func testAdd(t *testing.T, f *fixture) {
	err := postgres.Transact(f.ctx, f.db, func(ctx context.Context) error {
		if err := f.store.Add(ctx, "u1", placed(), requested()); err != nil {
			return err
		}
		same(t, "seen by others before the commit", f.waiting(t), nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = postgres.Transact(f.ctx, f.db, func(ctx context.Context) error {
		return errors.Join(f.store.Add(ctx, "u1", paid()), errBroken)
	})
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	var got []bytebites.Event
	_, err = f.store.Relay(f.ctx, 10, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		got = events
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "committed", idsOf(got), []bytebites.EventID{placed().ID, requested().ID})
	if len(got) == 2 && (got[0] != placed() || got[1] != requested()) {
		t.Errorf("got %+v", got)
	}
}

func testAddAgain(t *testing.T, f *fixture) {
	for range 2 {
		if err := f.store.Add(f.ctx, "u1", placed()); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "added twice", f.waiting(t), []bytebites.EventID{placed().ID})
	if err := f.store.Add(f.ctx, "u1", placed(), paid()); err != nil {
		t.Fatal(err)
	}
	same(t, "with another", f.waiting(t), []bytebites.EventID{placed().ID, paid().ID})
	if err := f.store.Add(f.ctx, "u1"); err != nil {
		t.Errorf("none at all: %v", err)
	}
}

func testAddRefuses(t *testing.T, f *fixture) {
	half := placed()
	half.Email = ""
	for what, events := range map[string][]bytebites.Event{
		"half an event":         {requested(), half},
		"another subscriber's":  {requested(), func() bytebites.Event { e := placed(); e.User = "u2"; return e }()},
		"one that has no topic": {{ID: "x", User: "u1", Order: "o", At: instant()}},
	} {
		if err := f.store.Add(f.ctx, "u1", events...); err == nil {
			t.Errorf("%s was added", what)
		}
	}
	same(t, "added", f.waiting(t), nil)
}

func testRelayOrder(t *testing.T, f *fixture) {
	ids := f.fill(t, 5)
	f.exec(t, `UPDATE outbox SET added_at = added_at - interval '1 minute' WHERE event_id = $1`, string(ids[4]))
	var got []bytebites.EventID
	for {
		n, err := f.store.Relay(f.ctx, 2, func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
			if len(events) > 2 {
				t.Errorf("%d events at once, want 2 at most", len(events))
			}
			got = append(got, idsOf(events)...)
			return confirmAll(ctx, events)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	same(t, "relayed", got, []bytebites.EventID{ids[4], ids[0], ids[1], ids[2], ids[3]})
	same(t, "left", f.waiting(t), nil)
}

func testRelayInPart(t *testing.T, f *fixture) {
	ids := f.fill(t, 4)
	n, err := f.store.Relay(f.ctx, 10, func(context.Context, []bytebites.Event) ([]bytebites.EventID, error) {
		return []bytebites.EventID{ids[0], ids[2]}, errBroken
	})
	if n != 2 || !errors.Is(err, errBroken) {
		t.Errorf("relayed %d, %v; want 2 and the error of publish", n, err)
	}
	same(t, "left", f.waiting(t), []bytebites.EventID{ids[1], ids[3]})
}

func testRelayFails(t *testing.T, f *fixture) {
	ids := f.fill(t, 2)
	n, err := f.store.Relay(f.ctx, 10, func(context.Context, []bytebites.Event) ([]bytebites.EventID, error) { return nil, errBroken })
	if n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("relayed %d, %v", n, err)
	}
	same(t, "left", f.waiting(t), ids)
}

// testRelayOthers: confirming an event that the relay did not take does not delete it.
func testRelayOthers(t *testing.T, f *fixture) {
	ids := f.fill(t, 3)
	n, err := f.store.Relay(f.ctx, 1, func(context.Context, []bytebites.Event) ([]bytebites.EventID, error) {
		return []bytebites.EventID{ids[0], ids[0], ids[2], "unknown"}, nil
	})
	if n != 1 || err != nil {
		t.Errorf("relayed %d, %v; want 1", n, err)
	}
	same(t, "left", f.waiting(t), ids[1:])
}

// testRelayInVain has more unroutable and undecodable events than fit into a batch.
func testRelayInVain(t *testing.T, f *fixture) {
	f.exec(t, `INSERT INTO outbox (event_id, user_id, topic, body) VALUES ('from tomorrow', 'u1', 'order_shipped', '{"shipped": true}')`)
	ids := f.fill(t, 4)
	wanted := ids[3]
	var tries int
	relay := func() int {
		n, _ := f.store.Relay(f.ctx, 2, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
			tries += len(events)
			if slices.Contains(idsOf(events), wanted) {
				return []bytebites.EventID{wanted}, nil
			}
			return nil, nil
		})
		return n
	}
	if n := relay() + relay() + relay(); n != 1 {
		t.Errorf("after all had a turn %d were relayed, want the one that is wanted", n)
	}
	same(t, "left", f.waiting(t), append([]bytebites.EventID{"from tomorrow"}, ids[:3]...))
	f.exec(t, `UPDATE outbox SET tried_at = tried_at + interval '1 minute'`) // so that no event is due again on a slow machine
	if relay(); tries != 4 {
		t.Errorf("%d tries at once, want one of each", tries)
	}
	// All events are due again. A failed publication does not count as a try.
	f.exec(t, `UPDATE outbox SET tried_at = tried_at - interval '2 minutes'`)
	wanted = ids[2]
	if _, err := f.store.Relay(f.ctx, 10, func(context.Context, []bytebites.Event) ([]bytebites.EventID, error) { return nil, errBroken }); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the error of publish", err)
	}
	if n := relay() + relay(); n != 1 {
		t.Errorf("later %d were relayed, want the one that is wanted by now", n)
	}
}

func testRelayNothing(t *testing.T, f *fixture) {
	publish := func(context.Context, []bytebites.Event) ([]bytebites.EventID, error) {
		t.Error("publish was called with nothing to publish")
		return nil, nil
	}
	if n, err := f.store.Relay(f.ctx, 10, publish); n != 0 || err != nil {
		t.Errorf("relayed %d, %v", n, err)
	}
	f.fill(t, 1)
	for _, limit := range []int{0, -1} {
		if n, err := f.store.Relay(f.ctx, limit, publish); n != 0 || err != nil {
			t.Errorf("limit %d: relayed %d, %v", limit, n, err)
		}
	}
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	if n, err := f.store.Relay(ended, 10, publish); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop before: relayed %d, %v", n, err)
	}
}

// testRelayTogether runs several relays on one outbox. One relay at a time has an event, and no
// relay waits for another.
func testRelayTogether(t *testing.T, f *fixture) {
	ids := f.fill(t, 40)
	const relays = 4
	var mu sync.Mutex
	var got []bytebites.EventID
	together := make(chan struct{})
	arrived := make(chan struct{}, relays)
	var wg sync.WaitGroup
	for range relays {
		wg.Go(func() {
			n, err := f.store.Relay(f.ctx, 10, func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
				arrived <- struct{}{}
				<-together // each relay has locked its events
				mu.Lock()
				defer mu.Unlock()
				got = append(got, idsOf(events)...)
				return confirmAll(ctx, events)
			})
			if n != 10 || err != nil {
				t.Errorf("relayed %d, %v; want 10", n, err)
			}
		})
	}
	for range relays {
		select {
		case <-arrived:
		case <-time.After(10 * time.Second):
			t.Error("a relay waits for another")
		}
	}
	close(together)
	wg.Wait()
	slices.Sort(got)
	same(t, "relayed", got, ids)
	same(t, "left", f.waiting(t), nil)
}

func testRelayStopped(t *testing.T, f *fixture) {
	ids := f.fill(t, 3)
	ctx, cancel := context.WithCancel(f.ctx)
	n, err := f.store.Relay(ctx, 10, func(ctx context.Context, _ []bytebites.Event) ([]bytebites.EventID, error) {
		cancel()
		<-ctx.Done()
		return ids[:1], ctx.Err()
	})
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("relayed %d, %v; want the one that was confirmed", n, err)
	}
	same(t, "left", f.waiting(t), ids[1:])
}

// testRelayDies ends the relay's connection between publishing and deleting.
func testRelayDies(t *testing.T, f *fixture) {
	ids := f.fill(t, 2)
	n, err := f.store.Relay(f.ctx, 10, func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		f.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND state = 'idle in transaction' AND query ~ 'SKIP LOCKED'`)
		return confirmAll(ctx, events)
	})
	if n != 0 || err == nil {
		t.Errorf("relayed %d, %v; want an error", n, err)
	}
	same(t, "left", f.waiting(t), ids)
	if n, err := f.store.Relay(f.ctx, 10, confirmAll); n != 2 || err != nil {
		t.Errorf("by the next: relayed %d, %v", n, err)
	}
}

func testRelayUnreadable(t *testing.T, f *fixture) {
	f.exec(t, `INSERT INTO outbox (event_id, user_id, topic, body) VALUES ('from tomorrow', 'u1', 'order_shipped', '{"shipped": true}')`)
	whole, err := outbox.Encode(requested())
	if err != nil {
		t.Fatal(err)
	}
	f.exec(t, `INSERT INTO outbox (event_id, user_id, topic, body) VALUES ('another name', 'u1', 'order_placed', $1)`, string(whole))
	if err := f.store.Add(f.ctx, "u1", placed()); err != nil {
		t.Fatal(err)
	}
	n, err := f.store.Relay(f.ctx, 10, confirmAll)
	if n != 1 || err == nil {
		t.Errorf("relayed %d, %v; want the one that can be read, and an error", n, err)
	}
	same(t, "left", f.waiting(t), []bytebites.EventID{"from tomorrow", "another name"})
}

func testBacklog(t *testing.T, f *fixture) {
	if b, err := f.store.Backlog(f.ctx); err != nil || b != (outbox.Backlog{}) {
		t.Errorf("empty: %+v, %v", b, err)
	}
	ids := f.fill(t, 3)
	f.exec(t, `UPDATE outbox SET added_at = clock_timestamp() - interval '90 seconds' WHERE event_id = $1`, string(ids[1]))
	b, err := f.store.Backlog(f.ctx)
	if err != nil || b.Events != 3 || b.Oldest < 90*time.Second || b.Oldest > 100*time.Second {
		t.Errorf("got %+v, %v; want 3 events, the oldest 90 s", b, err)
	}
	// The age of an event counts from Add, not from the start of its transaction.
	err = postgres.Transact(f.ctx, f.db, func(ctx context.Context) error {
		if _, err := postgres.Join(ctx, f.db).ExecContext(ctx, `TRUNCATE outbox`); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		return f.store.Add(ctx, "u1", placed())
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.store.Backlog(f.ctx); err != nil || b.Events != 1 || b.Oldest >= 300*time.Millisecond {
		t.Errorf("got %+v, %v; want an event that came just now", b, err)
	}
}

func testClaims(t *testing.T, f *fixture) {
	claim := func(order bytebites.OrderID, effect bytebites.Effect, d time.Duration, want bool) {
		t.Helper()
		if got, err := f.claims.Claim(f.ctx, "u1", order, effect, d); err != nil || got != want {
			t.Errorf("claim %s of %s: %v, %v; want %v", effect, order, got, err, want)
		}
	}
	claim("o1", bytebites.EffectEmail, time.Minute, true)
	claim("o1", bytebites.EffectEmail, time.Minute, false)
	claim("o1", bytebites.EffectLedger, time.Minute, true)
	claim("o2", bytebites.EffectEmail, 50*time.Millisecond, true)
	claim("o2", bytebites.EffectEmail, time.Minute, false)
	time.Sleep(60 * time.Millisecond)
	claim("o2", bytebites.EffectEmail, time.Minute, true) // the claim of an owner that died has expired
	claim("o2", bytebites.EffectEmail, time.Minute, false)
	for range 2 {
		if err := f.claims.Release(f.ctx, "u1", "o1", bytebites.EffectEmail); err != nil {
			t.Fatal(err)
		}
	}
	claim("o1", bytebites.EffectLedger, time.Minute, false)
	claim("o1", bytebites.EffectEmail, time.Minute, true)
	for _, hostile := range []string{"\x00", "\xff"} {
		_, err := f.claims.Claim(f.ctx, "u1", bytebites.OrderID(hostile), bytebites.EffectEmail, time.Minute)
		if !errors.Is(err, bytebites.ErrNotFound) {
			t.Errorf("order %q: %v, want ErrNotFound", hostile, err)
		}
		if err := f.claims.Release(f.ctx, bytebites.UserID(hostile), "o1", bytebites.EffectEmail); err != nil {
			t.Errorf("release of subscriber %q: %v", hostile, err)
		}
	}
}

func testClaimsTogether(t *testing.T, f *fixture) {
	// The first round has no earlier claim, and the second has an expired one.
	for _, round := range []string{"first", "after the end"} {
		const claimants = 16
		got := make(chan bool, claimants)
		for range claimants {
			go func() {
				claimed, err := f.claims.Claim(f.ctx, "u1", "o1", bytebites.EffectEmail, time.Minute)
				if err != nil {
					t.Error(err)
				}
				got <- claimed
			}()
		}
		n := 0
		for range claimants {
			if <-got {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d of %d have the claim, want one", round, n, claimants)
		}
		f.exec(t, `UPDATE effect_claims SET until = clock_timestamp()`)
	}
}
