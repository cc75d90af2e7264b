package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// dies is the shard that dies while meals sell out.
	dies = shard.Server(2)
	// firstScarce and lastScarce are the scarce meals that sell out. The check contract uses the
	// first scarce meal.
	firstScarce, lastScarce = 2, seed.ScarceMeals
	// buyersAShard is how many subscribers of each shard buy at the same time. They buy one
	// portion at a time, so that meals sell out to the last one.
	buyersAShard = 3
	// diesAfter is the number of accepted orders after which the shard dies.
	diesAfter = 12
	// releasedWithin is the time limit to release the meals of an order that could not be placed.
	releasedWithin = 6 * time.Second
)

// buying is one order. It is sent again under its key until its outcome is known.
type buying struct {
	person *person
	write  write
	status int // of the last answer; 0 without one
}

func (b *buying) unknown() bool { return b.status == 0 || b.status >= http.StatusInternalServerError }

// stock sells meals out while a shard dies and is started again.
func (l *trial) stock(ctx context.Context, run *lab.Run) error {
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	buyers, err := l.someOfEach(m, buyersAShard)
	if err != nil {
		return err
	}
	first, err := l.rushToBuy(ctx, buyers)
	if err != nil {
		return err
	}
	held, err := l.orderOnDead(ctx, m, buyers)
	if err := errors.Join(err, l.nodes[dies].restart(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if held != nil {
		return held
	}
	if err := l.sellOut(ctx, buyers, first); err != nil {
		return err
	}
	if err := l.sweep(ctx); err != nil {
		return err
	}
	return l.wantSoldOut(ctx, run)
}

// buy sends an order to the replica of the next turn.
func (l *trial) buy(ctx context.Context, b *buying) error {
	a, err := l.enter(ctx, b.person, b.write.request)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.status = a.Status
	if err != nil {
		b.status = 0
	}
	if slices.Contains(b.write.status, b.status) {
		return b.write.acknowledged(a)
	}
	return nil
}

func (l *trial) scarce(n int) []line {
	meals := lastScarce - firstScarce + 1
	return []line{{Meal: string(l.scale.size.ScarceMeal(firstScarce + n%meals)), Quantity: 1}}
}

// rushToBuy has all buyers order scarce meals, and kills the shard when some orders are accepted.
// It returns all orders that were sent.
func (l *trial) rushToBuy(ctx context.Context, buyers []*person) (all []*buying, err error) {
	var mu sync.Mutex
	var accepted atomic.Int64
	enough := make(chan struct{})
	var selling sync.WaitGroup
	var failures []error
	for i, p := range buyers {
		selling.Go(func() {
			for n := range 3 {
				b := &buying{person: p, write: p.orderOf(l.scarce(i + n))}
				err := l.buy(ctx, b)
				mu.Lock()
				all, failures = append(all, b), append(failures, err)
				mu.Unlock()
				if b.status == http.StatusCreated && accepted.Add(1) == diesAfter {
					close(enough)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { selling.Wait(); close(over) }()
	select {
	case <-enough:
	case <-over:
	}
	killed := l.nodes[dies].server.Kill(ctx)
	<-over
	return all, errors.Join(append(failures, killed)...)
}

// orderOnDead has subscribers of the dead shard order. Each must get status 503, and their meals
// must be released. The caller returns the failure when the shard runs again.
func (l *trial) orderOnDead(ctx context.Context, m shard.Map, buyers []*person) (failure, err error) {
	var since time.Time
	if err := l.servers.Pool.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&since); err != nil {
		return nil, fmt.Errorf("read the clock: %w", err)
	}
	sent := 0
	for i, p := range buyers {
		if l.home(m, p).number != dies {
			continue
		}
		for n := range 2 {
			b := &buying{person: p, write: p.orderOf(l.scarce(i + n))}
			if err := l.buy(ctx, b); err != nil {
				return nil, err
			}
			sent++
			if b.status != http.StatusServiceUnavailable {
				return &lab.Failure{
					Expected: "status 503 for an order whose shard is dead", Seen: fmt.Sprintf("status %d", b.status), Look: lab.Look{File: "stores.go", Func: "stores.Write", Hint: "which error follows when a server does not answer?"},
				}, nil
			}
		}
	}
	for deadline := time.Now().Add(releasedWithin); ; _ = rig.Pause(ctx, retryPause) {
		var held int
		err := l.servers.Pool.QueryRowContext(ctx,
			`SELECT count(*) FROM reservations WHERE state = 'held' AND made_at >= $1`, since).Scan(&held)
		if err != nil {
			return nil, fmt.Errorf("count reservations: %w", err)
		}
		if held == 0 {
			return nil, nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the meals of %d orders that could not be placed to be released", sent),
				Seen:     fmt.Sprintf("%d of them still reserved after %s", held, releasedWithin), Waited: lab.Last(releasedWithin),
				Look: lab.Look{File: "stores.go", Func: "stores.Write", Hint: "no transaction spans both servers: an order that fails must release what it reserved on the other"},
			}, nil
		}
	}
}

// sellOut sends orders without an answer again until their outcome is known, and sells the rest.
func (l *trial) sellOut(ctx context.Context, buyers []*person, first []*buying) error {
	for deadline := time.Now().Add(backWithin); ; _ = rig.Pause(ctx, retryPause) {
		unknown := 0
		for _, b := range first {
			if !b.unknown() {
				continue
			}
			if err := l.buy(ctx, b); err != nil {
				return err
			}
			if b.unknown() {
				unknown++
			}
		}
		if unknown == 0 {
			break
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("every order to be accepted or refused %s after the shard is back", backWithin),
				Seen:     fmt.Sprintf("%d that are neither", unknown), Waited: lab.Last(backWithin),
				Look: lab.Look{File: "stores.go", Func: "stores.Write", Hint: "what does a replica remember of a server that was down?"},
			}
		}
	}
	// Orders that were abandoned are settled first, so that their meals can be sold.
	if err := l.sweep(ctx); err != nil {
		return err
	}
	for n := range lastScarce - firstScarce + 1 {
		for turn := 0; ; turn++ {
			p := buyers[turn%len(buyers)]
			b := &buying{person: p, write: p.orderOf(l.scarce(n))}
			if err := l.buy(ctx, b); err != nil {
				return err
			}
			if b.status == http.StatusConflict {
				break
			}
			if b.status != http.StatusCreated || turn > 2*seed.ScarcePortions {
				return &lab.Failure{
					Expected: "meals to be sold until none is left", Seen: fmt.Sprintf("status %d at order %d", b.status, turn+1),
					Look: lab.Look{File: "stores.go", Func: "stores.Write"},
				}
			}
		}
	}
	return nil
}

// everywhere finds orders on all servers of user data.
type everywhere struct {
	bytebites.Orders
	nodes []*node
}

func (e everywhere) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	for _, n := range e.nodes {
		order, err := postgres.NewOrders(n.pool).Order(ctx, user, id)
		if !errors.Is(err, bytebites.ErrNotFound) {
			return order, err
		}
	}
	return bytebites.Order{}, bytebites.ErrNotFound
}

// sweep does what the service's sweeper does after a minute. It need not wait: no request is
// under way, and the shard never commits what it had not committed when it died.
func (l *trial) sweep(ctx context.Context) error {
	sweeper := checkout.Sweeper{Stock: postgres.NewStock(l.servers.Pool), Orders: everywhere{nodes: l.nodes[1:]}, Limit: 1000}
	_, err := sweeper.Sweep(ctx)
	return err
}

// wantSoldOut compares the portions sold with the portions there were, and demands that stock,
// reservations and orders agree.
func (l *trial) wantSoldOut(ctx context.Context, run *lab.Run) error {
	sold := make(map[string]int)
	var meals pq.StringArray
	for n := firstScarce; n <= lastScarce; n++ {
		meals = append(meals, string(l.scale.size.ScarceMeal(n)))
	}
	for _, n := range l.nodes[1:] {
		for _, meal := range meals {
			var portions int
			err := n.pool.QueryRowContext(ctx, `SELECT coalesce(sum(quantity), 0) FROM order_lines WHERE meal_id = $1 AND NOT starts_with(order_id, $2)`,
				meal, postgres.SeededOrderPrefix).Scan(&portions)
			if err != nil {
				return fmt.Errorf("count what is sold: %w", err)
			}
			sold[meal] += portions
		}
	}
	var bad []string
	for _, meal := range meals {
		if sold[meal] != seed.ScarcePortions {
			bad = append(bad, fmt.Sprintf("%d of meal %s sold, of %d", sold[meal], meal, seed.ScarcePortions))
		}
	}
	run.Report("portions of scarce meals sold while a shard died", float64(len(meals)*seed.ScarcePortions), "")
	if err := failIf(bad, "each scarce meal sold to the last portion and no further",
		lab.Look{File: "stores.go", Func: "stores.Write", Hint: "which error is it when an order may have been stored?"}); err != nil {
		return err
	}
	userData := make([]*sql.DB, 0, len(l.nodes))
	for _, n := range l.nodes[1:] {
		userData = append(userData, n.pool)
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, userData...); err != nil {
		return &lab.Failure{Expected: "stock, reservations and orders to agree", Seen: err.Error(), Waited: lab.Late(err), Look: lab.Look{File: "stores.go", Func: "stores.Read", Hint: "an order on a server that does not answer is busy, not missing"}}
	}
	return nil
}
