package dinner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Books are all orders of a dinner: what the clients were told, held against the databases and the mail
// server.
type Books struct {
	Accepted, Unknown, OutOfStock int
	// Orders are the orders in the databases.
	Orders []Entry
	// Wrong has a sentence for each order that is lost, doubled, invented or in a wrong place.
	Wrong []string
	// Stock has a sentence for each meal and reservation that does not agree with the orders.
	Stock []string
	// Undone are the effects that are missing or were done more than once.
	Undone []Undone
	// Again is the number of mails that were sent again because a worker was killed.
	Again int
	// Drained is the time from the last answer to the last effect.
	Drained time.Duration
	// Missing is the number of effects that did not come. Lost says that they cannot come any more,
	// because all outboxes and queues are empty.
	Missing int
	Lost    bool
}

// Undone is an effect that is missing or was done more than once.
type Undone struct {
	// What is a sentence.
	What string
	// Waited is the wait that this rests on. It is zero when time cannot be the cause.
	Waited lab.Waited
}

// Entry is an order in the databases.
type Entry struct {
	ID     bytebites.OrderID
	User   bytebites.UserID
	Key    string
	Shard  int // from 1
	Placed time.Time
	Done   map[bytebites.Effect]time.Time
}

// CloseBooks waits for the effects of all orders, and looks everything up.
func (s *Stack) CloseBooks(ctx context.Context, seen Seen) (Books, error) {
	c := &closing{stack: s, seen: seen, orders: slices.Concat(s.Warm.Orders, seen.Result.Orders)}
	for _, step := range []func(context.Context) error{c.drain, c.fullSpeed, c.sweep, c.readOrders, c.compareOrders, c.compareStock, c.compareEffects} {
		if err := step(ctx); err != nil {
			return Books{}, fmt.Errorf("close the books: %w", err)
		}
	}
	return c.books, nil
}

// closing is the work of CloseBooks.
type closing struct {
	stack  *Stack
	seen   Seen
	orders []load.OrderOutcome
	books  Books
}

// readOrders reads all orders of the dinner, with their effects.
func (c *closing) readOrders(ctx context.Context) error {
	for i, pool := range c.stack.pools {
		at := make(map[bytebites.OrderID]int)
		err := postgres.Each(ctx, pool, `SELECT id, user_id, idempotency_key, placed_at FROM orders WHERE idempotency_key IS NOT NULL`, nil, func(scan func(...any) error) error {
			e := Entry{Shard: i + 1, Done: make(map[bytebites.Effect]time.Time)}
			if err := scan(&e.ID, &e.User, &e.Key, &e.Placed); err != nil {
				return err
			}
			at[e.ID] = len(c.books.Orders)
			c.books.Orders = append(c.books.Orders, e)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read orders of shard %d: %w", i+1, err)
		}
		err = postgres.Each(ctx, pool, `SELECT order_id, effect, done_at FROM order_effects WHERE order_id = ANY ($1)`, []any{idsOf(maps.Keys(at))}, func(scan func(...any) error) error {
			var id bytebites.OrderID
			var effect bytebites.Effect
			var done time.Time
			if err := scan(&id, &effect, &done); err != nil {
				return err
			}
			c.books.Orders[at[id]].Done[effect] = done
			return nil
		})
		if err != nil {
			return fmt.Errorf("read effects of shard %d: %w", i+1, err)
		}
	}
	return nil
}

// wrongf notes a mistake of an order.
func (c *closing) wrongf(format string, args ...any) {
	c.books.Wrong = append(c.books.Wrong, fmt.Sprintf(format, args...))
}

// compareOrders holds the orders against what the clients were told.
func (c *closing) compareOrders(context.Context) error {
	byKey := make(map[string][]Entry)
	byID := make(map[bytebites.OrderID]int)
	for _, e := range c.books.Orders {
		byKey[e.Key] = append(byKey[e.Key], e)
		byID[e.ID]++
		if home := c.stack.home(e.User); e.Shard != home {
			c.wrongf("order %s of %s is on shard %d, and its home is shard %d", e.ID, e.User, e.Shard, home)
		}
	}
	for id, n := range byID {
		if n > 1 {
			c.wrongf("order %s is there %d times", id, n)
		}
	}
	users := make(map[string]bytebites.UserID)
	for i, email := range Emails(c.stack.o.People) {
		users[email] = seed.User(i + 1)
	}
	for _, told := range c.orders {
		stored := byKey[told.Key]
		delete(byKey, told.Key)
		c.compareOrder(told, users[told.Email], stored)
	}
	for key, stored := range byKey {
		c.wrongf("order %s with the key %s, which no client has sent", stored[0].ID, key)
	}
	return nil
}

// compareOrder compares one order with the stored orders of its key.
func (c *closing) compareOrder(told load.OrderOutcome, user bytebites.UserID, stored []Entry) {
	switch told.Outcome {
	case load.Accepted:
		c.books.Accepted++
		if len(stored) == 0 || stored[0].ID != told.Order || stored[0].User != user {
			c.wrongf("order %s of %s was accepted, and is not on its shard", told.Order, user)
		}
	case load.Unknown:
		c.books.Unknown++
	default:
		if told.Outcome == load.OutOfStock {
			c.books.OutOfStock++
		}
		if len(stored) > 0 {
			c.wrongf("order %s of %s exists, and the client was told: %s", stored[0].ID, user, told.Outcome)
		}
	}
	if len(stored) > 1 {
		c.wrongf("the key of an order of %s has %d orders", user, len(stored))
	}
}

// compareStock demands that stock, reservations and orders agree, and that no meal was sold more often
// than there were portions.
func (c *closing) compareStock(ctx context.Context) error {
	if err := postgres.Invariants(ctx, c.stack.catalogue, c.stack.pools...); err != nil {
		c.books.Stock = append(c.books.Stock, err.Error())
	}
	left, err := c.stack.readStock(ctx)
	if err != nil {
		return err
	}
	sold := make(map[bytebites.MealID]int)
	for i, pool := range c.stack.pools {
		err := postgres.Each(ctx, pool, `
SELECT l.meal_id, sum(l.quantity) FROM orders o JOIN order_lines l ON l.order_id = o.id AND l.user_id = o.user_id
WHERE o.idempotency_key IS NOT NULL GROUP BY l.meal_id`, nil, func(scan func(...any) error) error {
			var meal bytebites.MealID
			var portions int
			err := scan(&meal, &portions)
			sold[meal] += portions
			return err
		})
		if err != nil {
			return fmt.Errorf("read sales of shard %d: %w", i+1, err)
		}
	}
	for _, meal := range slices.Sorted(maps.Keys(c.stack.stock)) {
		if was, is := c.stack.stock[meal], left[meal]; is != was-sold[meal] || is < 0 {
			c.books.Stock = append(c.books.Stock, fmt.Sprintf("%s: %d portions before, %d sold, %d left", meal, was, sold[meal], is))
		}
	}
	return nil
}

// idsOf returns the ids as a query parameter.
func idsOf(ids func(yield func(bytebites.OrderID) bool)) pq.StringArray {
	var all pq.StringArray
	for id := range ids {
		all = append(all, string(id))
	}
	return all
}
