package testbed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	postgresUser     = "bytebites"
	postgresDatabase = "bytebites"
	// postgresReady is long because the first start of an empty server runs initdb.
	postgresReady = 60 * time.Second
)

// PostgresOptions describe a PostgreSQL server.
type PostgresOptions struct {
	Name string // "postgres" when empty
	// Type is the size of the machine; the zero Type has no CPU quota and 2 GiB. The
	// CPU quota is set after the warm-up, because at a tenth of a core the warm-up would
	// take minutes.
	Type instance.Type
	// Dataset is the data in the database; nil for an empty database.
	Dataset *seed.Size
	// Share is the data of a server that has a part of a data set. It replaces Dataset.
	Share *seed.Share
	// Args are more settings, such as "work_mem=16MB". They override the bed's own.
	Args []string
}

// Postgres is a PostgreSQL server with durability on and pg_stat_statements installed.
type Postgres struct {
	*Server
	login login
}

type login struct{ user, password, database string }

// Postgres starts a PostgreSQL server, warms it up and then sets the CPU quota of its type.
func (b *Bed) Postgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Name == "" {
		o.Name = "postgres"
	}
	sp := spec{
		kind:        "postgres",
		name:        o.Name,
		cmd:         postgresCommand(o.Type, o.Args),
		ports:       []int{PostgresPort},
		typ:         o.Type,
		quotaLater:  true,
		caps:        rootThenUserCaps(),
		shmBytes:    256 << 20, // parallel queries share more than the 64 MB default
		stopTimeout: 20 * time.Second,
	}
	dataset := ""
	if o.Share != nil {
		dataset = o.Share.Key()
	} else if o.Dataset != nil {
		dataset = fmt.Sprintf("%+v", *o.Dataset)
	}
	options := fmt.Sprintf("postgres %s %q", dataset, sp.cmd)
	if parked, err := takeOver[Postgres](ctx, b, o.Name, options, o.Type); err != nil || parked != nil {
		return parked, err
	}
	p := &Postgres{login: login{user: postgresUser, password: b.secrets.databasePassword, database: postgresDatabase}}
	var err error
	if o.Dataset != nil || o.Share != nil {
		sp.image, p.login, err = b.datasetImage(ctx, o)
	} else {
		sp.image, err = b.image(ctx, images.Postgres)
		sp.env = map[string]string{
			"POSTGRES_USER":     p.login.user,
			"POSTGRES_PASSWORD": p.login.password,
			"POSTGRES_DB":       p.login.database,
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	sp.ready = readiness{within: postgresReady, attempt: func(ctx context.Context, s *Server) error {
		return ping(ctx, p.login.url(s.Address(PostgresPort)))
	}}
	if p.Server, err = b.create(ctx, sp); err != nil {
		return nil, err
	}
	if err := p.WarmUp(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	if b.reuse {
		if err := p.keepCopy(ctx); err != nil {
			return nil, fmt.Errorf("start %s: %w", o.Name, err)
		}
	}
	if o.Type.CPU > 0 {
		if err := p.Resize(ctx, o.Type); err != nil {
			return nil, err
		}
	}
	b.offer(&reusable{server: p.Server, value: p, options: options, restore: p.restoreCopy})
	return p, nil
}

// postgresCommand returns the command with the settings that the workshop measures with.
// It sets durability, although that is PostgreSQL's default, because an image may turn it
// off.
func postgresCommand(t instance.Type, args []string) []string {
	memory := t.MemoryMiB
	if memory == 0 {
		memory = unlimitedMemoryMiB
	}
	settings := []string{
		"fsync=on",
		"synchronous_commit=on",
		"full_page_writes=on",
		"shared_preload_libraries=pg_stat_statements",
		fmt.Sprintf("shared_buffers=%dMB", memory/4),
		fmt.Sprintf("effective_cache_size=%dMB", memory*3/4),
	}
	command := []string{"postgres"}
	for _, s := range append(settings, args...) {
		command = append(command, "-c", s)
	}
	return command
}

// URL is the database's address for this process.
func (p *Postgres) URL() string { return p.login.url(p.Address(PostgresPort)) }

// InternalURL is the database's address for servers on the bed.
func (p *Postgres) InternalURL() string { return p.login.url(p.InternalAddress(PostgresPort)) }

// URLVia is the database's address for servers on the bed that use a slow link to it.
func (p *Postgres) URLVia(link *SlowLink) string { return p.login.url(link.InternalAddress()) }

func (l login) url(address string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(l.user, l.password),
		Host:     address,
		Path:     "/" + l.database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// The databases beside the server's own: that of the server's administration, and the copy of
// the first state. See CREATE DATABASE in PostgreSQL's manual: a file copy suits large databases.
const (
	adminDatabase = "postgres"
	copyDatabase  = "bytebites_first_state"
)

// keepCopy copies the database, so that restoreCopy can bring this state back.
func (p *Postgres) keepCopy(ctx context.Context) error {
	return p.administer(ctx, "keep a copy",
		fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy`, pq.QuoteIdentifier(copyDatabase), pq.QuoteIdentifier(p.login.database)))
}

// restoreCopy replaces the database by the copy that keepCopy made. It ends all connections to it.
func (p *Postgres) restoreCopy(ctx context.Context) error {
	database := pq.QuoteIdentifier(p.login.database)
	return p.administer(ctx, "restore the copy",
		fmt.Sprintf(`DROP DATABASE IF EXISTS %s WITH (FORCE)`, database),
		fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy`, database, pq.QuoteIdentifier(copyDatabase)))
}

func (p *Postgres) administer(ctx context.Context, what string, statements ...string) error {
	admin := p.login
	admin.database = adminDatabase
	return withDatabase(admin.url(p.Address(PostgresPort)), func(db *sql.DB) error {
		for _, statement := range statements {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %.40s: %w", what, statement, err)
			}
		}
		return nil
	})
}

func ping(ctx context.Context, databaseURL string) error {
	return withDatabase(databaseURL, func(db *sql.DB) error { return db.PingContext(ctx) })
}

func withDatabase(databaseURL string, use func(*sql.DB) error) (err error) {
	db, err := pgconn.Open(databaseURL)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	return use(db)
}

// warmUp reads every table and index once. PostgreSQL opens a table's file for writing
// even to read it. The first such open copies the file from the image to the container's
// layer. That copy must not happen while a quota is in force or a load is measured.
var warmUp = [...]string{
	`CREATE EXTENSION IF NOT EXISTS pg_stat_statements`,
	`CREATE EXTENSION IF NOT EXISTS pg_prewarm`,
	`SELECT sum(pg_prewarm(oid::regclass, 'buffer'))
	   FROM (SELECT oid FROM pg_class
	          WHERE relkind IN ('r', 'i', 't', 'm') AND relpersistence = 'p'
	          ORDER BY relkind DESC, relname) AS relation`,
	`DROP EXTENSION pg_prewarm`,
	`CHECKPOINT`,
	`SELECT pg_stat_statements_reset()`,
	// A session publishes its counts up to a second later, or when it ends. Without the flush
	// the counts of this warm-up would arrive after the reset.
	`SELECT pg_stat_force_next_flush()`,
	`SELECT pg_stat_reset()`,
}

// WarmUp reads every table and index once, writes a checkpoint, empties pg_stat_statements and
// resets the counts of tables and pages, so that every measurement starts from the same state.
// The counts then hold neither the making of the data nor the warm-up.
func (p *Postgres) WarmUp(ctx context.Context) error {
	err := withDatabase(p.URL(), func(db *sql.DB) (err error) {
		session, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, session.Close()) }()
		for _, statement := range warmUp {
			if _, err := session.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%.40s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("warm up %s: %w", p.Name(), err)
	}
	return nil
}
