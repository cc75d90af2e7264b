package spec

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// What a paperShard records.
const (
	paperBegin    = "begin"
	paperCommit   = "commit"
	paperRollback = "rollback"
	paperPass     = "pass the fence" // with the version
	paperMark     = "mark"
	paperChange   = "change"
	paperRead     = "read rows" // or any other statement
)

// errPaper is the answer of a paperShard to each statement on rows.
var errPaper = errors.New("a shard on paper has no rows")

// paperShard is a server of user data without rows. It has a fence, and records what it is asked.
type paperShard struct {
	onCommit func()

	mu      sync.Mutex
	version int64 // at which the fence is open
	events  []string
	reads   []context.Context // of the statements on rows
}

func (p *paperShard) record(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, fmt.Sprintf(format, args...))
}

// recorded returns the events so far.
func (p *paperShard) recorded() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// readings returns the contexts of the statements on rows so far.
func (p *paperShard) readings() []context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.reads)
}

// Connect and Driver make it a driver.Connector.
func (p *paperShard) Connect(context.Context) (driver.Conn, error) { return &paperConn{shard: p}, nil }

func (p *paperShard) Driver() driver.Driver { return nil }

type paperConn struct{ shard *paperShard }

func (c *paperConn) Prepare(string) (driver.Stmt, error) { return nil, errPaper }

func (c *paperConn) Close() error { return nil }

func (c *paperConn) Begin() (driver.Tx, error) { //nolint:unparam // an interface
	c.shard.record(paperBegin)
	return paperTx{c.shard}, nil
}

func (c *paperConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c.Begin() }

type paperTx struct{ shard *paperShard }

func (tx paperTx) Commit() error {
	tx.shard.record(paperCommit)
	if tx.shard.onCommit != nil {
		tx.shard.onCommit()
	}
	return nil
}

func (tx paperTx) Rollback() error {
	tx.shard.record(paperRollback)
	return nil
}

// QueryContext answers for the fence, and for nothing else.
func (c *paperConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	var version int64
	if _, err := fmt.Sscanf(query, "SELECT shard_pass(%d)", &version); err != nil {
		c.shard.read(ctx)
		return nil, errPaper
	}
	c.shard.record("%s at %d", paperPass, version)
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return &paperRow{value: version == c.shard.version}, nil
}

func (p *paperShard) read(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events, p.reads = append(p.events, paperRead), append(p.reads, ctx)
}

// ExecContext takes marks and changes.
func (c *paperConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	switch {
	case query == paperChange:
		c.shard.record(paperChange)
	case strings.Contains(query, "INSERT INTO shard_marks"):
		c.shard.record(paperMark)
	default:
		c.shard.read(ctx)
		return nil, errPaper
	}
	return driver.RowsAffected(1), nil
}

// paperRow is the one row of an answer.
type paperRow struct {
	value any
	done  bool
}

func (r *paperRow) Columns() []string { return []string{"value"} }

func (r *paperRow) Close() error { return nil }

func (r *paperRow) Next(row []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done, row[0] = true, r.value
	return nil
}

// paperMaps is a replica's view of a map that changes from one reading to the next.
type paperMaps struct {
	mu   sync.Mutex
	maps []shard.Map // the first is known; each reading goes on to the next, up to the last
}

func (p *paperMaps) Current() (shard.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.maps[0], nil
}

func (p *paperMaps) Refresh(context.Context) (shard.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.maps) > 1 {
		p.maps = p.maps[1:]
	}
	return p.maps[0], nil
}

// paperCarts tells a change, or a question, on which server it is.
type paperCarts struct {
	bytebites.Carts

	server shard.Server
}

// serverOf returns the number of the server whose stores these are.
func serverOf(at service.UserData) shard.Server {
	carts, ok := at.Carts.(paperCarts)
	if !ok {
		return -1
	}
	return carts.server
}

// paperService is the subject's stores over servers on paper.
type paperService struct {
	shards  []*paperShard
	servers []shardstore.Server
	metrics *prometheus.Registry
	log     *logbook
	access  shardstore.Access
}

// onPaper returns the subject's stores over that many servers on paper. close ends them.
func (l *trial) onPaper(servers int, maps ...shard.Map) (s *paperService, closed func(), err error) {
	s = &paperService{metrics: prometheus.NewRegistry(), log: &logbook{}}
	for number := range servers {
		p := &paperShard{}
		s.shards = append(s.shards, p)
		s.servers = append(s.servers, shardstore.Server{
			DB: sql.OpenDB(p), Stores: service.UserData{Carts: paperCarts{server: shard.Server(number)}},
		})
	}
	meter, err := shardstore.NewMeter(s.metrics)
	if err != nil {
		return nil, nil, err
	}
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	dark := shardstore.NewDarkReads(s.servers, func(bool) {}, meter, logger)
	s.access = l.subject.Stores(shardstore.Parts{
		Maps: &paperMaps{maps: maps}, Servers: s.servers, Dark: dark, Meter: meter, Logger: logger,
	})
	return s, func() {
		_ = dark.Close() // no dark read was begun
		for _, server := range s.servers {
			_ = server.DB.Close() // nothing is open on paper
		}
	}, nil
}

// change is a shardstore.Change that the server records, in the transaction of ctx if there is one.
func (s *paperService) change(ctx context.Context, at service.UserData) error {
	_, err := postgres.Join(ctx, s.servers[serverOf(at)].DB).ExecContext(ctx, paperChange)
	return err
}

// counter returns the value of a counter.
func (s *paperService) counter(name string) (float64, error) { return counterOf(s.metrics, name) }
