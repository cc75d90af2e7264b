package seed_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
)

// byLastDigit puts subscribers on servers 1 to 3.
func byLastDigit(user bytebites.UserID) int { return 1 + int(user[len(user)-1]-'0')%3 }

func TestSpread(t *testing.T) {
	size := seed.Size{Users: 1_000, Meals: 500, Orders: 10_000}
	spread, err := seed.NewSpread(size, 3, byLastDigit)
	if err != nil {
		t.Fatal(err)
	}
	if n := spread.UserData(1).Users() + spread.UserData(2).Users() + spread.UserData(3).Users(); n != size.Users {
		t.Errorf("the shares have %d subscribers, want %d", n, size.Users)
	}
	if n := spread.Catalogue().Users(); n != 0 {
		t.Errorf("the catalogue server has the data of %d subscribers, want none", n)
	}
	keys := map[string]string{size.Key(): "the whole"}
	other, err := seed.NewSpread(size, 3, func(user bytebites.UserID) int { return 4 - byLastDigit(user) })
	if err != nil {
		t.Fatal(err)
	}
	for name, share := range map[string]seed.Share{
		"catalogue": spread.Catalogue(), "first": spread.UserData(1), "second": spread.UserData(2), "third": spread.UserData(3),
		"another first": other.UserData(1),
	} {
		if same, ok := keys[share.Key()]; ok {
			t.Errorf("%s and %s have the same key", name, same)
		}
		keys[share.Key()] = name
	}
	again, err := seed.NewSpread(size, 3, byLastDigit)
	if err != nil || again.UserData(2).Key() != spread.UserData(2).Key() {
		t.Errorf("the key of one share differs between two calls, error %v", err)
	}
}

func TestSpreadRefuses(t *testing.T) {
	for _, server := range []int{-1, 0, 4} {
		if _, err := seed.NewSpread(seed.Small(), 3, func(bytebites.UserID) int { return server }); err == nil {
			t.Errorf("a subscriber on server %d of 3 was accepted", server)
		}
	}
}

// TestFillShares fills the databases of a spread and of the whole, and compares all rows.
func TestFillShares(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	server, err := bed.Postgres(ctx, testbed.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const servers = 3
	size := seed.Small()
	spread, err := seed.NewSpread(size, servers, byLastDigit)
	if err != nil {
		t.Fatal(err)
	}
	whole := fill(ctx, t, server.URL(), "whole", size)
	catalogue := fillBy(ctx, t, server.URL(), "catalogue", spread.Catalogue().Fill)
	shards := make([]*sql.DB, servers)
	for i := range shards {
		shards[i] = fillBy(ctx, t, server.URL(), fmt.Sprintf("shard_%d", i+1), spread.UserData(i+1).Fill)
	}
	for _, table := range []string{"meals", "ingredients", "stock", "accounts"} {
		sameRows(ctx, t, table, whole, catalogue)
		if n := ask[int](ctx, t, shards[0], `SELECT count(*) FROM pg_tables WHERE tablename = '`+table+`'`); n != 0 {
			t.Errorf("a shard has the table %s", table)
		}
	}
	for _, table := range []string{"users", "addresses", "carts", "cart_lines", "orders", "order_lines", "ratings"} {
		sameRows(ctx, t, table, whole, shards...)
		if n := ask[int](ctx, t, catalogue, `SELECT count(*) FROM `+table); n != 0 {
			t.Errorf("the catalogue server has %d rows of %s", n, table)
		}
		for i, shard := range shards {
			stray := fmt.Sprintf(`SELECT count(*) FROM %s WHERE 1 + right(user_id, 1)::integer %% 3 <> %d`, table, i+1)
			if n := ask[int](ctx, t, shard, stray); n != 0 {
				t.Errorf("shard %d has %d rows of %s of another shard", i+1, n, table)
			}
		}
	}
}

// sameRows demands that the parts together have each row of a table as often as the whole.
func sameRows(ctx context.Context, t *testing.T, table string, whole *sql.DB, parts ...*sql.DB) {
	t.Helper()
	rows := func(db *sql.DB) []string {
		return ask[pq.StringArray](ctx, t, db, `SELECT coalesce(array_agg(md5(row::text)), '{}') FROM `+table+` row`)
	}
	want := rows(whole)
	var got []string
	for _, part := range parts {
		got = append(got, rows(part)...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%s: the parts have %d rows and the whole has %d, or they differ", table, len(got), len(want))
	}
}
