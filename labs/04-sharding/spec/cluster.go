package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// subjectConnections bounds the subject's connections to each server, as the service does.
	subjectConnections = 3
	// settlesWithin is how long a check waits for an effect that may come after an answer, such as
	// a copy in the background or a map that a replica has to read.
	settlesWithin = 5 * time.Second
	// emptyWithin bounds the emptying of databases after a check.
	emptyWithin = 20 * time.Second
	// lookPause is the pause between two looks at a database.
	lookPause = 5 * time.Millisecond
)

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

// emptyControl and emptyServer undo what checks and subjects do to a database. Triggers go first, because
// they would answer the statements that follow.
const (
	dropTriggers = `DO $do$
DECLARE trigger_function text;
BEGIN
    FOR trigger_function IN SELECT oid::regprocedure FROM pg_proc
        WHERE prorettype = 'trigger'::regtype AND pronamespace = 'public'::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || trigger_function || ' CASCADE';
    END LOOP;
END $do$;
`
	emptyControl = dropTriggers + `DROP TABLE IF EXISTS shard_map, shard_dark_reads, recorded CASCADE`
	emptyServer  = dropTriggers + `DROP TABLE IF EXISTS recorded;
TRUNCATE shard_marks, shard_left, users CASCADE;
UPDATE shard_fence SET version = 0, open = false, turn = 0`
)

// end closes all pools and empties the databases for the next check. One that is not as new then is not
// used again; it ends with the server.
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
		statement, empty, free := emptyServer, s.emptyServer, &s.freeServers
		if i == 0 {
			statement, empty, free = emptyControl, "", &s.freeControls
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			continue
		}
		if is, err := contents(ctx, db); err == nil && is == empty {
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

// between returns an assignment that spreads the buckets over servers by turns.
func between(servers ...shard.Server) (all shard.Assignment) {
	for b := range all {
		all[b] = servers[b%len(servers)]
	}
	return all
}
