package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
)

// testHostileText calls every store with text that breaks SQL built by concatenation, and with
// text that PostgreSQL cannot store.
func testHostileText(t *testing.T, f *fixture) {
	user := f.user()
	for _, text := range []string{
		"'", `"`, `\`, "$1", "'; DROP TABLE orders; --", "' OR '1'='1", "{a,b}", "%", "\u202e", strings.Repeat("x", 100_000),
		"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80",
	} {
		id, meal, stranger := bytebites.OrderID(text), bytebites.MealID(text), bytebites.UserID(text)
		for name, call := range map[string]func() error{
			"meal":      func() error { _, err := f.catalogue.Meal(f.ctx, meal); return err },
			"update":    func() error { _, err := f.catalogue.UpdateMeal(f.ctx, meal, bytebites.MealChange{}); return err },
			"account":   func() error { _, err := f.directory.Account(f.ctx, text); return err },
			"profile":   func() error { _, err := f.profiles.Profile(f.ctx, stranger); return err },
			"addresses": func() error { return f.profiles.SetAddresses(f.ctx, stranger, nil) },
			"cart":      func() error { return f.carts.SetCart(f.ctx, stranger, nil) },
			"rate":      func() error { return f.ratings.Rate(f.ctx, stranger, seed.Meal(1), 3) },
			"order":     func() error { _, err := f.orders.Order(f.ctx, user, id); return err },
			"key":       func() error { _, err := f.orders.OrderByKey(f.ctx, user, text); return err },
			"finish":    func() error { return f.orders.Finish(f.ctx, user, id, bytebites.EffectEmail) },
			"payment": func() error {
				_, err := f.orders.ApplyPayment(f.ctx, bytebites.PaymentEvent{ID: text, User: user, Order: id})
				return err
			},
			"once": func() error {
				_, err := f.orders.Once(f.ctx, user, id, bytebites.EffectEmail, func(context.Context) error { return nil })
				return err
			},
			"record": func() error {
				_, err := f.orders.RecordPayment(f.ctx, bytebites.PaymentEvent{ID: text, User: user, Order: id}, nil)
				return err
			},
			"settle": func() error {
				return f.orders.SettlePayment(f.ctx, bytebites.PaymentEvent{ID: text, User: user, Order: id})
			},
			"reserve": func() error {
				return f.stock.Reserve(f.ctx, "hostile", user, []bytebites.Line{{Meal: meal, Quantity: 1}})
			},
			"ledger": func() error {
				return f.ledger.Record(f.ctx, bytebites.Order{ID: id, User: user, Lines: []bytebites.OrderLine{{Meal: seed.Meal(1), Quantity: 1}}})
			},
			"confirm": func() error { return f.stock.Confirm(f.ctx, id) },
			"week":    func() error { _, err := f.weeks.Week(f.ctx, stranger); return err },
			"place": func() error {
				return f.orders.Place(f.ctx, bytebites.Order{ID: "hostile", User: stranger, IdempotencyKey: "k"}, nil)
			},
		} {
			if err := call(); !errors.Is(err, bytebites.ErrNotFound) {
				t.Errorf("%s of %.30q: got error %v, want ErrNotFound", name, text, err)
			}
		}
		for name, call := range map[string]func() error{
			"release":   func() error { return f.stock.Release(f.ctx, id) },
			"available": func() error { _, err := f.stock.Available(f.ctx, []bytebites.MealID{meal}); return err },
			"ratings":   func() error { _, err := f.ratings.Ratings(f.ctx, []bytebites.MealID{meal}); return err },
			"filter": func() error {
				_, err := f.catalogue.Meals(f.ctx, bytebites.MealFilter{Cuisine: text, Diet: text})
				return err
			},
			"preferences": func() error {
				return f.profiles.SetPreferences(f.ctx, user, bytebites.Preferences{Dislikes: []string{text}, PortionCount: 1})
			},
			"new profile": func() error {
				return f.profiles.Create(f.ctx, bytebites.Profile{
					User: bytebites.NewUserID(time.Now()), Name: text, Email: text, Preferences: bytebites.Preferences{PortionCount: 1},
				})
			},
			"address": func() error { return f.profiles.SetAddresses(f.ctx, user, []bytebites.Address{{Street: text}}) },
		} {
			if err := call(); err != nil {
				t.Errorf("%s with %.30q: %v", name, text, err)
			}
		}
		profile, err := f.profiles.Profile(f.ctx, user)
		must(t, err)
		if want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"); !reflect.DeepEqual(profile.Preferences.Dislikes, []string{want}) {
			t.Errorf("%.30q came back as %.30q", text, profile.Preferences.Dislikes)
		}
	}

	// Text in names and keys of an order comes back unchanged.
	order := f.draft(user, seed.Meal(1))
	order.ID, order.IdempotencyKey, order.Lines[0].Name = `o'"\;--`, `k'"\{},`, `n'"\{},$1`
	f.reserve(t, order)
	must(t, f.orders.Place(f.ctx, order, nil))
	got, err := f.orders.OrderByKey(f.ctx, user, order.IdempotencyKey)
	must(t, err)
	if got.ID != order.ID || got.Lines[0] != order.Lines[0] {
		t.Errorf("got %+v", got)
	}
}

func testDeadlines(t *testing.T, f *fixture) {
	small := open(f.ctx, t, f.url, postgres.PoolConfig{MaxOpen: 1})
	orders := postgres.NewOrders(small)
	soon := func() (context.Context, context.CancelFunc) { return context.WithTimeout(f.ctx, 50*time.Millisecond) }

	// Place holds the pool's only connection until it returns.
	order := f.draft(f.user(), seed.Meal(1))
	f.reserve(t, order)
	must(t, orders.Place(f.ctx, order, func(context.Context) error {
		ctx, cancel := soon()
		defer cancel()
		_, err := orders.Popular(ctx, 1)
		wantError(t, "no connection free", err, context.DeadlineExceeded)
		return nil
	}))

	// The deadline ends while the server executes the statement.
	row, err := f.db.Conn(f.ctx)
	must(t, err)
	defer func() { must(t, row.Close()) }()
	tx, err := row.BeginTx(f.ctx, nil)
	must(t, err)
	_, err = tx.ExecContext(f.ctx, `SELECT FROM orders WHERE id = $1 FOR UPDATE`, string(order.ID))
	must(t, err)
	pay := bytebites.PaymentEvent{ID: "late", User: order.User, Order: order.ID, Amount: order.Total, Succeeded: true}
	ctx, cancel := soon()
	defer cancel()
	_, err = orders.ApplyPayment(ctx, pay)
	wantError(t, "row locked", err, context.DeadlineExceeded)

	// The caller has no deadline, and the server's statement_timeout ends the statement.
	limited := postgres.NewOrders(open(f.ctx, t, withSetting(t, f.url, "statement_timeout", "50"), postgres.PoolConfig{}))
	_, err = limited.ApplyPayment(f.ctx, pay)
	wantError(t, "statement_timeout", err, context.DeadlineExceeded)
	must(t, tx.Rollback())

	// None of these calls left a row or a transaction.
	if applied, err := orders.ApplyPayment(f.ctx, pay); !applied || err != nil {
		t.Errorf("applied %t, error %v", applied, err)
	}
	canceled, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err = orders.Popular(canceled, 1)
	wantError(t, "canceled", err, context.Canceled)
}

func withSetting(t *testing.T, databaseURL, name, value string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	must(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func testOpen(t *testing.T, f *fixture) {
	for name, want := range map[string]string{"application_name": "bytebites", "statement_timeout": "10s", "jit": "off"} {
		var got string
		must(t, f.db.QueryRowContext(f.ctx, `SELECT current_setting($1)`, name).Scan(&got))
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	u, err := url.Parse(f.url)
	must(t, err)
	u.User = url.UserPassword(u.User.Username(), "opensesame")
	if _, err := postgres.Open(f.ctx, u.String(), postgres.PoolConfig{}); err == nil || strings.Contains(err.Error(), "opensesame") {
		t.Errorf("wrong password: got error %v", err)
	}
}

// refusedURL names an address that refuses connections.
const refusedURL = "postgres://u:opensesame@127.0.0.1:1/db?sslmode=disable"

func TestOpenLaterDoesNotConnect(t *testing.T) {
	db, err := postgres.OpenLater(refusedURL, postgres.PoolConfig{MaxOpen: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, db.Close()) }()
	if n := db.Stats().MaxOpenConnections; n != 3 {
		t.Errorf("a pool of %d, want 3", n)
	}
	_, err = postgres.NewProfiles(db).Profile(t.Context(), "u0000001")
	if err == nil || strings.Contains(err.Error(), "opensesame") {
		t.Errorf("asked: got error %v", err)
	}
	_, err = postgres.OpenLater("postgres://u:opensesame@localhost/db?sslmode=opensesame", postgres.PoolConfig{})
	if err == nil || strings.Contains(err.Error(), "opensesame") {
		t.Errorf("a URL that is none: got error %v", err)
	}
}

func TestOpenRefusesBadURLs(t *testing.T) {
	for _, databaseURL := range []string{
		"", "opensesame", "host=localhost password=opensesame", "mysql://u:opensesame@localhost/db", "postgres://u:opensesame@/db",
		"postgres://u:opensesame@local host/db", "postgres://u:opensesame@localhost:port/db", "postgres://u:%zzopensesame@localhost/db",
		"postgres://u:opensesame@localhost/db?sslmode=opensesame", "postgres://u:opensesame@localhost/db?connect_timeout=opensesame",
		refusedURL,
	} {
		db, err := postgres.Open(t.Context(), databaseURL, postgres.PoolConfig{})
		if err == nil {
			t.Errorf("%q: opened %v", databaseURL, db)
		} else if strings.Contains(err.Error(), "opensesame") {
			t.Errorf("%q: the error tells the password: %v", databaseURL, err)
		}
	}
}
