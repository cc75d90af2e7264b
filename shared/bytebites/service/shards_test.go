package service

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/testbed"
)

// testLateShard starts two replicas with two shards while one shard is down. The replicas become
// ready, and give the shard its schema when it comes up.
func testLateShard(t *testing.T, bed *testbed.Bed, config Config) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shards := make([]*testbed.Postgres, 2)
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			shards[0], err = bed.Postgres(ctx, testbed.PostgresOptions{Name: "shard1"})
			return err
		},
		func(ctx context.Context) (err error) {
			shards[1], err = bed.Postgres(ctx, testbed.PostgresOptions{Name: "shard2"})
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	config.ShardURLs = []string{shards[0].URL(), shards[1].URL()}
	if err := shards[1].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	c := Baseline()
	c.SchemaChanges = []SchemaChange{
		// It takes longer than a request may wait for a shard.
		{Name: "slow", SQL: "SELECT pg_sleep(1.5)"},
		{Name: "user data", SQL: "CREATE INDEX CONCURRENTLY IF NOT EXISTS parts_test_shard ON orders (placed_at)"},
		{Name: "catalogue", Database: CatalogueDatabase, SQL: "CREATE INDEX IF NOT EXISTS parts_test_meals ON meals (name)"},
	}
	const replicas = 2
	done := make(chan error, replicas)
	for range replicas {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		replica := config
		replica.Addr = "127.0.0.1:" + port
		go func() { done <- Run(ctx, replica, c) }()
		eventually(t, "ready with a shard down", replica.Addr, http.StatusOK)
		config.Addr = replica.Addr
	}
	hasSchema(t, shards[0].URL(), time.Now())
	if err := shards[1].Start(ctx); err != nil {
		t.Fatal(err)
	}
	hasSchema(t, shards[1].URL(), time.Now().Add(20*time.Second))
	for _, want := range []string{`db_name="shard1"`, `db_name="shard2"`} {
		if text := metricsOf(t, config.Addr); !strings.Contains(text, want) {
			t.Errorf("no metrics with %s", want)
		}
	}
	cancel()
	for range replicas {
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// hasSchema polls a shard until the deadline, at least once, for the migrations and the index.
func hasSchema(t *testing.T, url string, deadline time.Time) {
	t.Helper()
	db, err := postgres.OpenLater(url, postgres.PoolConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for {
		err := schemaOn(t.Context(), db)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("shard without its schema: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func schemaOn(ctx context.Context, db *sql.DB) error {
	var orders, index, meals bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass('orders') IS NOT NULL,
		EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('parts_test_shard') AND indisvalid),
		to_regclass('meals') IS NOT NULL`).Scan(&orders, &index, &meals)
	switch {
	case err != nil:
		return err
	case !orders || !index:
		return errors.New("no orders, or no index on them")
	case meals:
		return errors.New("has the catalogue's schema too")
	}
	return nil
}

func metricsOf(t *testing.T, addr string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
