package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// templateDatabase is copied for each server of user data of a cluster.
	templateDatabase = "userdata"
	// checkName is the application_name of the checks' own connections.
	checkName = "check"
)

// oneServer is a PostgreSQL server on which checks create databases. A database stands for a
// server of user data, because locks and fences are local to a database. The subject's code runs
// in this process, so these checks start no replica.
type oneServer struct {
	bed   *testbed.Bed
	url   string
	admin *sql.DB
	// emptyServer is the contents of a server's database that is as new.
	emptyServer string

	mu                        sync.Mutex
	named                     int             // how many names were given to databases
	made                      map[string]bool // the databases that are there
	freeControls, freeServers []string        // empty, and used by no check
}

// startDatabases starts the server and makes the template.
func (l *trial) startDatabases(ctx context.Context, run *lab.Run) (end func() error, err error) {
	s := &oneServer{made: make(map[string]bool)}
	end = func() error { return s.close() }
	if run.Series != nil {
		if kept, ok := run.Series.Take(databases).(*oneServer); ok {
			l.databases, s = kept, kept
		}
		end = func() error { return keepOrClose(run, s) }
		if l.databases != nil {
			return end, nil
		}
	}
	ofBed := ctx
	if run.Series != nil {
		ofBed = context.WithoutCancel(ctx) // the bed outlives this run; the end of the series closes it
	}
	if s.bed, err = testbed.Start(ofBed, testbed.Options{}); err != nil {
		return end, err
	}
	// Nothing here outlives the run, so no commit needs to wait for the disk.
	server, err := s.bed.Postgres(ctx, testbed.PostgresOptions{Name: "databases", Args: []string{"fsync=off", "max_connections=300"}})
	if err != nil {
		return end, err
	}
	s.url = server.URL()
	if s.admin, err = postgres.Open(ctx, s.url+"&statement_timeout=0&application_name="+checkName, postgres.PoolConfig{MaxOpen: 4, MaxIdle: 4}); err != nil {
		return end, err
	}
	l.databases = s
	return end, s.makeTemplate(ctx)
}

// keepOrClose keeps the server for the next run of a series, or closes one that did not start.
func keepOrClose(run *lab.Run, s *oneServer) error {
	if s.admin == nil {
		return s.close()
	}
	run.Series.Keep(databases, s, s.close)
	return nil
}

func (s *oneServer) close() error {
	var failures []error
	if s.admin != nil {
		failures = append(failures, s.admin.Close())
	}
	if s.bed != nil {
		failures = append(failures, s.bed.Close())
	}
	return errors.Join(failures...)
}

func (s *oneServer) makeTemplate(ctx context.Context) (err error) {
	if _, err := s.admin.ExecContext(ctx, `CREATE DATABASE `+templateDatabase); err != nil {
		return fmt.Errorf("create template: %w", err)
	}
	db, err := s.open(ctx, templateDatabase, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // a template must have no connections
	if err := postgres.MigrateUserData(ctx, db); err != nil {
		return err
	}
	// The index of lab 00: histories and copies read by it.
	if _, err := db.ExecContext(ctx, `CREATE INDEX orders_user_placed_at ON orders (user_id, placed_at DESC)`); err != nil {
		return fmt.Errorf("create index: %w", err)
	}
	if err := shard.Prepare(ctx, db); err != nil {
		return err
	}
	s.emptyServer, err = contents(ctx, db)
	return err
}

// contents lists what is in a database, one item on each line. The items are its functions, triggers,
// columns, indexes, and the number of rows of each table. A database without any has an empty list.
func contents(ctx context.Context, db *sql.DB) (string, error) {
	var list string
	err := db.QueryRowContext(ctx, `
WITH tables AS (SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)
SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '') FROM (
    SELECT format('function %s', oid::regprocedure) AS line FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT format('column %s.%s %s', relname, attname, format_type(atttypid, atttypmod)) FROM pg_attribute JOIN tables ON attrelid = tables.oid
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT format('%s rows in %s', (xpath('/row/count/text()', query_to_xml(format('SELECT count(*) FROM %I', relname), false, true, '')))[1], relname)
    FROM tables) AS lines`).Scan(&list)
	if err != nil {
		return "", fmt.Errorf("list contents: %w", err)
	}
	return list, nil
}

// open opens a pool to a database.
func (s *oneServer) open(ctx context.Context, database string, connections int) (*sql.DB, error) {
	return s.openAs(ctx, "subject", database, connections)
}

func (s *oneServer) openAs(ctx context.Context, application, database string, connections int) (*sql.DB, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return nil, fmt.Errorf("parse url: %w", err)
	}
	u.Path = "/" + database
	query := u.Query()
	query.Set("application_name", application)
	if application == checkName { // a slow machine is no reason to fail
		query.Set("statement_timeout", "0")
	}
	u.RawQuery = query.Encode()
	return postgres.Open(ctx, u.String(), postgres.PoolConfig{MaxOpen: connections, MaxIdle: connections})
}

// take returns names of databases that no check uses: those of earlier checks first. A database
// takes long to create on a busy machine, and a moment to empty.
func (s *oneServer) take(servers int) (control string, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := func(free *[]string, kind string) string {
		if n := len(*free); n > 0 {
			name := (*free)[n-1]
			*free = (*free)[:n-1]
			return name
		}
		s.named++
		return fmt.Sprintf("%s_%d", kind, s.named)
	}
	for range servers {
		names = append(names, next(&s.freeServers, "server"))
	}
	return next(&s.freeControls, "control"), names
}

// make creates a database unless it is there already.
func (s *oneServer) make(ctx context.Context, name string, control bool) error {
	s.mu.Lock()
	there := s.made[name]
	s.mu.Unlock()
	if there {
		return nil
	}
	create := `CREATE DATABASE ` + name
	if !control {
		create += ` TEMPLATE ` + templateDatabase
	}
	if _, err := s.admin.ExecContext(ctx, create); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[name] = true
	return nil
}
