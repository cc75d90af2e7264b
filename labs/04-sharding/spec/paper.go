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
	paperRead     = "read rows"        // or any other statement
	paperCompare  = "compare versions" // by shard.Outdated
	paperReplace  = "replace rows"
	paperNote     = "note the copy"
	paperUncopied = "find uncopied"
	// paperOutside follows a mark or a change that is in no transaction.
	paperOutside = " outside a transaction"
)

// errPaper is the answer of a paperShard to each statement on rows.
var errPaper = errors.New("a shard on paper has no rows")

// paperEvent is one event on a server. tx is the number of its transaction, or 0.
type paperEvent struct {
	server shard.Server
	tx     int
	what   string
}

// paperJournal has the events of all servers of a service, in order.
type paperJournal struct {
	mu     sync.Mutex
	events []paperEvent
	last   int // number of a transaction
}

func (j *paperJournal) record(e paperEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// begin returns the number of a new transaction.
func (j *paperJournal) begin() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	return j.last
}

// recorded returns the events so far.
func (j *paperJournal) recorded() []paperEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// paperShard is a server of user data without rows. It has a fence, and records what it is asked.
type paperShard struct {
	number   shard.Server
	journal  *paperJournal
	onCommit func()
	copies   bool                                                        // it takes copies: paperUser has a mark and no rows
	uncopied func(after string, limit int64) ([]bytebites.UserID, error) // answers shard.Uncopied

	mu      sync.Mutex
	version int64             // at which the fence is open
	reads   []context.Context // of the statements on rows
}

func (p *paperShard) record(tx int, what string) {
	p.journal.record(paperEvent{p.number, tx, what})
}

// recorded returns the server's events so far.
func (p *paperShard) recorded() []string {
	var events []string
	for _, e := range p.journal.recorded() {
		if e.server == p.number {
			events = append(events, e.what)
		}
	}
	return events
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

type paperConn struct {
	shard *paperShard
	tx    int // number of the open transaction, or 0
}

func (c *paperConn) Prepare(string) (driver.Stmt, error) { return nil, errPaper }

func (c *paperConn) Close() error { return nil }

func (c *paperConn) Begin() (driver.Tx, error) { //nolint:unparam // an interface
	c.tx = c.shard.journal.begin()
	c.shard.record(c.tx, paperBegin)
	return paperTx{c}, nil
}

func (c *paperConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c.Begin() }

type paperTx struct{ conn *paperConn }

func (tx paperTx) Commit() error {
	tx.end(paperCommit)
	if onCommit := tx.conn.shard.onCommit; onCommit != nil {
		onCommit()
	}
	return nil
}

func (tx paperTx) Rollback() error {
	tx.end(paperRollback)
	return nil
}

func (tx paperTx) end(how string) {
	tx.conn.shard.record(tx.conn.tx, how)
	tx.conn.tx = 0
}

// QueryContext answers for the fence. It answers for marks and copies if the server has such.
func (c *paperConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	var version int64
	switch _, err := fmt.Sscanf(query, "SELECT shard_pass(%d)", &version); {
	case err == nil:
		c.shard.record(c.tx, fmt.Sprintf("%s at %d", paperPass, version))
		c.shard.mu.Lock()
		defer c.shard.mu.Unlock()
		return rowsOf(version == c.shard.version), nil
	case c.shard.uncopied != nil && strings.Contains(query, "copied < version"):
		c.shard.record(c.tx, paperUncopied)
		return c.findUncopied(args)
	case !c.shard.copies:
		c.shard.read(ctx, c.tx)
		return nil, errPaper
	case strings.Contains(query, "INSERT INTO shard_marks"):
		c.shard.record(c.tx, paperCompare)
		return rowsOf(string(paperUser)), nil
	}
	c.shard.read(ctx, c.tx)
	return &paperRows{columns: 4, rows: [][]driver.Value{{string(paperUser), int64(1), int64(0), nil}}}, nil
}

func (c *paperConn) findUncopied(args []driver.NamedValue) (driver.Rows, error) {
	if len(args) != 2 {
		return nil, errPaper
	}
	after, isText := args[0].Value.(string)
	limit, isNumber := args[1].Value.(int64)
	if !isText || !isNumber {
		return nil, errPaper
	}
	users, err := c.shard.uncopied(after, limit)
	found := &paperRows{columns: 1}
	for _, user := range users {
		found.rows = append(found.rows, []driver.Value{string(user)})
	}
	return found, err
}

func (p *paperShard) read(ctx context.Context, tx int) {
	p.record(tx, paperRead)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads = append(p.reads, ctx)
}

// ExecContext takes marks and changes, and copies if the server takes copies.
func (c *paperConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	where := ""
	if c.tx == 0 {
		where = paperOutside
	}
	switch {
	case query == paperChange:
		c.shard.record(c.tx, paperChange+where)
	case strings.Contains(query, "INSERT INTO shard_marks"):
		c.shard.record(c.tx, paperMark+where)
	case c.shard.copies && strings.Contains(query, "UPDATE shard_marks"):
		c.shard.record(c.tx, paperNote)
	case c.shard.copies:
		c.shard.record(c.tx, paperReplace)
	default:
		c.shard.read(ctx, c.tx)
		return nil, errPaper
	}
	return driver.RowsAffected(1), nil
}

// paperRows is the rows of an answer.
type paperRows struct {
	columns int
	rows    [][]driver.Value
}

// rowsOf returns one row with one value.
func rowsOf(value any) *paperRows { return &paperRows{columns: 1, rows: [][]driver.Value{{value}}} }

func (r *paperRows) Columns() []string { return make([]string, r.columns) }

func (r *paperRows) Close() error { return nil }

func (r *paperRows) Next(row []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(row, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// paperMaps is a replica's view of a map that changes from one reading to the next.
type paperMaps struct {
	onRefresh func(n int) // is called with the number of the reading

	mu        sync.Mutex
	maps      []shard.Map // the first is known; each reading goes on to the next, up to the last
	refreshed int         // number of readings
}

func (p *paperMaps) Current() (shard.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.maps[0], nil
}

func (p *paperMaps) Refresh(ctx context.Context) (shard.Map, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshed++
	if p.onRefresh != nil {
		p.onRefresh(p.refreshed)
	}
	if err := ctx.Err(); err != nil {
		return shard.Map{}, fmt.Errorf("read map: %w", err) // as shard.Maps
	}
	if len(p.maps) > 1 {
		p.maps = p.maps[1:]
	}
	return p.maps[0], nil
}

// readings returns how often the map was read again.
func (p *paperMaps) readings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshed
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
	journal *paperJournal
	maps    *paperMaps
	servers []shardstore.Server
	metrics *prometheus.Registry
	log     *logbook
	access  shardstore.Access
}

// onPaper returns the subject's stores over that many servers on paper. close ends them.
func (l *trial) onPaper(servers int, maps ...shard.Map) (s *paperService, closed func(), err error) {
	s = &paperService{metrics: prometheus.NewRegistry(), log: &logbook{}, journal: &paperJournal{}, maps: &paperMaps{maps: maps}}
	for number := range servers {
		p := &paperShard{number: shard.Server(number), journal: s.journal}
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
		Maps: s.maps, Servers: s.servers, Dark: dark, Meter: meter, Logger: logger,
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
