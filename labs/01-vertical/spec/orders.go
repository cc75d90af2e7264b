package spec

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// ordersAtOnce is the number of subscribers that order at the same time.
	ordersAtOnce = 4
	// slowMail is how long the mail server takes for each message meanwhile: far longer
	// than all other work of an order.
	slowMail = 1500 * time.Millisecond
	// seeWithin bounds the wait for all orders to arrive at the mail server.
	seeWithin = time.Second
	// readsAtOnce is the number of reads that are sent meanwhile, and readTimeout their
	// time limit.
	readsAtOnce = 10
	readTimeout = 800 * time.Millisecond
	// burst is the number of reads that are sent at once where connections are counted. They
	// are counted when no connection was opened for burstSettling, but after burstLimit at the
	// latest.
	burst         = 150
	burstSettling = time.Second
	burstLooks    = 50 * time.Millisecond
	burstLimit    = 10 * time.Second
	burstTimeout  = 20 * time.Second
)

// slowSeen holds the observations while the mail server was slow.
type slowSeen struct {
	failed            error // of an order
	atMailServerSeen  int   // that waited when the database was looked at
	idleInTransaction int   // connections
	stored            int   // orders in the database
	readsFailed       int
}

// order places an order of one meal.
func order(ctx context.Context, c *contract.Client, key string) error {
	lines := map[string]any{"lines": []map[string]any{{"meal_id": c.Meals[0], "quantity": 1}}}
	answer, err := c.Post(ctx, "/orders", lines, contract.Header("Idempotency-Key", key))
	if err != nil {
		return err
	}
	return answer.Want(http.StatusCreated, http.StatusOK)
}

// seeSlowMail has several people order at once while the mail server is slow, and looks
// at the mail server, the database and other people's reads meanwhile.
func (l *trial) seeSlowMail(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, l.servers.Mail.SetDelay(ctx, mailDelay)) }()
	if err := l.servers.Mail.Reset(ctx); err != nil {
		return err
	}
	if err := l.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return err
	}
	var began time.Time
	if err := l.servers.Pool.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&began); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	var orders errgroup.Group
	for _, person := range l.people {
		orders.Go(func() error { return order(ctx, person, rand.Text()) })
	}
	err = l.lookAround(ctx, began)
	l.slow.failed = orders.Wait()
	return err
}

// lookAround fills in slow while orders wait for the mail server.
func (l *trial) lookAround(ctx context.Context, began time.Time) error {
	for deadline := time.Now().Add(seeWithin); ; {
		stats, err := l.servers.Mail.Stats(ctx)
		if err != nil {
			return err
		}
		l.slow.atMailServerSeen = stats.Waiting
		if stats.Waiting == ordersAtOnce || time.Now().After(deadline) {
			break
		}
		if err := rig.Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	err := l.servers.Pool.QueryRowContext(ctx,
		`SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bytebites' AND state = 'idle in transaction'),
		        (SELECT count(*) FROM orders WHERE placed_at >= $1)`, began).Scan(&l.slow.idleInTransaction, &l.slow.stored)
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	failed, err := l.readAtOnce(ctx, readsAtOnce, readTimeout)
	l.slow.readsFailed = failed
	return err
}

// readAtOnce has n readers ask for a meal at the same moment and returns how many got no
// right answer in time.
func (l *trial) readAtOnce(ctx context.Context, n int, patience time.Duration) (failed int, err error) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var failures atomic.Int64
	var readers sync.WaitGroup
	for range n {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.tuned.Service.URL()+"/meals/"+string(l.client.Meals[0]), nil)
		if err != nil {
			return 0, err
		}
		readers.Go(func() {
			response, err := client.Do(request)
			if err != nil {
				failures.Add(1)
				return
			}
			defer response.Body.Close() //nolint:errcheck // it was read to its end
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
				failures.Add(1)
			}
		})
	}
	readers.Wait()
	return int(failures.Load()), ctx.Err()
}

// pool has many read at once while the table that they read is locked, and counts the
// connections in which they wait.
func (l *trial) pool(ctx context.Context, run *lab.Run) error {
	counter, err := l.servers.Pool.Conn(ctx) // taken now: the service may leave none
	if err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	defer counter.Close() //nolint:errcheck // it only read
	lock, err := l.servers.Pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("lock meals: %w", err)
	}
	defer lock.Rollback() //nolint:errcheck // it locked and changed nothing
	if _, err := lock.ExecContext(ctx, "LOCK TABLE meals IN ACCESS EXCLUSIVE MODE"); err != nil {
		return fmt.Errorf("lock meals: %w", err)
	}
	var failed int
	var readers errgroup.Group
	readers.Go(func() (err error) {
		failed, err = l.readAtOnce(ctx, burst, burstTimeout)
		return err
	})
	connections, err := settledConnections(ctx, counter)
	if err := errors.Join(err, lock.Rollback(), readers.Wait()); err != nil {
		return err
	}
	run.Report(fmt.Sprintf("connections, %d readers at once", burst), float64(connections), "")
	switch {
	case connections < minConnections || connections > maxConnections:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d to %d connections for %d readers at once", minConnections, maxConnections, burst),
			Seen:     fmt.Sprintf("%d", connections), Look: lab.Look{File: "sizing.go", Func: "Pool", Hint: "MaxOpen bounds them; 0 is no bound"},
		}
	case failed > 0:
		return &lab.Doubt{
			Reason: fmt.Sprintf("%d of %d readers were not answered within %s after the lock was gone", failed, burst, burstTimeout),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	return nil
}

// settledConnections counts the service's connections in which a reader waits for the locked
// table, once their number stays the same. Others, such as the sweeper's, are not counted.
func settledConnections(ctx context.Context, counter *sql.Conn) (connections int, err error) {
	settling := hostspeed.Wait(burstSettling)
	last, since := -1, time.Now()
	for deadline := time.Now().Add(burstLimit); ; {
		err := counter.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bytebites' AND wait_event_type = 'Lock'`).Scan(&connections)
		if err != nil {
			return 0, fmt.Errorf("count connections: %w", err)
		}
		if connections != last {
			last, since = connections, time.Now()
		}
		if connections > 0 && time.Since(since) > settling || time.Now().After(deadline) {
			return connections, nil
		}
		if err := rig.Pause(ctx, burstLooks); err != nil {
			return 0, err
		}
	}
}

// keptConnections has as many requests as connections at once, over a driver without a server, and
// counts what the pool closes when they end.
func (l *trial) keptConnections(ctx context.Context, _ *lab.Run) error {
	pool := l.subject.Pool()
	if lifetime := pool.ConnMaxLifetime; lifetime > 0 && lifetime < minLifetime {
		return &lab.Failure{
			Expected: fmt.Sprintf("connections that stay open for %s or longer", minLifetime), Seen: fmt.Sprintf("ConnMaxLifetime is %s", lifetime),
			Look: lab.Look{File: "sizing.go", Func: "Pool", Hint: "ConnMaxLifetime"},
		}
	}
	db := sql.OpenDB(noServer{})
	defer db.Close() //nolint:errcheck // there is no server
	pool.Limit(db)
	most := pool.MaxOpen
	if most <= 0 || most > maxConnections {
		most = maxConnections
	}
	var used []*sql.Conn
	for range most {
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("open connections: %w", err)
		}
		used = append(used, conn)
	}
	for _, conn := range used {
		if err := conn.Close(); err != nil {
			return fmt.Errorf("give connections back: %w", err)
		}
	}
	if n := db.Stats().MaxIdleClosed; n > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("all of %d connections to stay open when their requests end", most),
			Seen:     fmt.Sprintf("%d closed, each to be opened again", n), Look: lab.Look{File: "sizing.go", Func: "Pool", Hint: "MaxIdle"},
		}
	}
	return nil
}

// noServer opens connections that lead nowhere.
type noServer struct{}

func (noServer) Connect(context.Context) (driver.Conn, error) { return nowhere{}, nil }
func (noServer) Driver() driver.Driver                        { return nil }

type nowhere struct{}

func (nowhere) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (nowhere) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
func (nowhere) Close() error                        { return nil }

// contract holds the service's orders against its contract. All else is the solutions'.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	return rig.BrokenPromise(contract.RunOrders(ctx, l.client.Target), lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"})
}
