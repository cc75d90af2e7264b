package seed_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
)

// TestFill fills two databases. It checks the data of one, and that both are equal.
func TestFill(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	size := seed.Small()
	first := fill(ctx, t, server.URL(), "first", size)
	second := fill(ctx, t, server.URL(), "second", size)

	t.Run("same again", func(t *testing.T) {
		for _, table := range []string{
			"meals", "ingredients", "stock", "accounts", "users", "addresses", "carts", "cart_lines", "orders", "order_lines", "ratings",
		} {
			digest := `SELECT count(*) || ' rows, ' || md5(string_agg(row::text, '|' ORDER BY row::text COLLATE "C")) FROM ` + table + ` row`
			a, b := ask[string](ctx, t, first, digest), ask[string](ctx, t, second, digest)
			if a != b || strings.HasPrefix(a, "0 rows") {
				t.Errorf("%s: %s, then %s", table, a, b)
			}
		}
	})
	t.Run("invariants", func(t *testing.T) {
		if err := postgres.Invariants(ctx, first, first); err != nil {
			t.Error(err)
		}
	})
	t.Run("password", func(t *testing.T) {
		hash := ask[[]byte](ctx, t, first, `SELECT password_hash FROM accounts LIMIT 1`)
		if err := bcrypt.CompareHashAndPassword(hash, []byte(seed.Password)); err != nil {
			t.Error(err)
		}
		if cost, err := bcrypt.Cost(hash); err != nil || cost != 10 {
			t.Errorf("cost %d, error %v; want 10", cost, err)
		}
	})
	for _, test := range []struct {
		name, query string
		want        int
	}{
		{"users", `SELECT count(*) FROM users JOIN accounts USING (user_id, email)`, size.Users},
		{"orders", `SELECT count(*) FROM orders WHERE starts_with(id, '` + postgres.SeededOrderPrefix + `')`, size.Orders},
		{"distinct names", `SELECT count(DISTINCT name) FROM meals`, size.Meals},
		{"ingredients", `SELECT count(*) FROM (SELECT FROM ingredients GROUP BY meal_id HAVING count(DISTINCT name) = 8) kit`, size.Meals},
		{"scarce", `SELECT count(*) FROM (SELECT * FROM stock ORDER BY meal_id DESC LIMIT 5) s WHERE available = 20`, seed.ScarceMeals},
		{"plenty", `SELECT count(*) FROM stock WHERE available = 1000000`, size.Meals - seed.ScarceMeals},
		{"tastes of unit length", `SELECT count(*) FROM meals WHERE array_length(taste, 1) = 64
			AND abs((SELECT sum(x * x) FROM unnest(taste) x) - 1) < 0.0001`, size.Meals},
		{"orders whose lines are not their total", `SELECT count(*) FROM orders o WHERE total_cents <>
			(SELECT sum(quantity * price_cents) FROM order_lines WHERE order_id = o.id AND user_id = o.user_id)`, 0},
		{"lines that are not as on the menu", `SELECT count(*) FROM order_lines l LEFT JOIN meals m ON m.id = l.meal_id
			WHERE m.id IS NULL OR (m.name, m.price_cents) <> (l.name, l.price_cents)`, 0},
		{"meals twice in an order", `SELECT count(*) FROM (SELECT FROM order_lines GROUP BY order_id, meal_id HAVING count(*) > 1) twice`, 0},
		{"orders out of the year", `SELECT count(*) FROM orders
			WHERE placed_at < '2025-01-01Z' OR placed_at >= '` + seed.LastOrderAt().Format(time.RFC3339) + `'`, 0},
		{"unpaid", `SELECT count(*) FROM orders WHERE status <> 'paid' OR effects_done_at IS NULL`, 0},
		{"vegetarian meals with meat", `SELECT count(*) FROM meals JOIN ingredients ON meal_id = id
			WHERE 'vegetarian' = ANY (diets) AND (ingredients.name ~ 'chicken|beef|pork|lamb|fillet|prawns|duck|turkey|chorizo|merguez|bacon|tuna|trout|squid')`, 0},
		{"vegan meals that are not vegetarian", `SELECT count(*) FROM meals WHERE 'vegan' = ANY (diets) AND NOT 'vegetarian' = ANY (diets)`, 0},
		// One gram has 4 kcal of protein or carbohydrate, 9 of fat, and 2 of fibre.
		{"nutrition that does not add up", `SELECT count(*) FROM meals WHERE abs(kilocalories
			- (4 * protein_grams + 4 * carb_grams + 9 * fat_grams + 2 * fibre_grams)) > 0.12 * kilocalories`, 0},
		{"tables of the seed", `SELECT count(*) FROM pg_namespace WHERE nspname = 'seed'`, 0},
		{"tables never analysed", `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
			AND reltuples < 0`, 0},
	} {
		if got := ask[int](ctx, t, first, `SELECT (`+test.query+`)::integer`); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	t.Run("popularity falls", func(t *testing.T) {
		quarter := `SELECT sum(quantity)::integer FROM order_lines WHERE meal_id BETWEEN '%' AND '%'`
		sold := func(from, to int) int {
			query := strings.Replace(quarter, "%", string(seed.Meal(from)), 1)
			return ask[int](ctx, t, first, strings.Replace(query, "%", string(seed.Meal(to)), 1))
		}
		if a, b, c := sold(1, 4), sold(5, 40), sold(461, 500); a < 4*b/10 || b < 5*c {
			t.Errorf("meals 1 to 4: %d, 5 to 40: %d, 461 to 500: %d", a, b, c)
		}
	})
	t.Run("taste clusters by cuisine", func(t *testing.T) {
		similar := ask[float64](ctx, t, first, `
WITH pair AS (
    SELECT a.cuisine = b.cuisine AS same, (SELECT sum(x * y) FROM unnest(a.taste, b.taste) AS d (x, y)) AS similarity
    FROM meals a JOIN meals b ON a.id < b.id WHERE a.id <= 'm0060' AND b.id <= 'm0060'
)
SELECT avg(similarity) FILTER (WHERE same) - avg(similarity) FILTER (WHERE NOT same) FROM pair`)
		if similar < 0.3 {
			t.Errorf("meals of one cuisine are only %g more alike than others", similar)
		}
	})
	t.Run("not twice", func(t *testing.T) {
		if err := seed.Fill(ctx, databaseURL(t, server.URL(), "first"), size); err == nil {
			t.Error("a full database was filled")
		}
	})
}

// fill creates a database and fills it.
func fill(ctx context.Context, t *testing.T, serverURL, name string, size seed.Size) *sql.DB {
	t.Helper()
	return fillBy(ctx, t, serverURL, name, func(ctx context.Context, url string) error { return seed.Fill(ctx, url, size) })
}

// fillBy creates a database and fills it by a function.
func fillBy(ctx context.Context, t *testing.T, serverURL, name string, by func(ctx context.Context, url string) error) *sql.DB {
	t.Helper()
	admin := open(ctx, t, serverURL)
	if _, err := admin.ExecContext(ctx, `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	if err := by(ctx, databaseURL(t, serverURL, name)); err != nil {
		t.Fatal(err)
	}
	return open(ctx, t, databaseURL(t, serverURL, name))
}

func databaseURL(t *testing.T, serverURL, name string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func open(ctx context.Context, t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	db, err := postgres.Open(ctx, databaseURL, postgres.PoolConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func ask[T any](ctx context.Context, t *testing.T, db *sql.DB, query string) T {
	t.Helper()
	var answer T
	if err := db.QueryRowContext(ctx, query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}
