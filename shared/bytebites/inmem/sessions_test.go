package inmem_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/inmem"
)

var _ bytebites.Sessions = (*inmem.Store)(nil)

func hash(n int) (h [32]byte) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	return h
}

func session(n int, expires time.Time) bytebites.Session {
	return bytebites.Session{TokenHash: hash(n), User: "u", Email: "u@example.com", ExpiresAt: expires}
}

func TestSessionLivesUntilItExpires(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1000, 0)
	store := inmem.New(10, func() time.Time { return now })
	want := session(1, now.Add(time.Minute))
	if err := store.Create(ctx, want); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Session(ctx, hash(1)); err != nil || got != want {
		t.Fatalf("got %v, %v; want the session", got, err)
	}
	now = now.Add(time.Minute)
	if _, err := store.Session(ctx, hash(1)); !errors.Is(err, bytebites.ErrNotFound) {
		t.Fatalf("expired session: got %v, want ErrNotFound", err)
	}
	if store.Len() != 0 {
		t.Fatal("the expired session still takes up room")
	}
}

func TestDelete(t *testing.T) {
	ctx := context.Background()
	store := inmem.New(10, nil)
	if err := store.Create(ctx, session(1, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	for range 2 { // deleting again changes nothing
		if err := store.Delete(ctx, hash(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Session(ctx, hash(1)); !errors.Is(err, bytebites.ErrNotFound) {
		t.Fatalf("deleted session: got %v, want ErrNotFound", err)
	}
}

func TestFullStoreEvictsTheNextToExpire(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1000, 0)
	store := inmem.New(3, func() time.Time { return now })
	for n, minutes := range []int{30, 10, 20, 40} { // number 1 expires first
		if err := store.Create(ctx, session(n, now.Add(time.Duration(minutes)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []bool{true, false, true, true} {
		if _, err := store.Session(ctx, hash(n)); (err == nil) != want {
			t.Errorf("session %d: got %v, want kept=%v", n, err, want)
		}
	}
	// The store evicts expired sessions before live ones.
	now = now.Add(25 * time.Minute)
	if err := store.Create(ctx, session(9, now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Session(ctx, hash(0)); err != nil {
		t.Errorf("a living session went, although one had expired: %v", err)
	}
}

func TestCreateAgainReplaces(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1000, 0)
	store := inmem.New(2, func() time.Time { return now })
	for _, minutes := range []int{1, 60} {
		if err := store.Create(ctx, session(1, now.Add(time.Duration(minutes)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Minute)
	if _, err := store.Session(ctx, hash(1)); err != nil {
		t.Fatalf("the later session went with the earlier: %v", err)
	}
	if store.Len() != 1 {
		t.Fatalf("%d sessions, want 1", store.Len())
	}
}

func TestConcurrentUseStaysBounded(t *testing.T) {
	ctx := context.Background()
	store := inmem.New(50, nil)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 500 {
				id := (n*7 + worker) % 200
				_ = store.Create(ctx, session(id, time.Now().Add(time.Duration(id)*time.Millisecond)))
				_, _ = store.Session(ctx, hash(id/2))
				_ = store.Delete(ctx, hash(id/3))
			}
		})
	}
	wg.Wait()
	if store.Len() > 50 {
		t.Fatalf("%d sessions, want at most 50", store.Len())
	}
}
