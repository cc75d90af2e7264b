package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// TestOnRealServers shares one bed among the tests that need one.
func TestOnRealServers(t *testing.T) {
	bed := testbed.ForTest(t)
	size := seed.Small()
	database, err := bed.Postgres(t.Context(), testbed.PostgresOptions{Dataset: &size})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := bed.MailSink(t.Context(), testbed.MailSinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Addr: "127.0.0.1:0", Instance: "one",
		CatalogueURL: database.URL(), UserDataURL: database.URL(), SMTPAddr: mail.SMTPAddress(),
		StaffToken: bed.StaffToken(), PaymentSecret: bed.PaymentSecret(), LogOutput: io.Discard,
	}
	t.Run("schema changes", func(t *testing.T) { testSchemaChanges(t, config) })
	t.Run("orders on a pool of one", func(t *testing.T) { testPoolOfOne(t, config) })
	t.Run("roles", func(t *testing.T) { testRoles(t, config) })
	t.Run("a shard is late", func(t *testing.T) { testLateShard(t, bed, config) })
	t.Run("starts while the database does", func(t *testing.T) { testLateDatabase(t, config, database) })
}

// open returns resources over pools of one, as the baseline has.
func open(t *testing.T, config Config) (Resources, *databases) {
	t.Helper()
	d, err := openDatabases(t.Context(), config, jobPools(Baseline().Pool), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return Resources{
		Config: config, Catalogue: d.catalogue, UserData: d.userData, Logger: slog.New(slog.DiscardHandler),
	}, d
}

// testSchemaChanges starts several replicas at once, again and again. None may fail, and the
// indexes must exist and be valid.
func testSchemaChanges(t *testing.T, config Config) {
	changes := []SchemaChange{
		{Name: "nothing", SQL: "-- a learner's file before the lab\n"},
		{Name: "index", SQL: "CREATE INDEX CONCURRENTLY IF NOT EXISTS parts_test_1 ON orders (user_id, placed_at DESC);"},
		{Name: "several", Database: CatalogueDatabase, SQL: "CREATE TABLE IF NOT EXISTS parts_test_2 (x int); CREATE INDEX IF NOT EXISTS parts_test_3 ON parts_test_2 (x);"},
	}
	ctx := testbed.ContextForTest(t)
	var replicas []Resources
	for range 4 {
		r, _ := open(t, config)
		replicas = append(replicas, r)
	}
	for range 3 {
		var wg sync.WaitGroup
		for _, r := range replicas {
			wg.Go(func() {
				if err := applySchemaChanges(ctx, r, changes); err != nil {
					t.Error(err)
				}
				r.changes = changes // one of them is for the catalogue
				if err := r.PrepareUserData(ctx, r.UserData); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	r := replicas[0]
	var valid int
	err := r.UserData.QueryRowContext(ctx, `SELECT count(*) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		WHERE c.relname LIKE 'parts_test_%' AND i.indisvalid`).Scan(&valid)
	if err != nil || valid != 2 {
		t.Errorf("%d valid indexes, %v; want 2", valid, err)
	}
	// The settings of a change must not stay behind on the pool's connection.
	var timeout string
	if err := r.UserData.QueryRowContext(ctx, "SHOW statement_timeout").Scan(&timeout); err != nil || timeout == "0" {
		t.Errorf("statement_timeout is %q afterwards, %v", timeout, err)
	}
	err = applySchemaChanges(ctx, r, []SchemaChange{{Name: "broken.sql", SQL: "CREATE NONSENSE"}})
	if err == nil || !strings.Contains(err.Error(), "schema change broken.sql") {
		t.Errorf("got %v, want an error that names the change", err)
	}
	// A change that failed must not keep the lock.
	if err := applySchemaChanges(ctx, replicas[1], changes); err != nil {
		t.Errorf("after one that failed: %v", err)
	}
}

// testPoolOfOne places an order over one connection. A step that needs a second connection while
// the transaction holds the first would wait for ever.
func testPoolOfOne(t *testing.T, config Config) {
	ctx, cancel := context.WithTimeout(t.Context(), hostspeed.Wait(30*time.Second))
	defer cancel()
	r, d := open(t, config)
	if d.catalogue != d.userData || d.catalogue.Stats().MaxOpenConnections != 1 {
		t.Fatal("one database is not one pool of one")
	}
	p, err := compose(r, Baseline())
	if err != nil {
		t.Fatal(err)
	}
	request := bytebites.OrderRequest{
		User: seed.User(1), Email: seed.Email(1), IdempotencyKey: "pool-of-one",
		Lines: []bytebites.Line{{Meal: seed.Meal(1), Quantity: 2}, {Meal: seed.Meal(2), Quantity: 1}},
	}
	order, replayed, err := p.checkout.PlaceOrder(ctx, request)
	if err != nil || replayed {
		t.Fatalf("got replayed %v, %v", replayed, err)
	}
	again, replayed, err := p.checkout.PlaceOrder(ctx, request)
	if err != nil || !replayed || again.ID != order.ID || !again.PlacedAt.Equal(order.PlacedAt) || again.Total != order.Total {
		t.Errorf("replay: got %+v, replayed %v, %v; want %+v", again, replayed, err, order)
	}
	for _, effect := range bytebites.Effects() {
		if again.Done[effect].IsZero() {
			t.Errorf("effect %s is not done", effect)
		}
	}
	week, err := p.Weeks.Week(ctx, seed.User(1))
	if err != nil || len(week.Meals) == 0 {
		t.Errorf("week %v, %v", week, err)
	}
	if n, err := p.sweeper(r.Logger).Sweep(ctx); n != 0 || err != nil {
		t.Errorf("swept %d, %v; want nothing left behind", n, err)
	}
}

// testLateDatabase runs the whole service while its database is down, comes up, stops and comes
// back.
func testLateDatabase(t *testing.T, config Config, database *testbed.Postgres) {
	if err := database.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config.Addr = "127.0.0.1:" + port
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, config, Baseline()) }()
	time.Sleep(500 * time.Millisecond)
	if err := database.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready", config.Addr, http.StatusOK)
	if err := database.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not ready without a database", config.Addr, http.StatusServiceUnavailable)
	if err := database.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready again", config.Addr, http.StatusOK)
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(shutdownTimeout + 5*time.Second):
		t.Error("does not stop")
	}
}

// eventually polls /readyz for 20 s until it answers with the status.
func eventually(t *testing.T, what, addr string, status int) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			last = err
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == status {
			return
		}
		last = errors.New(response.Status)
	}
	t.Fatalf("not %s after 20 s: %v", what, last)
}

// freePort returns a port of this machine that nothing listens on.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
