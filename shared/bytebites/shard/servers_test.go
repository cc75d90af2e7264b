package shard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
)

// TestServers runs all tests that need a server, on one server. Databases stand for several
// servers, because locks and fences are local to a database.
func TestServers(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{ctx: ctx, url: server.URL()}
	f.admin = f.open(t, "")
	must(t, f.makeTemplate(t))
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *fixture)
	}{
		{"tables", testTables},
		{"fence", testFence},
		{"silence", testSilence},
		{"round trip", testRoundTrip},
		{"marks", testMarks},
		{"overtaking", testOvertaking},
		{"hostile ids", testHostileIDs},
		{"batches", testBatches},
		{"watch", testWatch},
		{"stale", testStale},
		{"dark reads", testDarkReads},
		{"publish", testPublish},
		{"switch", testSwitch},
		{"switch that fails", testSwitchFails},
		{"recovery", testRecovery},
		{"turns", testTurns},
		{"late mover", testLateMover},
		{"lost session", testLostSession},
		{"dead inside", testDeadInside},
		{"suspended inside", testSuspendedInside},
		{"writers and switches", testWriters},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, f) })
	}
}

// fixture is a server on which tests create databases.
type fixture struct {
	ctx   context.Context
	url   string
	admin *sql.DB
	made  int
}

const template = "userdata"

// makeTemplate creates the template of the user data databases.
func (f *fixture) makeTemplate(t *testing.T) error {
	exec(t, f.admin, `CREATE DATABASE `+template)
	db, err := postgres.Open(f.ctx, f.urlOf(t, template), postgres.PoolConfig{})
	must(t, err)
	must(t, postgres.MigrateUserData(f.ctx, db))
	// The index of lab 00: every history and every copy reads by it.
	exec(t, db, `CREATE INDEX orders_user_placed_at ON orders (user_id, placed_at DESC)`)
	must(t, shard.Prepare(f.ctx, db))
	return db.Close() // a template must have no connections
}

func (f *fixture) urlOf(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(f.url)
	must(t, err)
	if database != "" {
		u.Path = "/" + database
	}
	return u.String()
}

func (f *fixture) open(t *testing.T, database string) *sql.DB {
	t.Helper()
	db, err := postgres.Open(f.ctx, f.urlOf(t, database), postgres.PoolConfig{MaxOpen: 10, MaxIdle: 10})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// database creates an empty database.
func (f *fixture) database(t *testing.T) *sql.DB {
	t.Helper()
	f.made++
	name := fmt.Sprintf("control_%d", f.made)
	exec(t, f.admin, `CREATE DATABASE `+name)
	return f.open(t, name)
}

// server creates a server of user data, prepared and empty.
func (f *fixture) server(t *testing.T) *sql.DB {
	t.Helper()
	f.made++
	name := fmt.Sprintf("server_%d", f.made)
	exec(t, f.admin, `CREATE DATABASE `+name+` TEMPLATE `+template)
	return f.open(t, name)
}

// cluster is a control database and servers of user data.
type cluster struct {
	control *sql.DB
	servers []*sql.DB
}

func (f *fixture) cluster(t *testing.T, servers int) cluster {
	t.Helper()
	c := cluster{control: f.database(t)}
	for range servers {
		c.servers = append(c.servers, f.server(t))
	}
	return c
}

func (c cluster) watch(t *testing.T, f *fixture, name string) *shard.Maps {
	t.Helper()
	maps, err := shard.Watch(f.ctx, c.control, c.servers, name, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, maps.Close()) })
	return maps
}

func (c cluster) mover(t *testing.T, f *fixture) *shard.Mover {
	t.Helper()
	mover, err := shard.NewMover(f.ctx, c.control, c.servers, slog.New(slog.DiscardHandler))
	must(t, err)
	return mover
}

// fence is the state of a server's fence.
type fence struct {
	version int64
	open    bool
}

func (c cluster) fences(t *testing.T) []fence {
	t.Helper()
	all := make([]fence, len(c.servers))
	for i, server := range c.servers {
		must(t, server.QueryRow(`SELECT version, open FROM shard_fence`).Scan(&all[i].version, &all[i].open))
	}
	return all
}

func (c cluster) wantFences(t *testing.T, when string, want ...fence) {
	t.Helper()
	for i, got := range c.fences(t) {
		if got != want[i] {
			t.Errorf("%s: fence of server %d is %+v, want %+v", when, i, got, want[i])
		}
	}
}

// everywhere returns an assignment of all buckets to one server.
func everywhere(server shard.Server) (all shard.Assignment) {
	for b := range all {
		all[b] = server
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%.80s: %v", statement, err)
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	must(t, db.QueryRow(query, args...).Scan(&n))
	return n
}

// join creates a subscriber without other data.
func join(t *testing.T, db *sql.DB, users ...bytebites.UserID) {
	t.Helper()
	for _, user := range users {
		exec(t, db, `INSERT INTO users (user_id, name, email) VALUES ($1, 'somebody', 'some@body')`, string(user))
	}
}

// increment adds one to a quantity in the subscriber's cart, and records the version of the map.
func increment(ctx context.Context, server *sql.DB, user bytebites.UserID, version int64, bucket int) error {
	if err := shard.Mark(ctx, server, user); err != nil {
		return err
	}
	q := postgres.Join(ctx, server)
	result, err := q.ExecContext(ctx, `UPDATE cart_lines SET quantity = quantity + 1 WHERE user_id = $1`, string(user))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%s: %d carts, error %w", user, n, err)
	}
	_, err = q.ExecContext(ctx, `INSERT INTO landed VALUES ($1, $2)`, version, bucket)
	return err
}
