package preflight_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard/preflight"
	"bytebites.example/workshop/shared/testbed"
)

const index = `CREATE INDEX orders_user_placed_at ON orders (user_id, placed_at DESC)`

// TestCheck reads histories without the index that they need, and with it.
func TestCheck(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
	must(t, err)
	db := open(ctx, t, server.URL())
	must(t, postgres.MigrateUserData(ctx, db))
	exec(t, db, `INSERT INTO users SELECT 'u' || n, 'name', 'mail' FROM generate_series(1, 1000) n`)
	exec(t, db, `INSERT INTO orders SELECT 'o' || n, 'u' || n % 1000 + 1, NULL, 1, 'paid', now(), now() FROM generate_series(1, 20000) n`)
	exec(t, db, `ANALYZE`)
	exec(t, db, index)
	exec(t, db, `SELECT pg_stat_reset()`)

	reports := func(wantFinding, wantNote bool) preflight.Report {
		t.Helper()
		r, err := preflight.Check(ctx, db, preflight.Machine{Type: "b1.small", Largest: "b1.small"})
		must(t, err)
		about := func(text string) bool { return strings.Contains(text, "table orders") }
		if slices.ContainsFunc(r.Findings(), about) != wantFinding || slices.ContainsFunc(r.Notes(), about) != wantNote {
			t.Errorf("findings %q, notes %q: want a finding about orders: %t, a note: %t", r.Findings(), r.Notes(), wantFinding, wantNote)
		}
		return r
	}
	histories := func(db *sql.DB, n int) {
		t.Helper()
		orders := postgres.NewOrders(db)
		for range n {
			_, err := orders.History(ctx, bytebites.UserID("u7"), bytebites.HistoryCursor{}, 20)
			must(t, err)
		}
	}
	histories(db, 50)
	reports(false, true) // too few
	histories(db, 150)
	if r := reports(false, false); !r.Allowed() {
		t.Errorf("not allowed: %q", r.Findings())
	}
	exec(t, db, `DROP INDEX orders_user_placed_at`)
	histories(db, 200)
	if r := reports(true, false); r.Allowed() {
		t.Error("allowed")
	}
	// Check again: the counts since their reset say the same as before, and those under load do
	// not.
	exec(t, db, index)
	reports(true, false)
	other := open(ctx, t, server.URL())
	underLoad := func(check func()) {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					histories(other, 1)
				}
			}
		}()
		time.Sleep(1500 * time.Millisecond) // PostgreSQL publishes a session's counts within a second
		check()
		close(stop)
		<-stopped
	}
	underLoad(func() { reports(false, false) })
	hurried, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if r, err := preflight.Check(hurried, db, preflight.Machine{}); err == nil {
		t.Errorf("in no time: %+v", r)
	}
	if r, err := preflight.Check(ctx, db, preflight.Machine{Type: "huge", Largest: "b1.small"}); err == nil {
		t.Errorf("a type that there is not: %+v", r)
	}
}

// open opens a pool of one session, whose counts can be read at once.
func open(ctx context.Context, t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := postgres.Open(ctx, url, postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%.60s: %v", statement, err)
	}
}
