package shard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// testTables fails if user data has a table, column or key that copies do not include.
func testTables(t *testing.T, f *fixture) {
	db := f.server(t)
	rows, err := db.QueryContext(f.ctx, `
SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position),
       coalesce(array_agg(c.column_name::text ORDER BY c.ordinal_position) FILTER (WHERE c.data_type = 'timestamp with time zone'), '{}'),
       bool_or(c.data_type IN ('real', 'double precision', 'bytea', 'json', 'timestamp without time zone', 'date', 'numeric'))
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'goose\_%' AND c.table_name NOT LIKE 'shard\_%'
GROUP BY c.table_name`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	known := make(map[string]shard.TableForTest)
	for _, table := range shard.TablesForTest() {
		known[table.Name] = table
	}
	seen := 0
	for rows.Next() {
		var name string
		var columns, instants pq.StringArray
		var unfit bool
		must(t, rows.Scan(&name, &columns, &instants, &unfit))
		seen++
		table, ok := known[name]
		if !ok {
			t.Errorf("table %s of user data is not copied: add it to tables.go", name)
			continue
		}
		if !slices.Contains(columns, "user_id") {
			t.Errorf("table %s has no user_id", name)
		}
		if !slices.Equal(table.Columns, columns) || !slices.Equal(table.Instants, instants) {
			t.Errorf("table %s: copies have columns %v with instants %v, the schema has %v with %v", name, table.Columns, table.Instants, columns, instants)
		}
		if unfit {
			t.Errorf("table %s has a column of a type that may not come back equal", name)
		}
		if want := slices.Contains(columns, "order_id"); table.OfOrder != want {
			t.Errorf("table %s: rows belong to orders: %t, want %t", name, table.OfOrder, want)
		}
		// Rows must be in order of the whole key, or digests of equal rows might differ.
		var key pq.StringArray
		must(t, db.QueryRowContext(f.ctx, `
SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisprimary AND i.indrelid = $1::regclass`, name).Scan(&key))
		for _, column := range key {
			// All rows have the same user_id.
			if column != "user_id" && !strings.Contains(table.Order, column) {
				t.Errorf("table %s is ordered by %s, which leaves out %s of its key", name, table.Order, column)
			}
		}
	}
	must(t, rows.Err())
	if seen != len(known) {
		t.Errorf("%d tables are there, %d are copied", seen, len(known))
	}
}

// oddTexts are texts that may break on the way through JSON, SQL or a collation.
var oddTexts = []string{
	"", " ", "null", "NULL", "{}", "[]", `{"a": 1}`, `"`, `\`, `\\"`, `\u0041`, `\u0000`, "'", "''; DROP TABLE users; --", "$1", "%s",
	"a\nb\r\n\tc", "\x01\x02\x1f\x7f", "é", "e\u0301", "日本語", "😀👩‍👩‍👧", "\u2028\u2029", "\uFFFD", "\uFFFF", "\U0010FFFF", "\u202Eright to left",
	"true", "1", "1.50", "-0", "1e400", "infinity", "2026-01-01", "{a,b}", `{"a,b"}`, strings.Repeat("long ", 2000),
}

func odd(random *rand.Rand) string { return oddTexts[random.IntN(len(oddTexts))] }

func oddList(random *rand.Rand) pq.StringArray {
	list := make(pq.StringArray, random.IntN(4))
	for i := range list {
		list[i] = odd(random)
	}
	return list
}

// instant returns a random time to the microsecond, also before 1970.
func instant(random *rand.Rand) time.Time {
	return time.UnixMicro(random.Int64N(4_000_000_000_000_000) - 1_000_000_000_000_000)
}

// invent gives a subscriber random rows in every table; tables may stay empty.
func invent(t *testing.T, db *sql.DB, user string, random *rand.Rand) {
	t.Helper()
	name := func() string { return fmt.Sprintf("%.40s%x", odd(random), random.Uint64()) } // unique
	exec(t, db, `INSERT INTO users VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		user, odd(random), name(), oddList(random), oddList(random), oddList(random), random.IntN(8)+1)
	for i := range random.IntN(4) {
		exec(t, db, `INSERT INTO addresses VALUES ($1, $2, $3, $4, $5, $6, $7)`, user, i, odd(random), odd(random), odd(random), odd(random), odd(random))
	}
	if random.IntN(2) == 0 {
		exec(t, db, `INSERT INTO carts VALUES ($1, $2)`, user, instant(random))
		for range random.IntN(5) {
			exec(t, db, `INSERT INTO cart_lines VALUES ($1, $2, $3)`, user, name(), random.IntN(9)+1)
		}
	}
	for range random.IntN(4) {
		exec(t, db, `INSERT INTO ratings VALUES ($1, $2, $3)`, user, name(), random.IntN(5)+1)
	}
	if random.IntN(2) == 0 {
		exec(t, db, `INSERT INTO weeks VALUES ($1, $2, $3, $4)`, user, oddList(random), instant(random), random.Int64())
	}
	for range random.IntN(5) {
		order := name()
		key := sql.NullString{String: name(), Valid: random.IntN(2) == 0}
		done := sql.NullTime{Time: instant(random), Valid: random.IntN(2) == 0}
		exec(t, db, `INSERT INTO orders VALUES ($1, $2, $3, $4, 'paid', $5, $6)`, order, user, key, random.Int64(), instant(random), done)
		for i := range random.IntN(4) {
			exec(t, db, `INSERT INTO order_lines VALUES ($1, $2, $3, $4, $5, $6, $7)`, order, user, i, odd(random), odd(random), random.IntN(9)+1, random.IntN(9999))
		}
		for range random.IntN(3) {
			exec(t, db, `INSERT INTO order_effects VALUES ($1, $2, $3, $4)`, order, user, name(), instant(random))
			exec(t, db, `INSERT INTO payment_events VALUES ($1, $2, $3, $4, $5, $6)`, name(), user, order, random.Int64(), random.IntN(2) == 0, instant(random))
			exec(t, db, `INSERT INTO supplier_ledger VALUES ($1, $2, $3, $4, $5, $6)`, order, user, name(), name(), random.Int64()|1, instant(random))
		}
	}
}

// testRoundTrip copies random rows to a server with another collation and time zone, and compares
// every table of both servers.
func testRoundTrip(t *testing.T, f *fixture) {
	from, name := f.server(t), "elsewhere"
	exec(t, f.admin, `CREATE DATABASE `+name+` TEMPLATE `+template)
	exec(t, f.admin, `ALTER DATABASE `+name+` SET timezone TO 'Asia/Kathmandu'`)
	exec(t, f.admin, `ALTER DATABASE `+name+` SET datestyle TO 'German'`)
	exec(t, f.admin, `ALTER DATABASE `+name+` SET intervalstyle TO 'iso_8601'`)
	to := f.open(t, name)
	random := rand.New(rand.NewPCG(1, 2))
	var users []bytebites.UserID
	for i := range 60 {
		user := bytebites.UserID(fmt.Sprintf("%03d%.100s", i, odd(random)))
		invent(t, from, string(user), random)
		users = append(users, user)
	}
	stays := bytebites.UserID("stays")
	invent(t, to, string(stays), random)
	stayed, err := shard.Read(f.ctx, to, []bytebites.UserID{stays})
	must(t, err)

	before := make(map[bytebites.UserID]shard.Sum)
	for round := range 3 { // existing rows are replaced
		read, err := shard.Read(f.ctx, from, append(users, "nobody", users[0]))
		must(t, err)
		if got := read.Users(); len(got) != len(users) {
			t.Fatalf("read %d subscribers, want %d", len(got), len(users))
		}
		var parts []string
		for _, table := range shard.TablesForTest() {
			parts = append(parts, `(SELECT count(*) FROM `+table.Name+`)`)
		}
		if there := count(t, from, `SELECT `+strings.Join(parts, " + ")); read.Rows() != there {
			t.Errorf("round %d: read %d rows of %d", round, read.Rows(), there)
		}
		must(t, shard.Replace(f.ctx, to, read))
		again, err := shard.Read(f.ctx, to, users)
		must(t, err)
		sums, err := shard.Sums(f.ctx, from, append(users, "nobody"))
		must(t, err)
		sumsAgain, err := shard.Sums(f.ctx, to, users)
		must(t, err)
		digests, hashes := make(map[string]bool), make(map[string]bool)
		for _, user := range users {
			if got, want := sumsAgain[user], sums[user]; got != want || want.Hash == "" {
				t.Errorf("round %d: %.40q: sum %v, want %v", round, user, got, want)
			}
			if sums[user] == before[user] {
				t.Errorf("round %d: %.40q: the sum has not changed with the rows", round, user)
			}
			hashes[sums[user].Hash] = true
			if got, want := again.Digest(user), read.Digest(user); got != want || want == "" {
				t.Errorf("round %d: %.40q: digest %s, want %s", round, user, got, want)
			}
			digests[read.Digest(user)] = true
		}
		if len(digests) != len(users) {
			t.Errorf("%d subscribers have %d digests", len(users), len(digests))
		}
		if len(hashes) != len(users) || len(sums) != len(users) {
			t.Errorf("%d subscribers have %d hashes in %d sums", len(users), len(hashes), len(sums))
		}
		before = sums
		exec(t, from, `UPDATE users SET portion_count = portion_count % 8 + 1`)
		exec(t, from, `DELETE FROM ratings WHERE stars = 3`)
	}

	// Do not rely on the digests alone.
	last, err := shard.Read(f.ctx, from, users)
	must(t, err)
	must(t, shard.Replace(f.ctx, to, last))
	for _, table := range shard.TablesForTest() {
		content := func(db *sql.DB) (text string) {
			// hashtextextended of a row's text form does not use JSON.
			session, err := db.Conn(f.ctx)
			must(t, err)
			defer func() { must(t, session.Close()) }()
			for _, set := range []string{`SET timezone TO 'UTC'`, `SET datestyle TO 'ISO'`} {
				_, err := session.ExecContext(f.ctx, set)
				must(t, err)
			}
			must(t, session.QueryRowContext(f.ctx, `SELECT count(*) || ' rows ' || coalesce(sum(hashtextextended(one::text, 0)), 0)
				FROM `+table.Name+` AS one WHERE user_id <> 'stays'`).Scan(&text))
			for _, reset := range []string{`RESET timezone`, `RESET datestyle`} {
				_, err := session.ExecContext(f.ctx, reset)
				must(t, err)
			}
			return text
		}
		if got, want := content(to), content(from); got != want || strings.HasPrefix(want, "0 rows") {
			t.Errorf("table %s: %s, want %s", table.Name, got, want)
		}
	}
	now, err := shard.Read(f.ctx, to, []bytebites.UserID{stays})
	must(t, err)
	if now.Digest(stays) != stayed.Digest(stays) {
		t.Error("rows of a subscriber who was not copied have changed")
	}

	must(t, shard.Delete(f.ctx, to, users[:30]))
	left, err := shard.Users(f.ctx, to, "", 1000)
	must(t, err)
	want := append(slices.Clone(users[30:]), stays)
	if slices.Sort(want); !reflect.DeepEqual(left, want) {
		t.Errorf("after deletion %d are left, want %d", len(left), len(want))
	}
	var paged []bytebites.UserID
	for after := bytebites.UserID(""); ; after = paged[len(paged)-1] {
		page, err := shard.Users(f.ctx, to, after, 7)
		must(t, err)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
	}
	if !slices.Equal(paged, left) {
		t.Errorf("the pages have %d subscribers, want %d", len(paged), len(left))
	}
}

// testMarks follows marks and copies of a few subscribers, in both directions.
func testMarks(t *testing.T, f *fixture) {
	home, mirror := f.server(t), f.server(t)
	exec(t, home, `UPDATE shard_fence SET version = 1, open = true`)
	join(t, home, "a", "b", "c")
	uncopied := func(want ...bytebites.UserID) {
		t.Helper()
		got, err := shard.Uncopied(f.ctx, home, "", 10)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("uncopied are %v, want %v", got, want)
		}
	}
	read := func(users ...bytebites.UserID) shard.Copy {
		t.Helper()
		c, err := shard.Read(f.ctx, home, users)
		must(t, err)
		return c
	}
	uncopied()
	if v := read("a").Version("a"); v != 0 {
		t.Errorf("version without a mark is %d", v)
	}
	must(t, shard.MarkAll(f.ctx, home, 1, []bytebites.UserID{"c", "a", "a", "marked only"}))
	uncopied("a", "c", "marked only")
	wantError(t, "mark at another version", shard.MarkAll(f.ctx, home, 2, []bytebites.UserID{"b"}), shard.ErrMoved)
	if page, err := shard.Uncopied(f.ctx, home, "a", 1); err != nil || !slices.Equal(page, []bytebites.UserID{"c"}) {
		t.Errorf("page after a: %v, error %v", page, err)
	}

	// Marks belong to the transaction that changes rows: they are committed or rolled back with it.
	failure := errors.New("no")
	err := shard.Within(f.ctx, home, 1, func(ctx context.Context) error {
		must(t, shard.Mark(ctx, home, "b"))
		return failure
	})
	wantError(t, "write", err, failure)
	uncopied("a", "c", "marked only")

	old := read("a", "c", "marked only", "nobody")
	if got := old.Users(); !slices.Equal(got, []bytebites.UserID{"a", "c"}) {
		t.Errorf("read rows of %v", got)
	}
	if old.Version("a") != 1 || old.Version("marked only") != 1 || old.Digest("marked only") != "" {
		t.Errorf("versions %d and %d, digest %q", old.Version("a"), old.Version("marked only"), old.Digest("marked only"))
	}
	must(t, shard.Within(f.ctx, home, 1, func(ctx context.Context) error {
		must(t, shard.Mark(ctx, home, "a"))
		return postgres.NewRatings(home).Rate(ctx, "a", "m1", 5)
	}))
	fresh := read("a")
	if fresh.Version("a") != 2 || fresh.Digest("a") == old.Digest("a") {
		t.Errorf("version %d after a second write, digest the same: %t", fresh.Version("a"), fresh.Digest("a") == old.Digest("a"))
	}
	outdated := func(c shard.Copy) []bytebites.UserID {
		t.Helper()
		got, err := copyTo(f.ctx, mirror, c)
		must(t, err)
		slices.Sort(got)
		return got
	}
	if got := outdated(fresh); !slices.Equal(got, []bytebites.UserID{"a"}) {
		t.Errorf("outdated are %v", got)
	}
	// The older copy is late; so is the second copy of the same version.
	if got := outdated(old); !slices.Equal(got, []bytebites.UserID{"c", "marked only"}) {
		t.Errorf("outdated are %v", got)
	}
	if got := outdated(fresh); len(got) != 0 {
		t.Errorf("outdated are %v", got)
	}
	there, err := shard.Read(f.ctx, mirror, []bytebites.UserID{"a", "b", "c"})
	must(t, err)
	if there.Digest("a") != fresh.Digest("a") || there.Version("a") != 2 || there.Digest("b") != "" || there.Digest("c") != old.Digest("c") {
		t.Error("the mirror does not have the newest copies")
	}
	if waiting, err := shard.Uncopied(f.ctx, mirror, "", 10); err != nil || len(waiting) != 0 {
		t.Errorf("uncopied on the mirror are %v, error %v", waiting, err)
	}

	must(t, shard.Copied(f.ctx, home, old))
	uncopied("a") // it was written since
	must(t, shard.Copied(f.ctx, home, fresh))
	uncopied()
	must(t, shard.Copied(f.ctx, home, old)) // late
	uncopied()

	// In the other direction the versions continue.
	exec(t, mirror, `UPDATE shard_fence SET version = 2, open = true`)
	must(t, shard.MarkAll(f.ctx, mirror, 2, []bytebites.UserID{"a"}))
	back, err := shard.Read(f.ctx, mirror, []bytebites.UserID{"a"})
	must(t, err)
	if got, err := copyTo(f.ctx, home, back); err != nil || !slices.Equal(got, []bytebites.UserID{"a"}) || back.Version("a") != 3 {
		t.Errorf("outdated are %v by version %d, error %v", got, back.Version("a"), err)
	}

	// A subscriber without rows and mark is not in a copy. An empty copy is replaced by doing
	// nothing.
	if got, err := copyTo(f.ctx, mirror, read("nobody")); err != nil || len(got) != 0 {
		t.Errorf("outdated are %v, error %v", got, err)
	}
	must(t, shard.Replace(f.ctx, mirror, shard.Copy{}))
	must(t, shard.Copied(f.ctx, mirror, shard.Copy{}))
}

// copyTo does a copier's work on the mirror.
func copyTo(ctx context.Context, mirror *sql.DB, c shard.Copy) (outdated []bytebites.UserID, err error) {
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		outdated, err = shard.Outdated(ctx, mirror, c)
		if err != nil {
			return err
		}
		return shard.Replace(ctx, mirror, c.Only(outdated))
	})
	return outdated, err
}

// testOvertaking writes and copies from many goroutines at once. At the end the mirror equals the
// home.
func testOvertaking(t *testing.T, f *fixture) {
	home, mirror := f.server(t), f.server(t)
	exec(t, home, `UPDATE shard_fence SET version = 1, open = true`)
	users := []bytebites.UserID{"a", "b", "c", "d"}
	join(t, home, users...)
	const writers, writes = 4, 25
	failures := make(chan error, writers)
	for w := range writers {
		go func() {
			random := rand.New(rand.NewPCG(3, uint64(w)))
			var err error
			for n := 0; n < writes && err == nil; n++ {
				user := users[random.IntN(len(users))]
				err = shard.Within(f.ctx, home, 1, func(ctx context.Context) error {
					return errors.Join(shard.Mark(ctx, home, user),
						postgres.NewCarts(home).SetCart(ctx, user, []bytebites.Line{{Meal: "m", Quantity: w*writes + n + 1}}))
				})
				if err == nil {
					err = copyAll(f.ctx, home, mirror, []bytebites.UserID{user, users[random.IntN(len(users))]})
				}
			}
			failures <- err
		}()
	}
	for range writers {
		must(t, <-failures)
	}
	left, err := shard.Uncopied(f.ctx, home, "", 10)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("uncopied are %v", left)
	}
	a, err := shard.Read(f.ctx, home, users)
	must(t, err)
	b, err := shard.Read(f.ctx, mirror, users)
	must(t, err)
	for _, user := range users {
		if a.Digest(user) != b.Digest(user) || a.Version(user) != b.Version(user) {
			t.Errorf("%s: version %d at home, %d on the mirror; equal rows: %t", user, a.Version(user), b.Version(user), a.Digest(user) == b.Digest(user))
		}
	}
}

// copyAll copies subscribers from home to mirror as the service does.
func copyAll(ctx context.Context, home, mirror *sql.DB, users []bytebites.UserID) error {
	c, err := shard.Read(ctx, home, users)
	if err != nil {
		return err
	}
	if _, err := copyTo(ctx, mirror, c); err != nil {
		return err
	}
	return shard.Copied(ctx, home, c)
}

// testHostileIDs asks for ids that no subscriber can have. There is no error, and there are no
// rows.
func testHostileIDs(t *testing.T, f *fixture) {
	db := f.server(t)
	exec(t, db, `UPDATE shard_fence SET version = 1, open = true`)
	join(t, db, "a")
	hostile := []bytebites.UserID{"a\x00", "\xff", bytebites.UserID(strings.Repeat("x", 10_000)), "a'", `{"a"}`, "", "a"}
	c, err := shard.Read(f.ctx, db, hostile)
	must(t, err)
	if got := c.Users(); !slices.Equal(got, []bytebites.UserID{"a"}) {
		t.Errorf("read rows of %q", got)
	}
	must(t, shard.MarkAll(f.ctx, db, 1, hostile))
	if n := count(t, db, `SELECT count(*) FROM shard_marks`); n != 4 {
		t.Errorf("%d marks, want 4", n)
	}
	err = shard.Within(f.ctx, db, 1, func(ctx context.Context) error { return shard.Mark(ctx, db, "a\x00") })
	wantError(t, "mark an impossible id", err, bytebites.ErrNotFound)
	must(t, shard.Delete(f.ctx, db, hostile))
	if n := count(t, db, `SELECT (SELECT count(*) FROM shard_marks) + (SELECT count(*) FROM users)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// testBatches copies batches as backfill does. It must be fast and use indexes although the server
// was never analysed, and every statement must name the subscriber.
func testBatches(t *testing.T, f *fixture) {
	from, to := f.server(t), f.server(t)
	const users, batch = 2000, 200
	for _, db := range []*sql.DB{from, to} {
		exec(t, db, `ALTER TABLE orders SET (autovacuum_enabled = off)`)
		exec(t, db, `ALTER TABLE order_lines SET (autovacuum_enabled = off)`)
		exec(t, db, `CREATE EXTENSION pg_stat_statements`)
	}
	exec(t, from, `INSERT INTO users SELECT 'u' || lpad(n::text, 7, '0'), 'name', 'mail', '{vegan}', '{thai}', '{}' FROM generate_series(1, $1) n`, users)
	exec(t, from, `INSERT INTO orders SELECT 'o' || n, 'u' || lpad((n % $1 + 1)::text, 7, '0'), NULL, 100, 'paid', now(), now() FROM generate_series(1, $1 * 10) n`, users)
	exec(t, from, `INSERT INTO order_lines SELECT o.id, o.user_id, n, 'm' || n, 'a meal', 1, 100 FROM orders o, generate_series(1, 3) n`)
	exec(t, from, `UPDATE shard_fence SET version = 1, open = true`)
	exec(t, f.admin, `SELECT pg_stat_statements_reset()`)
	scans := func(db *sql.DB) int {
		exec(t, db, `SELECT pg_stat_force_next_flush()`)
		return count(t, db, `SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('users', 'orders', 'order_lines', 'shard_marks')`)
	}
	// One session on each server, so that its counts can be read.
	from.SetMaxOpenConns(1)
	to.SetMaxOpenConns(1)
	before := [2]int{scans(from), scans(to)}
	for _, pass := range []string{"first copy", "copy once more"} {
		begun := time.Now()
		for after := bytebites.UserID(""); ; {
			page, err := shard.Users(f.ctx, from, after, batch)
			must(t, err)
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1]
			must(t, shard.MarkAll(f.ctx, from, 1, page))
			must(t, copyAll(f.ctx, from, to, page))
		}
		elapsed := time.Since(begun)
		rows := count(t, to, `SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_lines)`)
		if rows != users*(1+10+30) {
			t.Errorf("%s: %d rows arrived, want %d", pass, rows, users*41)
		}
		t.Logf("%s: %d rows in %v: %.0f rows a second, %v a batch of %d subscribers",
			pass, rows, elapsed.Round(time.Millisecond), float64(rows)/elapsed.Seconds(), (elapsed / (users / batch)).Round(time.Millisecond), batch)
	}
	// The count above reads every row once a pass. The first few batches of small tables are read
	// page by page.
	for i, db := range []*sql.DB{from, to} {
		if read := scans(db) - before[i]; read > 3*users*41 {
			t.Errorf("server %d: %d rows were read without an index, of %d in all", i, read, users*41)
		}
	}
	rows, err := from.QueryContext(f.ctx, `
SELECT query, query ~ 'user_id' FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid
WHERE toplevel AND d.datname LIKE 'server\_%' AND query ~ '\m(users|addresses|carts|cart_lines|orders|order_lines|order_effects|payment_events|ratings|supplier_ledger|weeks|shard_marks)\M'
  AND query !~ 'count\('`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	named := 0
	for rows.Next() {
		var query string
		var names bool
		must(t, rows.Scan(&query, &names))
		if names {
			named++
		} else {
			t.Errorf("a statement does not name the subscriber: %.300s", query)
		}
	}
	must(t, rows.Err())
	if named < 7 { // users, marks, read, outdated, delete, insert, copied
		t.Errorf("saw %d statements that name the subscriber, want 7 or more", named)
	}
}
