package spec

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// desk is an empty PostgreSQL server for the checks of the subject's store.
type desk struct {
	bed    *testbed.Bed
	server *testbed.Postgres
	pool   *sql.DB
}

// startDesk starts the server, or takes over that of the run before in a series. Each check has a
// database of its own there, so nothing of one run reaches the next.
func (l *trial) startDesk(ctx context.Context, run *lab.Run) (end func() error, err error) {
	const name = "lab 02 database"
	d, kept := taken[*desk](run, name)
	if !kept {
		d = &desk{}
		if d.bed, err = testbed.Start(lifetime(ctx, run), testbed.Options{}); err != nil {
			return nil, err
		}
	}
	l.desk = d
	end = func() error { return keepOrClose(run, name, d, d.close) }
	if kept {
		return end, nil
	}
	if d.server, err = d.bed.Postgres(ctx, testbed.PostgresOptions{}); err != nil {
		return d.close, err
	}
	d.pool, err = postgres.Open(ctx, d.server.URL(), postgres.PoolConfig{MaxOpen: checkPool, MaxIdle: checkPool})
	if err != nil {
		return d.close, err
	}
	return end, nil
}

func (d *desk) close() error {
	var err error
	if d.pool != nil {
		err = d.pool.Close()
	}
	return errors.Join(err, d.bed.Close())
}

// shelf is a database of its own for checks of the subject's store, with the subject's tables.
type shelf struct {
	subject Subject
	admin   *sql.DB // of the server
	name    string
	url     string
	db      *sql.DB // for the check's own questions
	opened  []*sql.DB
}

// openShelf creates the database and applies the subject's schema.
func (l *trial) openShelf(ctx context.Context) (*shelf, error) {
	s := &shelf{subject: l.subject, admin: l.desk.pool, name: "sessions_" + strings.ToLower(rand.Text()[:10])}
	at, err := url.Parse(l.desk.server.URL())
	if err != nil {
		return nil, errors.New("database of the stores: the server has no URL")
	}
	at.Path = "/" + s.name
	s.url = at.String()
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+s.name); err != nil {
		return nil, fmt.Errorf("create database %s: %w", s.name, err)
	}
	if s.db, err = postgres.Open(ctx, s.url, postgres.PoolConfig{MaxOpen: checkPool, MaxIdle: checkPool}); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.applySchema(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// checkPool is the number of connections for a check's own questions.
const checkPool = 2

// close removes the database, with connections that the subject keeps.
func (s *shelf) close(ctx context.Context) error {
	var errs []error
	for _, db := range append(s.opened, s.db) {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	_, err := s.admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+s.name+" WITH (FORCE)")
	return errors.Join(append(errs, err)...)
}

// applySchema does what every start of a replica does.
func (s *shelf) applySchema(ctx context.Context) error {
	c := service.Baseline()
	s.subject.Apply(&c)
	for _, change := range c.SchemaChanges {
		if _, err := s.db.ExecContext(ctx, change.SQL); err != nil {
			return &lab.Failure{
				Expected: "sessions.sql to run at every start of a replica", Seen: err.Error(), Waited: lab.Late(err),
				Look: lab.Look{File: "sessions.go", Func: "NewSessions", Hint: "sessions.sql must change nothing the second time"},
			}
		}
	}
	return nil
}

// open returns a store as a new replica builds it, over a database whose clock is ahead by shift.
func (s *shelf) open(shift time.Duration) (bytebites.Sessions, error) {
	db, err := openShifted(s.url, shift, storeConnections)
	if err != nil {
		return nil, err
	}
	s.opened = append(s.opened, db)
	c := service.Baseline()
	s.subject.Apply(&c)
	return c.Sessions(service.Resources{Catalogue: db})
}

// use runs a check with a shelf.
func (l *trial) use(ctx context.Context, check func(context.Context, *shelf) error) (err error) {
	s, err := l.openShelf(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	return check(ctx, s)
}
