package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/testbed"
)

// TestLasting gives up calls on a pool of one connection. Each next call must find the connection that was
// there before, without a transaction, a lock or a setting of the call before.
func TestLasting(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server")
	}
	server, err := testbed.ForTest(t).Postgres(t.Context(), testbed.PostgresOptions{Name: "lasting"})
	if err != nil {
		t.Fatal(err)
	}
	const silence = 10 * time.Second
	db, err := postgres.Open(t.Context(), server.URL(), postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1, Silence: silence, Lasting: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	one := func(query string, args ...any) (value string) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), query, args...).Scan(&value); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return value
	}
	exec := func(ctx context.Context, on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}, query string,
	) {
		t.Helper()
		if _, err := on.ExecContext(ctx, query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec(t.Context(), db, `CREATE TABLE seen (n int)`)
	const backend = `SELECT pg_backend_pid()::text`
	pid := one(backend)
	if got := one(`SHOW statement_timeout`); got != "5s" {
		t.Errorf("statement_timeout is %s, want half the silence", got)
	}

	giveUp := func(name string, call func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("%s: %v, want its deadline", name, err)
		}
		if took := time.Since(began); took > 900*time.Millisecond {
			t.Errorf("%s: given up after %v", name, took)
		}
		if got := one(backend); got != pid {
			t.Errorf("after %s: a new connection", name)
			pid = got
		}
	}
	const sleep = `SELECT pg_sleep(1)::text`
	giveUp("a query", func(ctx context.Context) error {
		var text string
		return db.QueryRowContext(ctx, sleep).Scan(&text)
	})
	giveUp("a change", func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, `INSERT INTO seen SELECT 1 FROM pg_sleep(1)`)
		return err
	})
	if got := one(`SELECT count(*)::text FROM seen`); got != "1" {
		t.Errorf("%s rows of a change that went on, want 1", got)
	}
	giveUp("settings and locks", func(ctx context.Context) error {
		exec(ctx, db, `SET work_mem = '1MB'`)
		exec(ctx, db, `SELECT pg_advisory_lock(7)`)
		_, err := db.ExecContext(ctx, sleep)
		return err
	})
	if got := one(`SHOW work_mem`) + one(`SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'`); got != "4MB0" {
		t.Errorf("the next call has the work_mem and the locks %s of the call before", got)
	}
	giveUp("a prepared statement", func(ctx context.Context) error {
		statement, err := db.PrepareContext(ctx, `SELECT pg_sleep($1::float)`)
		if err != nil {
			return err
		}
		defer func() { _ = statement.Close() }()
		_, err = statement.ExecContext(ctx, 1)
		return err
	})
	within := func(end func(context.Context, *sql.Tx) error) func(context.Context) error {
		return func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			exec(ctx, tx, `INSERT INTO seen VALUES (2)`)
			return errors.Join(end(ctx, tx), tx.Rollback())
		}
	}
	giveUp("a statement of a transaction", within(func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sleep)
		return err
	}))
	giveUp("a transaction whose time is over", within(func(ctx context.Context, tx *sql.Tx) error {
		<-ctx.Done()
		return tx.Commit()
	}))
	if got := one(`SELECT count(*)::text FROM seen WHERE n = 2`); got != "0" {
		t.Errorf("%s rows of transactions that were given up, want none", got)
	}
	exec(t.Context(), db, `CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
	exec(t.Context(), db, `CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'`)
	exec(t.Context(), db, `CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON once DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly()`)
	giveUp("a commit", func(ctx context.Context) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		exec(ctx, tx, `INSERT INTO once VALUES (3)`)
		return tx.Commit()
	})
	if got := one(`SELECT count(*)::text FROM once`); got != "1" {
		t.Errorf("%s rows of a commit that went on, want 1", got)
	}

	// Many callers of a few connections, which give up at any moment.
	few, err := postgres.Open(t.Context(), server.URL(), postgres.PoolConfig{MaxOpen: 3, MaxIdle: 3, Silence: silence, Lasting: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = few.Close() }()
	exec(t.Context(), db, `CREATE TABLE pairs (a int, b int)`)
	var callers sync.WaitGroup
	for caller := range 12 {
		callers.Go(func() {
			for n := range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(caller*7+n*13)%30)*time.Millisecond)
				if tx, err := few.BeginTx(ctx, nil); err == nil {
					_, first := tx.ExecContext(ctx, `INSERT INTO pairs VALUES ($1, 0)`, caller*100+n)
					_, second := tx.ExecContext(ctx, `UPDATE pairs SET b = a WHERE a = $1`, caller*100+n)
					if first != nil || second != nil || tx.Commit() != nil {
						_ = tx.Rollback()
					}
				}
				cancel()
			}
		})
	}
	callers.Wait()
	if got := one(`SELECT count(*)::text FROM pairs WHERE a <> b`); got != "0" {
		t.Errorf("%s halves of transactions are stored", got)
	}
	if got := one(`SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`); got > "3" || len(got) > 1 {
		t.Errorf("%s connections of a pool of 3", got)
	}
}
