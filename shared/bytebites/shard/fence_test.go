package shard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
)

func testFence(t *testing.T, f *fixture) {
	// Several replicas prepare a server at the same time.
	db := f.database(t)
	must(t, postgres.MigrateUserData(f.ctx, db))
	failures := make(chan error)
	for range 6 {
		go func() { failures <- errors.Join(shard.Prepare(f.ctx, db), shard.Prepare(f.ctx, db)) }()
	}
	for range 6 {
		if err := <-failures; err != nil {
			t.Errorf("prepare: %v", err)
		}
	}
	carts := postgres.NewCarts(db)
	join(t, db, "a")
	write := func(quantity int, failure error) func(context.Context) error {
		return func(ctx context.Context) error {
			return errors.Join(carts.SetCart(ctx, "a", []bytebites.Line{{Meal: "m", Quantity: quantity}}), failure)
		}
	}
	wantQuantity := func(want int) {
		t.Helper()
		if got := count(t, db, `SELECT coalesce(sum(quantity), 0) FROM cart_lines WHERE user_id = 'a'`); got != want {
			t.Errorf("quantity is %d, want %d", got, want)
		}
	}

	// A new fence is closed. A writer also fails at a closed fence and at another version.
	for _, state := range []string{`version = 0, open = false`, `version = 7, open = false`, `version = 6, open = true`, `version = 8, open = true`} {
		exec(t, db, `UPDATE shard_fence SET `+state)
		err := shard.Within(f.ctx, db, 7, func(context.Context) error {
			t.Errorf("%s: a writer is inside", state)
			return nil
		})
		wantError(t, state, err, shard.ErrMoved)
	}
	exec(t, db, `UPDATE shard_fence SET version = 7, open = true`)
	must(t, shard.Within(f.ctx, db, 7, write(1, nil)))
	wantQuantity(1)
	failure := errors.New("no")
	if err := shard.Within(f.ctx, db, 7, write(2, failure)); !errors.Is(err, failure) {
		t.Errorf("got error %v", err)
	}
	wantQuantity(1)
	if err := shard.Within(f.ctx, db, 7, func(context.Context) error { return bytebites.ErrNotFound }); err != bytebites.ErrNotFound { //nolint:errorlint // the same error
		t.Errorf("got error %v", err)
	}
	// A writer inside passes again, and its transaction is all or nothing.
	err := shard.Within(f.ctx, db, 7, func(ctx context.Context) error {
		must(t, shard.Within(ctx, db, 7, write(3, nil)))
		return failure
	})
	wantError(t, "nested", err, failure)
	wantQuantity(1)

	// Writers wait while a fence is being moved, but not beyond their own deadline.
	held, err := db.BeginTx(f.ctx, nil)
	must(t, err)
	_, err = held.ExecContext(f.ctx, `SELECT shard_move_fence(1, 8, true)`)
	must(t, err)
	hurried, cancel := context.WithTimeout(f.ctx, 100*time.Millisecond)
	defer cancel()
	wantError(t, "fence in motion", shard.Within(hurried, db, 7, write(4, nil)), context.DeadlineExceeded)
	patient := make(chan error)
	go func() { patient <- shard.Within(f.ctx, db, 8, write(5, nil)) }()
	go func() { patient <- shard.Within(f.ctx, db, 7, write(6, nil)) }()
	time.Sleep(50 * time.Millisecond)
	must(t, held.Commit())
	// They see the fence in its new state, not in the state at which they arrived.
	first, second := <-patient, <-patient
	if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), shard.ErrMoved) {
		t.Errorf("got errors %v and %v, want one writer that passes and one that is turned away", first, second)
	}
	wantQuantity(5)
}

// testSilence checks that a writer that is cut off inside does not block the fence.
func testSilence(t *testing.T, f *fixture) {
	c := f.cluster(t, 1)
	maps := c.watch(t, f, "replica")
	mover := c.mover(t, f)
	defer func() { must(t, mover.Close()) }()
	current, err := maps.Current()
	must(t, err)
	inside, leave := make(chan struct{}), make(chan struct{})
	written := make(chan error)
	go func() {
		written <- shard.Within(f.ctx, c.servers[0], current.Version, func(ctx context.Context) error {
			close(inside)
			<-leave
			return shard.Mark(ctx, c.servers[0], "a")
		})
	}()
	<-inside
	// Other writers are not kept out for the whole time.
	time.AfterFunc(500*time.Millisecond, func() {
		hurried, cancel := context.WithTimeout(f.ctx, time.Second)
		defer cancel()
		if err := shard.Within(hurried, c.servers[0], current.Version, func(context.Context) error { return nil }); err != nil {
			t.Errorf("while the mover waits for another writer: %v", err)
		}
	})
	next := mover.Map()
	next.Phase = shard.NewUsers
	must(t, mover.Publish(f.ctx, next))
	close(leave)
	if err := <-written; err == nil {
		t.Error("a writer that was silent for so long has written anyway")
	}
	if n := count(t, c.servers[0], `SELECT count(*) FROM shard_marks`); n != 0 {
		t.Errorf("%d marks", n)
	}
}
