package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/lib/pq"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// templateDatabase is copied for each server of user data of a cluster.
	templateDatabase = "userdata"
	// subjectConnections bounds the subject's connections to each server, as the service does.
	subjectConnections = 3
	// endsWithin is how long a check waits for a call of the subject that has to end. It is several
	// times the longest limit that the lesson states, 3 seconds.
	endsWithin = 12 * time.Second
	// settlesWithin is how long a check waits for an effect that may come after an answer, such as
	// a copy in the background or a map that a replica has to read.
	settlesWithin = 5 * time.Second
	// emptyWithin bounds the emptying of databases after a check.
	emptyWithin = 20 * time.Second
	// checkName is the application_name of the checks' own connections.
	checkName = "check"
	// lookPause is the pause between two looks at a database.
	lookPause = 5 * time.Millisecond
)

// oneServer is a PostgreSQL server on which checks create databases. A database stands for a
// server of user data, because locks and fences are local to a database. The subject's code runs
// in this process, so these checks start no replica.
type oneServer struct {
	bed   *testbed.Bed
	url   string
	admin *sql.DB

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
	return shard.Prepare(ctx, db)
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

// cluster is a control database and servers of user data, with pools for the check and other pools
// for the subject.
type cluster struct {
	subject Subject
	control *sql.DB
	servers []*sql.DB // by number; shard.Old has everybody at first
	theirs  pools     // the subject's
	users   []bytebites.UserID
	names   []string // of the databases: the control database, then the servers by number
}

// pools are the connections of one process of the service.
type pools struct {
	control *sql.DB
	servers []*sql.DB // by number
}

// newCluster creates a cluster with shard.Old and so many shards. The subscribers are on shard.Old;
// each has a profile, a cart, a rating and an order.
func (l *trial) newCluster(ctx context.Context, shards, users int) (_ *cluster, end func(), err error) {
	s, c := l.databases, &cluster{subject: l.subject}
	control, servers := s.take(1 + shards)
	c.names = append([]string{control}, servers...)
	all, theirs := make([]*sql.DB, len(c.names)), make([]*sql.DB, len(c.names))
	group, opening := errgroup.WithContext(ctx)
	for i, name := range c.names {
		group.Go(func() (err error) {
			if err := s.make(opening, name, i == 0); err != nil {
				return err
			}
			if all[i], err = s.openAs(opening, checkName, name, 2*subjectConnections); err != nil {
				return err
			}
			theirs[i], err = s.open(opening, name, subjectConnections)
			return err
		})
	}
	err = group.Wait()
	c.control, c.servers = all[0], all[1:]
	c.theirs = pools{control: theirs[0], servers: theirs[1:]}
	if err == nil {
		err = c.populate(ctx, users)
	}
	return c, func() { c.end(ctx, s) }, err
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

// emptyControl and emptyServer undo all that checks and subjects do to a database.
const (
	emptyControl = `DROP TABLE IF EXISTS shard_map, shard_dark_reads, recorded CASCADE; DROP FUNCTION IF EXISTS record() CASCADE`
	emptyServer  = `TRUNCATE shard_marks, shard_left, users CASCADE;
UPDATE shard_fence SET version = 0, open = false, turn = 0;
DROP FUNCTION IF EXISTS record() CASCADE; DROP FUNCTION IF EXISTS refuse() CASCADE; DROP FUNCTION IF EXISTS spoil() CASCADE;
DROP FUNCTION IF EXISTS dawdle() CASCADE; DROP FUNCTION IF EXISTS strand() CASCADE;
DROP TABLE IF EXISTS recorded`
)

// end closes all pools and empties the databases for the next check. One that cannot be emptied is
// not used again; it ends with the server.
func (c *cluster) end(ctx context.Context, s *oneServer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), emptyWithin)
	defer cancel()
	closeAll(slices.Concat([]*sql.DB{c.theirs.control}, c.theirs.servers))
	// Code of the subject may still run, with connections of its own.
	_, err := s.admin.ExecContext(ctx,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY ($1) AND application_name <> $2`, pq.StringArray(c.names), checkName)
	for i, db := range slices.Concat([]*sql.DB{c.control}, c.servers) {
		if db == nil || err != nil {
			continue
		}
		statement, free := emptyServer, &s.freeServers
		if i == 0 {
			statement, free = emptyControl, &s.freeControls
		}
		if _, err := db.ExecContext(ctx, statement); err == nil {
			s.mu.Lock()
			*free = append(*free, c.names[i])
			s.mu.Unlock()
		}
	}
	closeAll(slices.Concat([]*sql.DB{c.control}, c.servers))
}

func closeAll(pools []*sql.DB) {
	for _, db := range pools {
		if db != nil {
			_ = db.Close()
		}
	}
}

// quantityBefore is the number of portions in each cart, and in each order, of a new cluster.
const quantityBefore = 1

// populate adds subscribers u0000001 and so on to shard.Old.
func (c *cluster) populate(ctx context.Context, users int) error {
	ids := make(pq.StringArray, users)
	for i := range ids {
		ids[i] = string(seed.User(1 + i))
		c.users = append(c.users, bytebites.UserID(ids[i]))
	}
	return c.join(ctx, shard.Old, ids)
}

// join adds subscribers to a server, as they sign up and order for the first time.
func (c *cluster) join(ctx context.Context, server shard.Server, ids pq.StringArray) error {
	for _, insert := range []string{
		`INSERT INTO users (user_id, name, email) SELECT id, 'Somebody', id || '@bytebites.example' FROM unnest($1::text[]) AS id`,
		`INSERT INTO carts (user_id) SELECT unnest($1::text[])`,
		`INSERT INTO cart_lines (user_id, meal_id, quantity) SELECT id, 'm0001', 1 FROM unnest($1::text[]) AS id`,
		`INSERT INTO ratings (user_id, meal_id, stars) SELECT id, 'm0001', 4 FROM unnest($1::text[]) AS id`,
		`INSERT INTO orders (id, user_id, total_cents, status) SELECT 'seed-' || id, id, 100, 'placed' FROM unnest($1::text[]) AS id`,
		`INSERT INTO order_lines (order_id, user_id, position, meal_id, name, quantity, price_cents)
		 SELECT 'seed-' || id, id, 1, 'm0001', 'Soup', 1, 100 FROM unnest($1::text[]) AS id`,
	} {
		if _, err := c.servers[server].ExecContext(ctx, insert, ids); err != nil {
			return fmt.Errorf("%.40s: %w", insert, err)
		}
	}
	return nil
}

// place returns the place of a subscriber by the lesson's table.
func (c *cluster) place(m shard.Map, user bytebites.UserID) shard.Place {
	b := c.subject.Router.Bucket(user)
	if !m.Moves(b) {
		return shard.Place{Home: m.Source[b], Mirror: m.Source[b]}
	}
	return placeOf(m.Phase, m.NewFrom != "" && user >= m.NewFrom, m.Source[b], m.Target[b])
}

// arrange publishes a map, with all subscribers on the servers that the map says: rows and marks
// are as the phase's mover and writers would have left them.
func (c *cluster) arrange(ctx context.Context, m shard.Map) (err error) {
	mover, err := c.mover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mover.Close()) }()
	return mover.Switch(ctx,
		func(ctx context.Context) error { return c.spread(ctx, m) },
		func(context.Context) (shard.Map, error) { return m, nil })
}

// mover returns a mover of the check's own.
func (c *cluster) mover(ctx context.Context) (*shard.Mover, error) {
	m, err := shard.NewMover(ctx, c.control, c.servers, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("start the workshop's mover: %w", err)
	}
	return m, nil
}

// spread copies everybody from shard.Old to their home and mirror.
func (c *cluster) spread(ctx context.Context, m shard.Map) error {
	on := make(map[shard.Server][]bytebites.UserID)
	var mirrored []bytebites.UserID
	for _, user := range c.users {
		place := c.place(m, user)
		on[place.Home] = append(on[place.Home], user)
		if place.Mirrored() {
			on[place.Mirror] = append(on[place.Mirror], user)
			mirrored = append(mirrored, user)
		}
	}
	marked := make(pq.StringArray, len(mirrored))
	for i, user := range mirrored {
		marked[i] = string(user)
	}
	for server, users := range on {
		if server != shard.Old {
			read, err := shard.Read(ctx, c.servers[shard.Old], users)
			if err == nil {
				err = shard.Replace(ctx, c.servers[server], read)
			}
			if err != nil {
				return err
			}
		}
		_, err := c.servers[server].ExecContext(ctx, `
INSERT INTO shard_marks (user_id, version, copied) SELECT user_id, 1, 1 FROM users WHERE user_id = ANY ($1)
ON CONFLICT (user_id) DO UPDATE SET version = 1, copied = 1`, marked)
		if err != nil {
			return fmt.Errorf("mark on server %d: %w", server, err)
		}
	}
	return nil
}

// cart returns the portions in a subscriber's cart on a server; 0 without a cart there.
func (c *cluster) cart(ctx context.Context, server shard.Server, user bytebites.UserID) (int, error) {
	var portions int
	err := c.servers[server].QueryRowContext(ctx, `SELECT coalesce(sum(quantity), 0) FROM cart_lines WHERE user_id = $1`, string(user)).Scan(&portions)
	if err != nil {
		return 0, fmt.Errorf("read cart on server %d: %w", server, err)
	}
	return portions, nil
}

// cartsOn returns the portions in a subscriber's cart on each server.
func (c *cluster) cartsOn(ctx context.Context, user bytebites.UserID) ([]int, error) {
	portions := make([]int, len(c.servers))
	for server := range c.servers {
		var err error
		if portions[server], err = c.cart(ctx, shard.Server(server), user); err != nil {
			return nil, err
		}
	}
	return portions, nil
}

// awaitCart waits until a server has a cart, and returns the last that it had.
func (c *cluster) awaitCart(ctx context.Context, server shard.Server, user bytebites.UserID, want int) (int, error) {
	for deadline := time.Now().Add(settlesWithin); ; {
		is, err := c.cart(ctx, server, user)
		if err != nil || is == want || time.Now().After(deadline) {
			return is, err
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return is, err
		}
	}
}

// standing returns a subscriber's mark on a server.
func (c *cluster) standing(ctx context.Context, server shard.Server, user bytebites.UserID) (shard.Standing, error) {
	return shard.StandingOf(ctx, c.servers[server], user)
}

// exec runs statements on a server.
func (c *cluster) exec(ctx context.Context, server shard.Server, statements ...string) error {
	return runAll(ctx, c.servers[server], statements)
}

// refuse makes every change of a table on a server fail, until allow.
func (c *cluster) refuse(ctx context.Context, server shard.Server, table string) error {
	return c.exec(ctx, server,
		`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused by the check''; END'`,
		`CREATE TRIGGER refused BEFORE INSERT OR UPDATE OR DELETE ON `+table+` FOR EACH STATEMENT EXECUTE FUNCTION refuse()`)
}

func (c *cluster) allow(ctx context.Context, server shard.Server, table string) error {
	return c.exec(ctx, server, `DROP TRIGGER refused ON `+table)
}

// hold takes all connections of a pool, so that the server behind it seems to hang: a statement
// waits for a connection until its context ends. release gives them back.
func hold(ctx context.Context, pool *sql.DB) (release func(), err error) {
	var held []*sql.Conn
	release = func() {
		for _, conn := range held {
			_ = conn.Close()
		}
		held = nil
	}
	for range subjectConnections {
		conn, err := pool.Conn(ctx)
		if err != nil {
			release()
			return nil, fmt.Errorf("hold connections: %w", err)
		}
		held = append(held, conn)
	}
	return release, nil
}

// awaitWaiting waits until one more statement than before waits for a connection of a held pool.
func awaitWaiting(ctx context.Context, pool *sql.DB, before int64) (bool, error) {
	for deadline := time.Now().Add(settlesWithin); pool.Stats().WaitCount <= before; {
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return false, err
		}
	}
	return true, nil
}

// replica is the subject's stores, as one replica of the service has them.
type replica struct {
	stores  service.UserData
	metrics *prometheus.Registry
	log     *logbook
	closers []func() error
}

// lookStores says where stores are mended that do not open.
func lookStores() lab.Look {
	return lab.Look{File: "stores.go", Func: "Open", Hint: "which part of the service does Apply replace?"}
}

// open opens the subject's stores. The caller closes them.
func (c *cluster) open() (*replica, error) {
	r := &replica{metrics: prometheus.NewRegistry(), log: &logbook{}}
	resources := c.resources(r)
	err := guarded(lookStores(), func() error {
		composition := c.composition()
		stores, err := composition.UserData(resources, postgres.NewCatalogue(c.theirs.control))
		if err != nil {
			return &lab.Failure{Expected: "stores of user data", Seen: err.Error(), Look: lookStores()}
		}
		r.stores = stores
		return nil
	})
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// composition returns the service with the subject's part.
func (c *cluster) composition() service.Composition {
	composition := service.Baseline()
	c.subject.Apply(&composition)
	return composition
}

func (c *cluster) resources(r *replica) service.Resources {
	return service.Resources{
		Config:    service.Config{Instance: "check"},
		Catalogue: c.theirs.control, UserData: c.theirs.servers[0], Shards: c.theirs.servers[1:],
		Metrics: r.metrics, Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		OnClose: func(close func() error) { r.closers = append(r.closers, close) },
	}
}

func (r *replica) close() {
	for _, end := range slices.Backward(r.closers) {
		_ = end() // what is lost on the way is no part of the check
	}
	r.closers = nil
}

// counter returns the value of a counter.
func (r *replica) counter(name string) (float64, error) {
	families, err := r.metrics.Gather()
	if err != nil {
		return 0, fmt.Errorf("gather metrics: %w", err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum, nil
}

// setCart puts so many portions of one meal into a cart.
func (r *replica) setCart(ctx context.Context, user bytebites.UserID, portions int) error {
	return r.stores.Carts.SetCart(ctx, user, []bytebites.Line{{Meal: "m0001", Quantity: portions}})
}

// portions reads a cart.
func (r *replica) portions(ctx context.Context, user bytebites.UserID) (int, error) {
	lines, err := r.stores.Carts.Cart(ctx, user)
	sum := 0
	for _, line := range lines {
		sum += line.Quantity
	}
	return sum, err
}

// outcome of a call of the subject: see ends.
type ended struct {
	err  error
	took time.Duration
}

// begin calls code of the subject in the background. A panic is a failure.
func begin(look lab.Look, call func() error) <-chan ended {
	done, began := make(chan ended, 1), time.Now()
	go func() {
		err := guarded(look, call)
		done <- ended{err, time.Since(began)}
	}()
	return done
}

// ends waits for a call that begin began. A call that does not end within the limit is a failure.
func ends(ctx context.Context, done <-chan ended, what string, look lab.Look) (ended, error) {
	select {
	case e := <-done:
		var panicked *lab.Failure
		if errors.As(e.err, &panicked) {
			return e, e.err
		}
		return e, nil
	case <-ctx.Done():
		return ended{}, context.Cause(ctx)
	case <-time.After(endsWithin):
		return ended{}, &lab.Failure{Expected: what + " to end", Seen: fmt.Sprintf("it still runs after %s", endsWithin), Look: look}
	}
}

// between returns an assignment that spreads the buckets over servers by turns.
func between(servers ...shard.Server) (all shard.Assignment) {
	for b := range all {
		all[b] = servers[b%len(servers)]
	}
	return all
}
