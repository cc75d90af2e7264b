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
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// mailDomain is the sender's domain, with which Message-IDs end.
const mailDomain = "bytebites.example"

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
				c.undonef(c.missed(), "%s of order %s is not done", effect, e.ID)
			}
		}
		if !maps.Equal(wanted[e.ID], booked[e.ID]) {
			rests := c.missed()
			if weight(booked[e.ID]) > 0 {
				rests = lab.Waited{} // a booking is one transaction
			}
			c.undonef(rests, "the ledger has %d g for order %s, and not %d g", weight(booked[e.ID]), e.ID, weight(wanted[e.ID]))
		}
		c.compareMails(e, mails[smtp.MessageID(e.ID, mailDomain)])
	}
	return nil
}

func (c *closing) undonef(rests lab.Waited, format string, args ...any) {
	c.books.Undone = append(c.books.Undone, Undone{fmt.Sprintf(format, args...), rests})
}

// missed returns the wait that a missing effect rests on: it might still come, unless it is lost.
func (c *closing) missed() lab.Waited {
	if c.books.Lost {
		return lab.Waited{}
	}
	return lab.Between(c.seen.Ended, c.seen.Ended.Add(c.books.Drained))
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
		c.undonef(c.missed(), "no mail for order %s", e.ID)
	}
	slices.SortFunc(mails, func(a, b mailsink.Message) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	for i := 1; i < len(mails); i++ {
		first, second := mails[i-1].ReceivedAt, mails[i].ReceivedAt
		killed := slices.ContainsFunc(c.seen.Killed, func(kill time.Time) bool {
			return first.Before(kill.Add(c.stack.o.MailDelay)) && second.After(kill)
		})
		if !killed {
			c.undonef(rig.LateMail(first, second), "order %s was mailed again after %.1f s", e.ID, second.Sub(first).Seconds())
			continue
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
