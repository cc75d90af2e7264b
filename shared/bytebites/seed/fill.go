package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// sessions is the number of connections that load at once. The server's CPU is the bottleneck,
// so few are enough. With more than two, a machine of two cores stays busy at the end of a short
// table.
const sessions = 4

// Fill migrates an empty database to the latest schemas of catalogue and user data, and fills
// it. It creates keys and indexes after the rows, which is faster than before them. At the end
// all rows are frozen, analysed and written to disk. On a server that starts from a copy, the
// first reads then cost the same as later reads.
func Fill(ctx context.Context, databaseURL string, s Size) error {
	return fill(ctx, databaseURL, content{Size: s, catalogue: true, userData: true})
}

// content says which rows of a Size a database gets.
type content struct {
	Size
	catalogue, userData bool
	// here tells for each subscriber, by number - 1, whether the database has their data. Nil is all.
	here pq.BoolArray
}

// schemas returns the schemas of the tables. A catalogue server has empty tables of user data, because
// it is the old server of lab 04.
func (c content) schemas() []postgres.Schema {
	if !c.catalogue {
		return []postgres.Schema{postgres.UserDataSchema()}
	}
	return []postgres.Schema{postgres.CatalogueSchema(), postgres.UserDataSchema()}
}

func fill(ctx context.Context, databaseURL string, c content) error {
	if err := c.validate(); err != nil {
		return err
	}
	tuned, err := forLoading(databaseURL)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, tuned, postgres.PoolConfig{MaxOpen: sessions, MaxIdle: sessions})
	if err != nil {
		return fmt.Errorf("fill database: %w", err)
	}
	steps := []func(context.Context, *sql.DB, content) error{
		requireEmpty, createTables, fillMenu, fillCatalogue, fillUserData, createKeys, settle,
	}
	for _, step := range steps {
		if err := step(ctx, db, c); err != nil {
			return errors.Join(fmt.Errorf("fill database: %w", err), db.Close())
		}
	}
	return db.Close()
}

func (s Size) validate() error {
	if s.Meals < minMeals || s.Meals > MaxMeals {
		return fmt.Errorf("dataset of %d meals: want %d to %d", s.Meals, minMeals, MaxMeals)
	}
	if s.Users < 1 || s.Users > maxNumber || s.Orders < 1 || s.Orders > maxNumber {
		return fmt.Errorf("dataset of %d users and %d orders: want 1 to %d", s.Users, s.Orders, maxNumber)
	}
	return nil
}

// maxNumber is the largest number with the seven digits of an id.
const maxNumber = 9_999_999

// forLoading adds the settings of a bulk load to the URL.
func forLoading(databaseURL string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("database URL: malformed") // the parser's error quotes the password
	}
	query := u.Query()
	for name, value := range map[string]string{
		"application_name":     "bytebites-dataset",
		"statement_timeout":    "0",
		"synchronous_commit":   "off",
		"jit":                  "off",
		"work_mem":             "64MB",
		"maintenance_work_mem": "256MB",
	} {
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func requireEmpty(ctx context.Context, db *sql.DB, _ content) error {
	for _, schema := range []postgres.Schema{postgres.CatalogueSchema(), postgres.UserDataSchema()} {
		version, err := schema.Version(ctx, db)
		if err != nil {
			return err
		}
		if version != 0 {
			return errors.New("the database already has ByteBites tables: want an empty one")
		}
	}
	return nil
}

func createTables(ctx context.Context, db *sql.DB, c content) error {
	for _, schema := range c.schemas() {
		if err := schema.UpTo(ctx, db, postgres.TablesVersion); err != nil {
			return err
		}
	}
	return nil
}

func createKeys(ctx context.Context, db *sql.DB, c content) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return postgres.MigrateUserData(ctx, db) })
	if c.catalogue {
		group.Go(func() error { return postgres.MigrateCatalogue(ctx, db) })
	}
	return group.Wait()
}

// run executes one file of the seed.
func run(ctx context.Context, db *sql.DB, file string, args ...any) error {
	statement, err := seedFiles.ReadFile("sql/" + file)
	if err != nil {
		return fmt.Errorf("read seed: %w", err)
	}
	if _, err := db.ExecContext(ctx, string(statement), args...); err != nil {
		return fmt.Errorf("run %s: %w", file, err)
	}
	return nil
}

// fillMenu makes the tables of the schema "seed", from which the rows of all other tables follow.
func fillMenu(ctx context.Context, db *sql.DB, c content) error {
	if err := run(ctx, db, "01_recipes.sql"); err != nil {
		return err
	}
	if err := run(ctx, db, "02_menu.sql"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `DELETE FROM seed.menu WHERE n > $1`, c.Meals); err != nil {
		return fmt.Errorf("cut menu: %w", err)
	}
	if _, err := db.ExecContext(ctx, `ANALYZE seed.menu`); err != nil {
		return fmt.Errorf("analyse menu: %w", err)
	}
	return nil
}

func fillCatalogue(ctx context.Context, db *sql.DB, c content) error {
	if !c.catalogue {
		return nil
	}
	if err := run(ctx, db, "03_ingredients.sql"); err != nil {
		return err
	}
	if err := run(ctx, db, "04_meals.sql"); err != nil {
		return err
	}
	if err := run(ctx, db, "05_stock.sql", PlentyPortions, ScarceMeals, ScarcePortions); err != nil {
		return err
	}
	return run(ctx, db, "06_accounts.sql", c.Users, []byte(passwordHash))
}

func fillUserData(ctx context.Context, db *sql.DB, c content) error {
	if !c.userData {
		return nil
	}
	prices := make(pq.Int64Array, 0, c.Meals)
	if err := db.QueryRowContext(ctx, `SELECT array_agg(price ORDER BY n) FROM seed.menu`).Scan(&prices); err != nil {
		return fmt.Errorf("read prices: %w", err)
	}
	ranks := zipfRanks(c.Meals / 4)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sessions)
	const parts = 2 // of each of the two large tables
	for part := range parts {
		first, last := part*c.Orders/parts+1, (part+1)*c.Orders/parts
		group.Go(func() error {
			return run(ctx, db, "12_order_lines.sql", first, last, c.Users, ranks, c.here)
		})
		group.Go(func() error {
			return run(ctx, db, "11_orders.sql", first, last, c.Orders, c.Users, ranks, prices, c.here)
		})
	}
	group.Go(func() error { return run(ctx, db, "07_users.sql", c.Users, c.here) })
	group.Go(func() error { return run(ctx, db, "10_ratings.sql", c.Users, c.Meals, c.here) })
	group.Go(func() error { return run(ctx, db, "08_addresses.sql", c.Users, c.here) })
	group.Go(func() error { return run(ctx, db, "09_carts.sql", c.Users, c.Meals, c.here) })
	return group.Wait()
}

// settle brings the database into the state of a server that has run for a long time. Without it,
// autovacuum would run in the first minute of a server that starts from a copy, and disturb
// measurements.
func settle(ctx context.Context, db *sql.DB, _ content) error {
	const (
		// A vacuum cannot freeze the rows of an asynchronous commit that is not written to
		// the log yet, nor mark them as visible to all. A synchronous commit writes them.
		commitSynchronously = `SET synchronous_commit = on`
		// Statistics of earlier changes must not arrive after the vacuum, which resets them.
		flushStatistics = `SELECT pg_stat_force_next_flush()`
	)
	if err := inEverySession(ctx, db, commitSynchronously); err != nil {
		return err
	}
	for _, statement := range []string{`DROP SCHEMA seed CASCADE`, `CREATE EXTENSION IF NOT EXISTS pg_stat_statements`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if err := inEverySession(ctx, db, flushStatistics); err != nil {
		return err
	}
	list, err := seedFiles.ReadFile("sql/13_settle.sql")
	if err != nil {
		return fmt.Errorf("read seed: %w", err)
	}
	var tables pq.StringArray
	if err := db.QueryRowContext(ctx, string(list)).Scan(&tables); err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	if err := awaitOldSnapshots(ctx, db); err != nil {
		return err
	}
	group, vacuumCtx := errgroup.WithContext(ctx)
	group.SetLimit(sessions)
	for _, table := range tables {
		group.Go(func() error { return vacuum(vacuumCtx, db, table) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := inEverySession(ctx, db, flushStatistics); err != nil {
		return err
	}
	if err := vacuum(ctx, db, "pg_statistic"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CHECKPOINT`); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// snapshotPoll is the time between two looks at the open snapshots.
const snapshotPoll = 100 * time.Millisecond

// awaitOldSnapshots waits until every snapshot that is older than the last row has ended. An
// analysis by autovacuum that began while the rows were written holds one. A vacuum beside it
// cannot freeze those rows, nor mark them as visible to all.
func awaitOldSnapshots(ctx context.Context, db *sql.DB) error {
	var now time.Time
	if err := db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return fmt.Errorf("read the time: %w", err)
	}
	for {
		var old int
		err := db.QueryRowContext(ctx, `
			SELECT count(*) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_xmin IS NOT NULL AND xact_start < $1`, now).Scan(&old)
		if err != nil {
			return fmt.Errorf("wait for old snapshots: %w", err)
		}
		if old == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for old snapshots: %w", context.Cause(ctx))
		case <-time.After(snapshotPoll):
		}
	}
}

// vacuum also freezes the rows, so that the first reader does not have to write hint bits.
func vacuum(ctx context.Context, db *sql.DB, table string) error {
	if _, err := db.ExecContext(ctx, `VACUUM (FREEZE, ANALYZE) `+table); err != nil {
		return fmt.Errorf("vacuum %s: %w", table, err)
	}
	return nil
}

// inEverySession runs statements in every session of the pool.
func inEverySession(ctx context.Context, db *sql.DB, statements ...string) (err error) {
	var all []*sql.Conn
	defer func() {
		for _, session := range all {
			err = errors.Join(err, session.Close())
		}
	}()
	for range sessions {
		session, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("open session: %w", err)
		}
		all = append(all, session)
		for _, statement := range statements {
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
	}
	return nil
}
