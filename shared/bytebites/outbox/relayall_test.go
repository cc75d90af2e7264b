package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// testRelayAllOrder has full batches only, and then a last one that is not full.
func testRelayAllOrder(t *testing.T, f *fixture) {
	for _, n := range []int{20, 25} {
		ids := f.fill(t, n)
		var got []bytebites.EventID
		relayed, err := f.store.RelayAll(f.ctx, 10, func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
			got = append(got, idsOf(events)...)
			return confirmAll(ctx, events)
		})
		if relayed != n || err != nil {
			t.Errorf("relayed %d, %v; want %d", relayed, err, n)
		}
		same(t, "relayed", got, ids)
		same(t, "left", f.waiting(t), nil)
	}
	if n, err := f.store.RelayAll(f.ctx, 10, confirmAll); n != 0 || err != nil {
		t.Errorf("empty: relayed %d, %v", n, err)
	}
}

// testRelayAllAhead looks at the outbox while the second of three batches is published: the first is
// deleted by then, and the third is locked.
func testRelayAllAhead(t *testing.T, f *fixture) {
	ids := f.fill(t, 6)
	batch := 0
	n, err := f.store.RelayAll(f.ctx, 2, func(ctx context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		if batch++; batch == 2 {
			f.await(t, "the first batch is deleted and the third is locked", func() bool {
				return slices.Equal(f.waiting(t), ids[2:]) && f.holding(t) == 2
			})
		}
		return confirmAll(ctx, events)
	})
	if n != 6 || err != nil || batch != 3 {
		t.Errorf("relayed %d in %d batches, %v; want 6 in 3", n, batch, err)
	}
}

func testRelayAllInPart(t *testing.T, f *fixture) {
	ids := f.fill(t, 6)
	batch := 0
	n, err := f.store.RelayAll(f.ctx, 2, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		if batch++; batch == 2 {
			return []bytebites.EventID{events[0].ID}, nil
		}
		return idsOf(events), nil
	})
	if n != 3 || err != nil || batch != 2 {
		t.Errorf("relayed %d in %d batches, %v; want 3 in 2", n, batch, err)
	}
	same(t, "left", f.waiting(t), ids[3:])
	same(t, "due and not locked", f.due(t), ids[4:]) // the one that was tried is not due at once
}

func testRelayAllFails(t *testing.T, f *fixture) {
	ids := f.fill(t, 6)
	batch := 0
	n, err := f.store.RelayAll(f.ctx, 2, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		if batch++; batch == 2 {
			return []bytebites.EventID{events[1].ID}, errBroken
		}
		return idsOf(events), nil
	})
	if n != 3 || !errors.Is(err, errBroken) || batch != 2 {
		t.Errorf("relayed %d in %d batches, %v; want 3 in 2 and the error of publish", n, batch, err)
	}
	left := []bytebites.EventID{ids[2], ids[4], ids[5]}
	same(t, "left", f.waiting(t), left)
	same(t, "due and not locked", f.due(t), left)
	if n, err := f.store.RelayAll(f.ctx, 2, confirmAll); n != 3 || err != nil {
		t.Errorf("again: relayed %d, %v; want those that were left, because a failed publication is no try", n, err)
	}
}

// testRelayAllStopped: the batch in hand is settled, and the one ahead is neither published nor locked.
func testRelayAllStopped(t *testing.T, f *fixture) {
	ids := f.fill(t, 6)
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	batch := 0
	n, _ := f.store.RelayAll(ctx, 2, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		if batch++; batch == 2 {
			f.await(t, "the batch ahead is locked", func() bool { return f.holding(t) == 2 })
			cancel()
		}
		return idsOf(events), nil
	})
	if n != 4 || batch != 2 {
		t.Errorf("relayed %d in %d batches; want 4 in 2", n, batch)
	}
	same(t, "left", f.waiting(t), ids[4:])
	same(t, "due and not locked", f.due(t), ids[4:])
}

func testRelayAllOneConnection(t *testing.T, f *fixture) {
	f.fill(t, 6)
	f.db.SetMaxOpenConns(1)
	defer f.db.SetMaxOpenConns(maxConnections)
	if n, err := f.store.RelayAll(f.ctx, 2, confirmAll); n != 6 || err != nil {
		t.Errorf("relayed %d, %v; want 6", n, err)
	}
}

// due returns the ids of the events that a relay would take now.
func (f *fixture) due(t *testing.T) []bytebites.EventID {
	t.Helper()
	var due []bytebites.EventID
	_, err := f.store.Relay(f.ctx, 100, func(_ context.Context, events []bytebites.Event) ([]bytebites.EventID, error) {
		due = idsOf(events)
		return nil, errBroken // so that they stay due
	})
	if err != nil && !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	return due
}

// holding returns the number of batches that are locked.
func (f *fixture) holding(t *testing.T) int {
	t.Helper()
	var n int
	err := f.db.QueryRowContext(f.ctx, `SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query ~ 'SKIP LOCKED'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// await fails the test unless something comes to be within ten seconds.
func (f *fixture) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Errorf("not within 10 s: %s", what)
			return
		}
	}
}
