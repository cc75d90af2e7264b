package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
)

// testMigrate starts several replicas at once on an empty database. Like the baseline, each has a
// pool of one connection.
func testMigrate(t *testing.T, f *fixture) {
	f.exec(t, `CREATE DATABASE empty`)
	u, err := url.Parse(f.url)
	must(t, err)
	u.Path = "/empty"
	for _, err := range together(6, func(i int) error {
		db := open(f.ctx, t, u.String(), postgres.PoolConfig{MaxOpen: 1})
		if err := postgres.MigrateCatalogue(f.ctx, db); err != nil {
			return err
		}
		return postgres.MigrateUserData(f.ctx, db)
	}) {
		if err != nil {
			t.Errorf("migrate: %v", err)
		}
	}
	db := open(f.ctx, t, u.String(), postgres.PoolConfig{MaxOpen: 1})
	for _, schema := range []postgres.Schema{postgres.CatalogueSchema(), postgres.UserDataSchema()} {
		if version, err := schema.Version(f.ctx, db); err != nil || version <= postgres.TablesVersion {
			t.Errorf("version %d, error %v", version, err)
		}
	}
	if err := postgres.Invariants(f.ctx, db, db); err != nil {
		t.Errorf("invariants of an empty database: %v", err)
	}
	wantError(t, "profile in an empty database", func() error {
		_, err := postgres.NewProfiles(db).Profile(f.ctx, seed.User(1))
		return err
	}(), bytebites.ErrNotFound)
}

// testFaults checks that the fault of lab 00 exists and that the lab's index fixes it.
func testFaults(t *testing.T, f *fixture) {
	plan := func() string {
		t.Helper()
		rows, err := f.db.QueryContext(f.ctx, `EXPLAIN SELECT id FROM orders
			WHERE user_id = 'u0000077' AND (placed_at, id) < ('infinity', '') ORDER BY placed_at DESC, id DESC LIMIT 20`)
		must(t, err)
		defer func() { must(t, rows.Close()) }()
		var plan strings.Builder
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			plan.WriteString(line + "\n")
		}
		must(t, rows.Err())
		return plan.String()
	}
	if before := plan(); !strings.Contains(before, "Seq Scan on orders") {
		t.Errorf("a history does not read all orders:\n%s", before)
	}
	f.exec(t, `CREATE INDEX cure ON orders (user_id, placed_at DESC)`)
	after := plan()
	f.exec(t, `DROP INDEX cure`)
	if !strings.Contains(after, "cure") || strings.Contains(after, "Seq Scan") {
		t.Errorf("the index does not serve a history:\n%s", after)
	}
}

// testStatements checks that every statement on user data names the subscriber, because lab 04
// sends statements to shards by user_id. Two statements about all subscribers are exempt.
func testStatements(t *testing.T, f *fixture) {
	f.exec(t, `SELECT pg_stat_statements_reset()`)
	user := f.user()
	order := f.placed(t, user, seed.Meal(1))
	event := bytebites.PaymentEvent{ID: "statements", User: user, Order: order.ID, Amount: order.Total, Succeeded: true}
	for _, call := range []func() error{
		func() error { _, err := f.orders.Order(f.ctx, user, order.ID); return err },
		func() error { _, err := f.orders.OrderByKey(f.ctx, user, order.IdempotencyKey); return err },
		func() error { _, err := f.orders.History(f.ctx, user, bytebites.HistoryCursor{}, 20); return err },
		func() error { _, err := f.orders.ApplyPayment(f.ctx, event); return err },
		func() error { _, err := f.orders.ApplyPayment(f.ctx, event); return err },
		func() error { return f.orders.Finish(f.ctx, user, order.ID, bytebites.EffectEmail) },
		func() error { return f.orders.Finish(f.ctx, user, order.ID, bytebites.EffectEmail) },
		func() error {
			_, err := f.orders.Once(f.ctx, user, order.ID, bytebites.EffectLedger, func(context.Context) error { return nil })
			return err
		},
		func() error { _, err := f.orders.RecordPayment(f.ctx, event, nil); return err },
		func() error { return f.orders.SettlePayment(f.ctx, event) },
		func() error { return f.ledger.Record(f.ctx, order) },
		func() error { _, err := f.profiles.Profile(f.ctx, user); return err },
		func() error { return f.profiles.SetPreferences(f.ctx, user, bytebites.Preferences{PortionCount: 2}) },
		func() error {
			return f.profiles.Create(f.ctx, bytebites.Profile{User: bytebites.NewUserID(time.Now()), Preferences: bytebites.Preferences{PortionCount: 2}})
		},
		func() error { _, err := f.profiles.Addresses(f.ctx, user); return err },
		func() error { return f.profiles.SetAddresses(f.ctx, user, make([]bytebites.Address, 2)) },
		func() error { _, err := f.carts.Cart(f.ctx, user); return err },
		func() error { return f.carts.SetCart(f.ctx, user, lines(order)) },
		func() error { return f.ratings.Rate(f.ctx, user, seed.Meal(1), 4) },
		func() error { return f.weeks.SetWeek(f.ctx, user, bytebites.Week{}) },
		func() error { _, err := f.weeks.Week(f.ctx, user); return err },
		func() error { _, err := f.orders.Popular(f.ctx, 10); return err },
		func() error { _, err := f.ratings.Ratings(f.ctx, []bytebites.MealID{seed.Meal(1)}); return err },
	} {
		must(t, call())
	}
	// toplevel excludes the statements by which the server checks foreign keys.
	rows, err := f.db.QueryContext(f.ctx, `
SELECT query, query ~ 'user_id' FROM pg_stat_statements
WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND query ~ '\m(users|addresses|carts|cart_lines|orders|order_lines|order_effects|payment_events|ratings|supplier_ledger|weeks)\M'
  AND query !~ 'pg_stat_statements'`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	named, unnamed := 0, 0
	for rows.Next() {
		var query string
		var names bool
		must(t, rows.Scan(&query, &names))
		switch {
		case names:
			named++
		case strings.Contains(query, "avg(stars)") || strings.Contains(query, "AS portions"):
			unnamed++
		default:
			t.Errorf("a statement on user data does not name the subscriber: %s", query)
		}
	}
	must(t, rows.Err())
	if named < 15 || unnamed != 2 {
		t.Errorf("saw %d statements with user_id and %d without, want 15 or more, and 2", named, unnamed)
	}
}

// testInvariants violates each invariant and checks that Invariants reports it.
func testInvariants(t *testing.T, f *fixture) {
	order := f.placed(t, f.user(), seed.Meal(1), seed.Meal(2))
	id := string(order.ID)
	for _, test := range []struct {
		name          string
		damage, mend  []string
		want          string
		useID         bool
		sameDataTwice bool
	}{
		{
			name: "leak", want: "1000000 stocked",
			damage: []string{`UPDATE stock SET available = available - 1 WHERE meal_id = 'm0200'`},
			mend:   []string{`UPDATE stock SET available = available + 1 WHERE meal_id = 'm0200'`},
		},
		{
			name: "wrong total", want: "total of", useID: true,
			damage: []string{`UPDATE orders SET total_cents = total_cents + 1 WHERE id = $1`},
			mend:   []string{`UPDATE orders SET total_cents = total_cents - 1 WHERE id = $1`},
		},
		{
			name: "other portions", want: "reserved map", useID: true,
			damage: []string{`UPDATE reservation_lines SET quantity = quantity + 1 WHERE order_id = $1`},
			mend:   []string{`UPDATE reservation_lines SET quantity = quantity - 1 WHERE order_id = $1`},
		},
		{
			name: "paid without payment", want: "is paid", useID: true,
			damage: []string{`UPDATE orders SET status = 'paid' WHERE id = $1`},
			mend:   []string{`UPDATE orders SET status = 'placed' WHERE id = $1`},
		},
		{
			name: "no reservation", want: "no reservation", useID: true,
			damage: []string{`UPDATE reservations SET state = 'released' WHERE order_id = $1`},
			mend:   []string{`UPDATE reservations SET state = 'confirmed' WHERE order_id = $1`},
		},
		{
			name: "another subscriber's reservation", want: "reserved by", useID: true,
			damage: []string{`UPDATE reservations SET user_id = 'x' || user_id WHERE order_id = $1`},
			mend:   []string{`UPDATE reservations SET user_id = substr(user_id, 2) WHERE order_id = $1`},
		},
		{name: "two servers", want: "on two servers", sameDataTwice: true},
		{
			name: "no order", want: "reservation lost: no order",
			damage: []string{`INSERT INTO reservations (order_id, user_id, state) VALUES ('lost', 'u0000001', 'held')`},
			mend:   []string{`DELETE FROM reservations WHERE order_id = 'lost'`},
		},
		{
			name: "no lines", want: "order bare: no lines",
			damage: []string{`INSERT INTO orders (id, user_id, total_cents, status) VALUES ('bare', 'u0000001', 0, 'placed')`},
			mend:   []string{`DELETE FROM orders WHERE id = 'bare'`},
		},
		{
			name: "key used twice", want: "one Idempotency-Key",
			damage: []string{`DROP INDEX orders_key`, `
INSERT INTO orders (id, user_id, idempotency_key, total_cents, status)
SELECT 'twin', user_id, idempotency_key, total_cents, status FROM orders WHERE idempotency_key IS NOT NULL LIMIT 1`},
			mend: []string{`DELETE FROM orders WHERE id = 'twin'`,
				`CREATE UNIQUE INDEX orders_key ON orders (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := func(statements []string) {
				t.Helper()
				for _, statement := range statements {
					if test.useID {
						f.exec(t, statement, id)
					} else {
						f.exec(t, statement)
					}
				}
			}
			run(test.damage)
			var err error
			if test.sameDataTwice {
				err = postgres.Invariants(f.ctx, f.db, f.db, f.db)
			} else {
				err = postgres.Invariants(f.ctx, f.db, f.db)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			run(test.mend)
			must(t, postgres.Invariants(f.ctx, f.db, f.db))
		})
	}
}
