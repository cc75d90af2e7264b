package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
)

// TestStores runs all tests that need a server on one server, because a container for each test
// would take longer than the tests. Each subtest uses its own subscribers and preserves the
// invariants.
func TestStores(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	size := seed.Small()
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{Dataset: &size})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(ctx, t, server.URL(), size)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *fixture)
	}{
		{"open", testOpen},
		{"migrate", testMigrate},
		{"catalogue", testCatalogue},
		{"directory", testDirectory},
		{"stock", testStock},
		{"profiles", testProfiles},
		{"new profile", testCreateProfile},
		{"carts", testCarts},
		{"ratings", testRatings},
		{"orders", testOrders},
		{"payments", testPayments},
		{"payments in two halves", testPaymentHalves},
		{"effects once", testOnce},
		{"ledger", testLedger},
		{"weeks", testWeeks},
		{"hostile text", testHostileText},
		{"deadlines", testDeadlines},
		{"faults", testFaults},
		{"statements", testStatements},
		{"invariants", testInvariants},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, f)
			if err := postgres.Invariants(f.ctx, f.db, f.db); err != nil {
				t.Errorf("invariants after the test:\n%v", err)
			}
		})
	}
}

// fixture is a seeded database and the stores over it.
type fixture struct {
	ctx  context.Context
	url  string
	size seed.Size
	db   *sql.DB

	catalogue *postgres.Catalogue
	stock     *postgres.Stock
	directory *postgres.Directory
	profiles  *postgres.Profiles
	carts     *postgres.Carts
	ratings   *postgres.Ratings
	orders    *postgres.Orders
	ledger    *postgres.Ledger
	weeks     *postgres.Weeks

	users, ids int // numbers used so far
}

func newFixture(ctx context.Context, t *testing.T, url string, size seed.Size) *fixture {
	db := open(ctx, t, url, postgres.PoolConfig{MaxOpen: 20, MaxIdle: 20})
	catalogue := postgres.NewCatalogue(db)
	return &fixture{
		ctx: ctx, url: url, size: size, db: db,
		catalogue: catalogue,
		stock:     postgres.NewStock(db),
		directory: postgres.NewDirectory(db),
		profiles:  postgres.NewProfiles(db),
		carts:     postgres.NewCarts(db),
		ratings:   postgres.NewRatings(db),
		orders:    postgres.NewOrders(db),
		ledger:    postgres.NewLedger(db, catalogue),
		weeks:     postgres.NewWeeks(db),
	}
}

func open(ctx context.Context, t *testing.T, url string, pool postgres.PoolConfig) *sql.DB {
	t.Helper()
	db, err := postgres.Open(ctx, url, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close pool: %v", err)
		}
	})
	return db
}

// user returns a subscriber that no other test uses.
func (f *fixture) user() bytebites.UserID {
	f.users++
	return seed.User(f.users)
}

// draft returns an order of one portion of each meal, without storing it.
func (f *fixture) draft(user bytebites.UserID, meals ...bytebites.MealID) bytebites.Order {
	f.ids++
	order := bytebites.Order{
		ID:             bytebites.OrderID(fmt.Sprintf("test-%04d", f.ids)),
		User:           user,
		IdempotencyKey: fmt.Sprintf("key-%04d", f.ids),
		Status:         bytebites.OrderPlaced,
		PlacedAt:       time.Date(2026, 2, 1, 18, 0, f.ids, 123456000, time.UTC),
	}
	for i, meal := range meals {
		line := bytebites.OrderLine{Meal: meal, Name: "Meal " + string(meal), Quantity: 1 + i, Price: 700}
		order.Lines = append(order.Lines, line)
		order.Total += line.Price * bytebites.Cents(line.Quantity)
	}
	return order
}

// lines returns the meals and portions that an order takes from the stock.
func lines(order bytebites.Order) []bytebites.Line {
	var out []bytebites.Line
	for _, line := range order.Lines {
		out = append(out, bytebites.Line{Meal: line.Meal, Quantity: line.Quantity})
	}
	return out
}

// reserve reserves the stock of an order, so that the invariants hold.
func (f *fixture) reserve(t *testing.T, order bytebites.Order) {
	t.Helper()
	must(t, f.stock.Reserve(f.ctx, order.ID, order.User, lines(order)))
}

// placed stores an order the way the service does.
func (f *fixture) placed(t *testing.T, user bytebites.UserID, meals ...bytebites.MealID) bytebites.Order {
	t.Helper()
	order := f.draft(user, meals...)
	f.reserve(t, order)
	must(t, f.orders.Place(f.ctx, order, nil))
	must(t, f.stock.Confirm(f.ctx, order.ID))
	return order
}

func (f *fixture) available(t *testing.T, meal bytebites.MealID) int {
	t.Helper()
	left, err := f.stock.Available(f.ctx, []bytebites.MealID{meal})
	must(t, err)
	return left[meal]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}
