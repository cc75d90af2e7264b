package dinner

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// mailDomain is the sender's domain, with which Message-IDs end.
	mailDomain = "bytebites.example"
	// stallTimeout ends the wait for effects when no further effect came for so long. The claim of a
	// worker that was killed lasts less. When all outboxes and queues are empty, nothing more can come.
	// The broker counts its queues every five seconds, so emptyTimeout is longer than that.
	stallTimeout = 25 * time.Second
	emptyTimeout = 7 * time.Second
	drainPoll    = 250 * time.Millisecond
	// orphanAge is the age at which a held reservation belongs to no request that is under way. A
	// replica gives up after ten seconds.
	orphanAge   = 12 * time.Second
	sweepLimit  = 1000
	settleLimit = 30 * time.Second
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
	// Undone has a sentence for each effect that is missing or was done more than once.
	Undone []string
	// Again is the number of mails that were sent again because a worker was killed.
	Again int
	// Drained is the time from the last answer to the last effect.
	Drained time.Duration
	// Missing is the number of effects that did not come. Lost says that they cannot come any more,
	// because all outboxes and queues are empty.
	Missing int
	Lost    bool
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

// drain waits until all orders in the databases have all their effects, or no further one comes.
func (c *closing) drain(ctx context.Context) (err error) {
	c.stack.o.Progress("waiting for the last effects of the orders")
	last, since := -1, time.Now()
	for {
		missing := 0
		for i, pool := range c.stack.pools {
			n, err := missingEffects(ctx, pool)
			if err != nil {
				return fmt.Errorf("count effects on shard %d: %w", i+1, err)
			}
			missing += n
		}
		if missing != last {
			last, since = missing, time.Now()
		}
		c.books.Missing, c.books.Drained = missing, time.Since(c.seen.Ended)
		stalled := time.Since(since)
		if missing == 0 || stalled > stallTimeout {
			return nil
		}
		if stalled > emptyTimeout {
			if c.books.Lost, err = c.nothingLeft(ctx); err != nil || c.books.Lost {
				return err
			}
		}
		if err := rig.Pause(ctx, drainPoll); err != nil {
			return err
		}
	}
}

// nothingLeft reports whether all outboxes and all queues are empty.
func (c *closing) nothingLeft(ctx context.Context) (bool, error) {
	for i, pool := range c.stack.pools {
		var events int
		if err := pool.QueryRowContext(ctx, `SELECT count(*) FROM outbox`).Scan(&events); err != nil {
			return false, fmt.Errorf("read outbox of shard %d: %w", i+1, err)
		}
		if events > 0 {
			return false, nil
		}
	}
	queues, err := c.stack.Broker.Queues(ctx)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		if q.Type != "stream" && q.Ready+q.Unacked > 0 { // a stream keeps what was read
			return false, nil
		}
	}
	return true, nil
}

// missingEffects counts the effects that the orders on a shard lack. The orders of the dinner are those
// with an Idempotency-Key, which an index has.
func missingEffects(ctx context.Context, pool *sql.DB) (n int, err error) {
	err = pool.QueryRowContext(ctx, `
SELECT coalesce(sum($1 - (SELECT count(*) FROM order_effects e WHERE e.order_id = o.id AND e.user_id = o.user_id)), 0)
FROM orders o WHERE o.idempotency_key IS NOT NULL`, len(bytebites.Effects())).Scan(&n)
	return n, err
}

// fullSpeed lifts the quotas of the databases, because all that follows measures nothing.
func (c *closing) fullSpeed(ctx context.Context) error {
	for _, server := range append(slices.Clone(c.stack.Shards), c.stack.Catalogue) {
		if err := server.Resize(ctx, server.Type().FullSpeed()); err != nil {
			return err
		}
	}
	return nil
}

// everywhere finds an order on the shard of its subscriber.
type everywhere struct {
	bytebites.Orders // nil: a sweep calls Order alone
	stack            *Stack
}

func (e everywhere) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	return postgres.NewOrders(e.stack.pools[e.stack.home(user)-1]).Order(ctx, user, id)
}

// sweep settles reservations that a killed replica or a lost answer has left, as the service's sweeper
// does a minute later.
func (c *closing) sweep(ctx context.Context) error {
	limit := hostspeed.Wait(settleLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &testbed.LateError{What: "a reservation is not settled", Within: limit})
	defer cancel()
	sweeper := checkout.Sweeper{Stock: postgres.NewStock(c.stack.catalogue), Orders: everywhere{stack: c.stack}, MinAge: orphanAge, Limit: sweepLimit}
	for {
		due, err := sweeper.Stock.Unsettled(ctx, 0, 1)
		if err != nil || len(due) == 0 {
			return err
		}
		if _, err := sweeper.Sweep(ctx); err != nil {
			return err
		}
		if err := rig.Pause(ctx, drainPoll); err != nil {
			return err
		}
	}
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

// grams is what the suppliers of a meal deliver for an order, by supplier and ingredient.
type grams map[[2]string]int

// compareEffects demands each effect of each order once.
func (c *closing) compareEffects(ctx context.Context) error {
	recipes := make(map[bytebites.MealID]grams)
	err := postgres.Each(ctx, c.stack.catalogue, `SELECT meal_id, supplier, name, grams FROM ingredients`, nil, func(scan func(...any) error) error {
		var meal bytebites.MealID
		var supplier, name string
		var n int
		err := scan(&meal, &supplier, &name, &n)
		if recipes[meal] == nil {
			recipes[meal] = make(grams)
		}
		recipes[meal][[2]string{supplier, name}] += n
		return err
	})
	if err != nil {
		return fmt.Errorf("read recipes: %w", err)
	}
	wanted, booked := make(map[bytebites.OrderID]grams), make(map[bytebites.OrderID]grams)
	for i, pool := range c.stack.pools {
		if err := c.readBookings(ctx, pool, i+1, recipes, wanted, booked); err != nil {
			return fmt.Errorf("read ledger of shard %d: %w", i+1, err)
		}
	}
	sent, err := c.stack.Mail.Messages(ctx, "")
	if err != nil {
		return err
	}
	mails := make(map[string][]mailsink.Message)
	for _, m := range sent {
		mails[m.MessageID] = append(mails[m.MessageID], m)
	}
	for _, e := range c.books.Orders {
		for _, effect := range bytebites.Effects() {
			if e.Done[effect].IsZero() {
				c.undonef("%s of order %s is not done", effect, e.ID)
			}
		}
		if !maps.Equal(wanted[e.ID], booked[e.ID]) {
			c.undonef("the ledger has %d g for order %s, and not %d g", weight(booked[e.ID]), e.ID, weight(wanted[e.ID]))
		}
		c.compareMails(e, mails[smtp.MessageID(e.ID, mailDomain)])
	}
	return nil
}

func (c *closing) undonef(format string, args ...any) {
	c.books.Undone = append(c.books.Undone, fmt.Sprintf(format, args...))
}

// readBookings reads what the ledger of a shard has for the orders of the dinner, and what it should
// have.
func (c *closing) readBookings(ctx context.Context, pool *sql.DB, shard int, recipes map[bytebites.MealID]grams, wanted, booked map[bytebites.OrderID]grams) error {
	ids := make(pq.StringArray, 0, len(c.books.Orders))
	for _, e := range c.books.Orders {
		if e.Shard == shard {
			ids = append(ids, string(e.ID))
			wanted[e.ID], booked[e.ID] = make(grams), make(grams)
		}
	}
	err := postgres.Each(ctx, pool, `SELECT order_id, meal_id, quantity FROM order_lines WHERE order_id = ANY ($1)`, []any{ids}, func(scan func(...any) error) error {
		var id bytebites.OrderID
		var meal bytebites.MealID
		var quantity int
		if err := scan(&id, &meal, &quantity); err != nil {
			return err
		}
		for of, n := range recipes[meal] {
			wanted[id][of] += n * quantity
		}
		return nil
	})
	if err != nil {
		return err
	}
	return postgres.Each(ctx, pool, `SELECT order_id, supplier, ingredient, grams FROM supplier_ledger WHERE order_id = ANY ($1)`, []any{ids}, func(scan func(...any) error) error {
		var id bytebites.OrderID
		var supplier, name string
		var n int
		if err := scan(&id, &supplier, &name, &n); err != nil {
			return err
		}
		booked[id][[2]string{supplier, name}] += n
		return nil
	})
}

// compareMails demands one mail for an order. A worker that was killed after the mail server had accepted
// a mail, and before the worker noted that, leaves no trace of the mail. So a second mail is excused when
// a worker was killed between the two.
func (c *closing) compareMails(e Entry, mails []mailsink.Message) {
	if len(mails) == 0 {
		c.undonef("no mail for order %s", e.ID)
	}
	slices.SortFunc(mails, func(a, b mailsink.Message) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	for i := 1; i < len(mails); i++ {
		first, second := mails[i-1].ReceivedAt, mails[i].ReceivedAt
		killed := slices.ContainsFunc(c.seen.Killed, func(kill time.Time) bool {
			return first.Before(kill.Add(c.stack.o.MailDelay)) && second.After(kill)
		})
		if !killed {
			c.undonef("%d mails for order %s", len(mails), e.ID)
			return
		}
		c.books.Again++
	}
}

func weight(g grams) (sum int) {
	for _, n := range g {
		sum += n
	}
	return sum
}

// idsOf returns the ids as a query parameter.
func idsOf(ids func(yield func(bytebites.OrderID) bool)) pq.StringArray {
	var all pq.StringArray
	for id := range ids {
		all = append(all, string(id))
	}
	return all
}
