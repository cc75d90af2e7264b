package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// scratchDatabase is where index.sql is tried. It has few rows, so that a statement that
	// destroys rows destroys no others, and each try takes milliseconds.
	scratchDatabase = "scratch"
	filledDatabase  = "scratch_filled" // the template of scratchDatabase
	scratchUsers    = 200
	scratchOrders   = 1000
	// applyTimeout bounds one run of index.sql there.
	applyTimeout = 30 * time.Second
	// lockTimeout bounds the wait for a lock. In the scratch database only the check's own
	// reader holds one.
	lockTimeout = "2s"
	// lockNotAvailable is PostgreSQL's code for the end of lock_timeout.
	lockNotAvailable = "55P03"
)

// scratchSize is the data of the scratch database.
func scratchSize() seed.Size {
	return seed.Size{Users: scratchUsers, Meals: seed.Small().Meals, Orders: scratchOrders}
}

// harmless runs index.sql in a scratch database three times, as three starts of the service do,
// and compares the contents before and after each run.
func (l *trial) harmless(ctx context.Context, _ *lab.Run) (err error) {
	text, err := fs.ReadFile(l.subject.Files, "index.sql")
	if err != nil {
		return fmt.Errorf("read index.sql: %w", err)
	}
	db, remove, err := l.scratch(ctx)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return err
	}
	found, err := surveyOf(ctx, db)
	if err != nil {
		return err
	}
	for table, rows := range found.rows {
		if strings.HasPrefix(rows, "0 ") {
			return fmt.Errorf("scratch database: table %s has no rows, so nothing shows whether index.sql changes them", table)
		}
	}
	if err := apply(ctx, db, string(text), nil); err != nil {
		return fmt.Errorf("at the first start: %w", err)
	}
	first, err := surveyOf(ctx, db)
	if err != nil {
		return err
	}
	if err := onlyAnIndex(found, first); err != nil {
		return fmt.Errorf("at the first start: %w", err)
	}
	if err := fits(ctx, db); err != nil {
		return err
	}
	if err := apply(ctx, db, string(text), nil); err != nil {
		return fmt.Errorf("at the second start: %w", err)
	}
	second, err := surveyOf(ctx, db)
	if err != nil {
		return err
	}
	if err := nothing(first, second); err != nil {
		return fmt.Errorf("at the second start: %w", err)
	}
	return besideAReader(ctx, db, string(text))
}

// fits demands that two orders of one moment fit into the index. Their values are as large as the
// tables take them. It keeps none.
func fits(ctx context.Context, db *sql.DB) error {
	const longest = 64 // an Idempotency-Key, in bytes
	order, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("place orders: %w", err)
	}
	defer order.Rollback() //nolint:errcheck // it keeps nothing
	for _, letter := range []string{"y", "z"} {
		name := strings.Repeat(letter, longest)
		_, err := order.ExecContext(ctx, `
INSERT INTO orders (id, user_id, idempotency_key, total_cents, status, placed_at) VALUES ($1, $2, $1, $3, 'placed', '2100-01-01')`,
			name, string(seed.User(1)), int64(math.MaxInt64))
		var refused *pq.Error
		switch {
		case errors.As(err, &refused):
			return &lab.Failure{
				Expected: "an index that every order fits into", Seen: fmt.Sprintf("an order is refused: %q (SQLSTATE %s)", refused.Message, refused.Code),
				Look: lab.Look{File: "index.sql", Hint: "index the columns themselves, and no expression that fails for some order"},
			}
		case err != nil:
			return fmt.Errorf("place orders: %w", err)
		}
	}
	return nil
}

// besideAReader runs index.sql while a transaction that has read all tables is open.
func besideAReader(ctx context.Context, db *sql.DB, text string) error {
	tables, err := pairs(ctx, db, tablesQuery)
	if err != nil {
		return err
	}
	reader, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer reader.Rollback() //nolint:errcheck // it only reads
	for _, table := range tables {
		if _, err := reader.ExecContext(ctx, "SELECT count(*) FROM "+table); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	if err := apply(ctx, db, text, []string{"SET lock_timeout = '" + lockTimeout + "'"}); err != nil {
		return fmt.Errorf("at a start while all tables are read: %w", err)
	}
	return nil
}

// scratch makes the scratch database, as a copy of one that a series of runs fills once. Remove
// is never nil.
func (l *trial) scratch(ctx context.Context) (db *sql.DB, remove func() error, err error) {
	remove = func() error { return nil }
	if err := l.fillScratch(ctx); err != nil {
		return nil, remove, err
	}
	// An earlier run may have left settings of the role.
	const drop, reset = "DROP DATABASE IF EXISTS " + scratchDatabase + " WITH (FORCE)", "ALTER ROLE CURRENT_USER RESET ALL"
	if err := l.administer(ctx, reset, drop, "CREATE DATABASE "+scratchDatabase+" TEMPLATE "+filledDatabase); err != nil {
		return nil, remove, err
	}
	remove = func() error { return l.administer(context.WithoutCancel(ctx), drop, reset) }
	if db, err = l.openScratch(ctx, scratchDatabase); err != nil {
		return nil, remove, err
	}
	dropped := remove
	return db, func() error { return errors.Join(db.Close(), dropped()) }, nil
}

// fillScratch makes the database that scratch copies, unless an earlier run of the series did.
func (l *trial) fillScratch(ctx context.Context) error {
	var filled bool
	err := l.servers.Pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", filledDatabase).Scan(&filled)
	if err != nil || filled {
		return err
	}
	// Under another name until it is whole: a run that is cut short must not leave half of it.
	const half = filledDatabase + "_half"
	if err := l.administer(ctx, "DROP DATABASE IF EXISTS "+half+" WITH (FORCE)", "CREATE DATABASE "+half); err != nil {
		return err
	}
	address, err := l.scratchURL(half)
	if err != nil {
		return err
	}
	if err := l.servers.AtFullSpeed(ctx, func() error { return seed.Fill(ctx, address, scratchSize()) }); err != nil {
		return err
	}
	db, err := l.openScratch(ctx, half)
	if err != nil {
		return err
	}
	if err := errors.Join(fillTheRest(ctx, db), db.Close()); err != nil {
		return err
	}
	return l.administer(ctx, "ALTER DATABASE "+half+" RENAME TO "+filledDatabase)
}

// administer runs statements that make and remove databases.
func (l *trial) administer(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := l.servers.Pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("scratch database: %w", err)
		}
	}
	return nil
}

func (l *trial) scratchURL(database string) (string, error) {
	address, err := url.Parse(l.servers.DB.URL())
	if err != nil {
		return "", errors.New("scratch database: malformed URL") // the parser's error quotes the password
	}
	address.Path = "/" + database
	return address.String(), nil
}

func (l *trial) openScratch(ctx context.Context, database string) (*sql.DB, error) {
	address, err := l.scratchURL(database)
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, address, postgres.PoolConfig{MaxOpen: 3, MaxIdle: 3})
}

// fillTheRest puts a row into every table that the seed leaves empty.
func fillTheRest(ctx context.Context, db *sql.DB) error {
	user := seed.User(1)
	for _, statement := range []string{
		`INSERT INTO orders (id, user_id, idempotency_key, total_cents, status) VALUES ('ord_1', $1, 'k', 100, 'paid')`,
		`INSERT INTO order_lines (order_id, user_id, position, meal_id, name, quantity, price_cents) VALUES ('ord_1', $1, 1, 'm0001', 'soup', 1, 100)`,
		`INSERT INTO order_effects (order_id, user_id, effect) VALUES ('ord_1', $1, 'confirmation_email')`,
		`INSERT INTO payment_events (event_id, user_id, order_id, amount_cents, succeeded) VALUES ('e1', $1, 'ord_1', 100, true)`,
		`INSERT INTO supplier_ledger (order_id, user_id, supplier, ingredient, grams) VALUES ('ord_1', $1, 'farm', 'carrots', 500)`,
		`INSERT INTO weeks (user_id, meals, planned_at) VALUES ($1, '{m0001}', now())`,
		`INSERT INTO reservations (order_id, user_id, state, settled_at) VALUES ('ord_1', $1, 'confirmed', now())`,
	} {
		if _, err := db.ExecContext(ctx, statement, string(user)); err != nil {
			return fmt.Errorf("fill scratch database: %.40s: %w", statement, err)
		}
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO reservation_lines (order_id, meal_id, quantity) VALUES ('ord_1', 'm0001', 1)`); err != nil {
		return fmt.Errorf("fill scratch database: %w", err)
	}
	return nil
}

// apply runs index.sql as the service does: in one piece, on a connection of its own, after some
// settings.
func apply(ctx context.Context, db *sql.DB, text string, settings []string) error {
	bounded, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	conn, err := db.Conn(bounded)
	if err != nil {
		return fmt.Errorf("apply index.sql: %w", err)
	}
	defer conn.Close() //nolint:errcheck // what matters is the statement's error
	for _, setting := range append([]string{"DISCARD ALL", "SET statement_timeout = 0"}, settings...) {
		if _, err := conn.ExecContext(bounded, setting); err != nil {
			return fmt.Errorf("apply index.sql: %w", err)
		}
	}
	_, err = conn.ExecContext(bounded, text)
	var refused *pq.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return &lab.Failure{
			Expected: fmt.Sprintf("index.sql to end within %s on %d orders", applyTimeout, scratchOrders), Seen: "it went on",
			Look: lab.Look{File: "index.sql", Hint: "write one statement that creates the index"},
		}
	case errors.As(err, &refused) && string(refused.Code) == lockNotAvailable:
		return &lab.Failure{
			Expected: "no reader to be shut out when the service starts again", Seen: "index.sql waited for a reader to end",
			Look: lab.Look{File: "index.sql", Hint: "write CREATE INDEX IF NOT EXISTS and nothing else: DROP, ALTER and REINDEX lock readers out"},
		}
	case errors.As(err, &refused):
		return &lab.Failure{
			Expected: "a statement that PostgreSQL accepts", Seen: fmt.Sprintf("%q (SQLSTATE %s)", refused.Message, refused.Code),
			Look: lab.Look{File: "index.sql", Hint: refusedHint(string(refused.Code))},
		}
	default:
		return fmt.Errorf("apply index.sql: %w", err)
	}
}

// refusedHint says what usually causes an error of PostgreSQL.
func refusedHint(code string) string {
	switch code {
	case "25001": // active_sql_transaction
		return "PostgreSQL runs several statements of one file in one transaction, so write this one alone"
	case "42P07": // duplicate_table: an index of that name is there
		return "the service runs this file each time it starts: add IF NOT EXISTS"
	default:
		return "try it: go tool workshop up baseline; go tool workshop shell postgres"
	}
}

// survey describes the contents of a database.
type survey struct {
	objects map[string]string // definitions by kind and name
	system  map[string]string // checksum of the rows of system tables, by name
	rows    map[string]string // count and checksum of the rows, by table
	places  map[string]string // checksum of where the rows are, by table
	files   map[string]string // of tables and indexes, by name: a rebuild changes them
	indexes []string          // the objects that are indexes
	unique  []string          // those that refuse equal rows
}

// objectsQuery lists all that a statement can define or set in a database: kind and name, and
// the definition.
const objectsQuery = `
WITH mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'i' THEN 'index ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'relation ' END || c.relname,
       concat_ws(' ', c.relkind, c.relpersistence, c.reloptions, c.reltablespace, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relowner, c.relacl,
                 pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident,
                 (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid AND x.indisclustered))
FROM pg_class c JOIN mine ON mine.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
UNION ALL
SELECT 'column ' || c.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
       a.attstattarget, a.attoptions, a.attstorage, a.attcompression, a.attidentity, a.attgenerated, a.attcollation, a.attacl)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' JOIN mine ON mine.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint ' || k.conname || ' of ' || k.conrelid::regclass, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN mine ON mine.oid = k.connamespace
UNION ALL
SELECT 'trigger ' || t.tgname || ' of ' || t.tgrelid::regclass, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM pg_trigger t
UNION ALL
SELECT 'rule ' || r.rulename || ' of ' || r.ev_class::regclass, pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN mine ON mine.oid = c.relnamespace
UNION ALL
SELECT 'function ' || p.oid::regprocedure, md5(p.prosrc) FROM pg_proc p JOIN mine ON mine.oid = p.pronamespace
UNION ALL
SELECT 'next of sequence ' || sequencename, concat(last_value) FROM pg_sequences
UNION ALL
SELECT 'schema ' || nspname, '' FROM mine
UNION ALL
SELECT 'extension ' || extname, extversion FROM pg_extension
UNION ALL
SELECT 'setting of database ' || coalesce(d.datname, 'any') || ' and role ' || coalesce(r.rolname, 'any'), array_to_string(s.setconfig, ', ')
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole`

// systemTablesQuery lists the system tables that are compared as a whole: objectsQuery does not know of
// comments, grants, types or publications. It leaves out those that a new index changes, and those with
// statistics and ages, which PostgreSQL itself changes at any time.
const systemTablesQuery = `
SELECT c.relname, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'pg_catalog' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT') AND c.relname NOT IN (
      'pg_class', 'pg_attribute', 'pg_index', 'pg_depend', 'pg_shdepend',
      'pg_statistic', 'pg_statistic_ext_data', 'pg_database')`

const filesQuery = `
SELECT c.relname, pg_relation_filenode(c.oid)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'i', 'm')`

const tablesQuery = `
SELECT c.relname, c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind = 'r'`

const uniqueQuery = `SELECT c.relname, '' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique OR i.indisexclusion`

func surveyOf(ctx context.Context, db *sql.DB) (survey, error) {
	var s survey
	var err error
	if s.objects, err = pairs(ctx, db, objectsQuery); err != nil {
		return s, err
	}
	if s.system, err = systemTables(ctx, db); err != nil {
		return s, err
	}
	if s.files, err = pairs(ctx, db, filesQuery); err != nil {
		return s, err
	}
	unique, err := pairs(ctx, db, uniqueQuery)
	if err != nil {
		return s, err
	}
	s.unique = slices.Sorted(maps.Keys(unique))
	for object := range s.objects {
		if name, ok := strings.CutPrefix(object, "index "); ok {
			s.indexes = append(s.indexes, name)
		}
	}
	tables, err := pairs(ctx, db, tablesQuery)
	if err != nil {
		return s, err
	}
	s.rows, s.places = make(map[string]string), make(map[string]string)
	for name, table := range tables {
		var rows, places string
		err := db.QueryRowContext(ctx, `
SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0), coalesce(sum(hashtextextended(t.ctid::text, 0)::numeric), 0)::text
FROM `+table+` t`).Scan(&rows, &places)
		if err != nil {
			return s, fmt.Errorf("survey %s: %w", name, err)
		}
		s.rows[name], s.places[name] = rows, places
	}
	return s, nil
}

// systemTables returns a checksum of each system table.
func systemTables(ctx context.Context, db *sql.DB) (map[string]string, error) {
	tables, err := pairs(ctx, db, systemTablesQuery)
	if err != nil {
		return nil, err
	}
	var sums []string
	for name, table := range tables {
		sums = append(sums, fmt.Sprintf("SELECT '%s', coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM %s t", name, table))
	}
	return pairs(ctx, db, strings.Join(sums, " UNION ALL "))
}

// sameSystem compares the system tables. It comes last, because its message tells little.
func sameSystem(before, after survey) error {
	for _, table := range slices.Sorted(maps.Keys(before.system)) {
		if after.system[table] != before.system[table] {
			return &lab.Failure{
				Expected: "nothing to be defined, granted or noted beside the index", Seen: "the rows of the system table " + table + " changed",
				Look: lab.Look{File: "index.sql", Hint: "write one statement that creates the index and nothing else"},
			}
		}
	}
	return nil
}

// pairs returns the rows of a query with two text columns.
func pairs(ctx context.Context, db *sql.DB, query string) (all map[string]string, err error) {
	all = make(map[string]string)
	err = postgres.Each(ctx, db, query, nil, func(scan func(...any) error) error {
		var key, value string
		if err := scan(&key, &value); err != nil {
			return err
		}
		all[key] = value
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("survey database: %w", err)
	}
	return all, nil
}

// onlyAnIndex demands that nothing but a new index has come.
func onlyAnIndex(before, after survey) error {
	if err := sameRows(before, after); err != nil {
		return err
	}
	for _, object := range slices.Sorted(maps.Keys(before.objects)) {
		now, there := after.objects[object]
		seen := object + " is gone"
		if there {
			seen = object + " changed"
		}
		if now != before.objects[object] || !there {
			return &lab.Failure{
				Expected: "every other table, index and setting to stay as it is", Seen: seen,
				Look: lab.Look{File: "index.sql", Hint: "write one statement that creates the index and nothing else"},
			}
		}
	}
	var come []string
	for _, object := range slices.Sorted(maps.Keys(after.objects)) {
		if _, there := before.objects[object]; !there {
			come = append(come, object)
		}
	}
	switch {
	case len(come) > 1 || len(come) == 1 && !strings.HasPrefix(come[0], "index "):
		return &lab.Failure{
			Expected: "one new index and nothing else: each order pays for every index", Seen: "new: " + first(come),
			Look: lab.Look{File: "index.sql", Hint: "write one statement that creates the index and nothing else"},
		}
	case len(come) == 1 && slices.Contains(after.unique, strings.TrimPrefix(come[0], "index ")):
		return &lab.Failure{
			Expected: "an index that every order fits into", Seen: "a unique index: it refuses an order whose columns are equal to those of another",
			Look: lab.Look{File: "index.sql", Hint: "leave out UNIQUE: a subscriber may place two orders at one moment"},
		}
	}
	return sameSystem(before, after)
}

// first returns the first few of many names.
func first(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

func sameRows(before, after survey) error {
	for _, table := range slices.Sorted(maps.Keys(before.rows)) {
		if now, there := after.rows[table]; there && now != before.rows[table] {
			return &lab.Failure{
				Expected: "index.sql to change no row", Seen: "the rows of " + table + " changed",
				Look: lab.Look{File: "index.sql", Hint: "write one statement that creates the index and nothing else"},
			}
		}
	}
	return nil
}

// nothing demands that a further run of index.sql changes nothing.
func nothing(before, after survey) error {
	look := lab.Look{File: "index.sql", Hint: "the service runs this file each time it starts: add IF NOT EXISTS"}
	if err := sameRows(before, after); err != nil {
		return err
	}
	if more := len(after.indexes) - len(before.indexes); more > 0 {
		return &lab.Failure{Expected: "no more indexes than after the first start", Seen: fmt.Sprintf("%d more", more), Look: look}
	}
	for _, name := range slices.Sorted(maps.Keys(after.files)) {
		if file, there := before.files[name]; there && file != after.files[name] {
			return &lab.Failure{Expected: "no table or index to be built again at a further start", Seen: name + " was built again", Look: look}
		}
	}
	for _, table := range slices.Sorted(maps.Keys(before.places)) {
		if after.places[table] != before.places[table] {
			return &lab.Failure{Expected: "no row to be written again at a further start", Seen: "rows of " + table + " were", Look: look}
		}
	}
	if !maps.Equal(before.objects, after.objects) {
		return &lab.Failure{Expected: "a further start to change nothing", Seen: "other tables, indexes or settings", Look: look}
	}
	return sameSystem(before, after)
}
