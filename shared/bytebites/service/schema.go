package service

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Database names the database that a schema change is for.
type Database int

// The databases of the service.
const (
	UserDataDatabase Database = iota
	CatalogueDatabase
)

// SchemaChange is SQL that a lab adds to the schema. It runs at every start of every replica, so it
// must change nothing the second time (IF NOT EXISTS). It is sent to the server in one piece,
// outside a transaction. So a single statement such as CREATE INDEX CONCURRENTLY works.
type SchemaChange struct {
	Name     string
	Database Database
	SQL      string
}

const (
	// schemaLock is the key of the advisory lock for schema changes. The number is arbitrary;
	// nothing else in the database uses it.
	schemaLock = 0x62797465
	// schemaTimeout bounds one change, including the wait for changes of other replicas. An index
	// on a large table takes long on a small machine.
	schemaTimeout = 5 * time.Minute
	schemaPoll    = 100 * time.Millisecond
	// schemaConnections is enough for a migration and the lock that it holds.
	schemaConnections = 2
)

// applySchemaChanges makes the changes one by one. Replicas that start at the same time take turns.
func applySchemaChanges(ctx context.Context, r Resources, changes []SchemaChange) error {
	for _, change := range changes {
		db := r.UserData
		if change.Database == CatalogueDatabase {
			db = r.Catalogue
		}
		err := r.ForSchema(ctx, db, func(ctx context.Context, db *sql.DB) error { return applySchemaChange(ctx, db, change, r.Logger) })
		if err != nil {
			return err
		}
	}
	return nil
}

// ForSchema calls work with connections to the server of db, which is one of the service's own, for
// changes of its schema. The connections of requests give up a statement after a second or ten; an
// index on a large table takes longer. Work has schemaTimeout for each wait for the server.
//
// A server that does not answer db is an error at once.
func (r Resources) ForSchema(ctx context.Context, db *sql.DB, work func(ctx context.Context, db *sql.DB) error) (err error) {
	url := r.urlOf(db)
	if url == "" { // a test's own database
		return work(ctx, db)
	}
	if err := db.PingContext(ctx); err != nil {
		return postgres.Wrap(ctx, "reach server for a change of its schema", err)
	}
	patient, err := postgres.OpenLater(url, postgres.PoolConfig{MaxOpen: schemaConnections, MaxIdle: schemaConnections, Silence: schemaTimeout, NoStatementTimeout: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, patient.Close()) }()
	return work(ctx, patient)
}

// urlOf returns the URL of one of the service's databases; empty for another.
func (r Resources) urlOf(db *sql.DB) string {
	switch i := slices.Index(r.Shards, db); {
	case db == r.Catalogue:
		return r.Config.CatalogueURL
	case db == r.UserData:
		return r.Config.UserDataURL
	case i >= 0 && i < len(r.Config.ShardURLs):
		return r.Config.ShardURLs[i]
	}
	return ""
}

// PrepareUserData gives a server of user data its schema: the migrations and then the composition's
// changes. It changes nothing the second time, and concurrent calls are safe. At start the service
// calls it for UserData, and for every shard that answers.
func (r Resources) PrepareUserData(ctx context.Context, db *sql.DB) error {
	return r.ForSchema(ctx, db, r.prepareUserData)
}

func (r Resources) prepareUserData(ctx context.Context, db *sql.DB) error {
	if err := postgres.MigrateUserData(ctx, db); err != nil {
		return fmt.Errorf("migrate user data: %w", err)
	}
	for _, change := range r.changes {
		if change.Database != UserDataDatabase {
			continue
		}
		if err := applySchemaChange(ctx, db, change, r.Logger); err != nil {
			return err
		}
	}
	return nil
}

// applySchemaChange makes one change and logs how long it took.
func applySchemaChange(ctx context.Context, db *sql.DB, change SchemaChange, logger *slog.Logger) error {
	start := time.Now()
	if err := changeSchema(ctx, db, change); err != nil {
		return fmt.Errorf("schema change %s: %w", change.Name, err)
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "schema change applied",
		slog.String("change", change.Name), slog.Duration("elapsed", time.Since(start)))
	return nil
}

func changeSchema(ctx context.Context, db *sql.DB, change SchemaChange) (err error) {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// Do not return the connection to the pool. Closing it ends the lock and the settings, even
		// if the change failed half-way.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	if _, err := conn.ExecContext(ctx, "SET statement_timeout = 0"); err != nil {
		return err
	}
	if err := lockSchema(ctx, conn); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, change.SQL)
	return err
}

// lockSchema polls for the lock. A replica that waits inside pg_advisory_lock holds a snapshot.
// CREATE INDEX CONCURRENTLY waits for all older snapshots to end, so the two would deadlock.
func lockSchema(ctx context.Context, conn *sql.Conn) error {
	for {
		var locked bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", schemaLock).Scan(&locked); err != nil {
			return fmt.Errorf("lock schema: %w", err)
		}
		if locked {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock schema: %w", context.Cause(ctx))
		case <-time.After(schemaPoll):
		}
	}
}
