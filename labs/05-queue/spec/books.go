package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/lab"
)

// mailDomain is the sender's, which Message-IDs end in.
const mailDomain = "bytebites.example"

// entry is what a supplier delivers for an order.
type entry struct{ supplier, ingredient string }

// recipes are the grams of each entry in a portion of a meal.
type recipes map[bytebites.MealID]map[entry]int

// readRecipes reads those of all meals.
func readRecipes(ctx context.Context, catalogue *sql.DB) (all recipes, err error) {
	rows, err := catalogue.QueryContext(ctx, `SELECT meal_id, supplier, name, grams FROM ingredients`)
	if err != nil {
		return nil, fmt.Errorf("read recipes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = make(recipes)
	for rows.Next() {
		var meal bytebites.MealID
		var e entry
		var grams int
		if err := rows.Scan(&meal, &e.supplier, &e.ingredient, &grams); err != nil {
			return nil, fmt.Errorf("read recipes: %w", err)
		}
		if all[meal] == nil {
			all[meal] = make(map[entry]int)
		}
		all[meal][e] += grams
	}
	return all, rows.Err()
}

// booking is what the ledger must have of an order.
func (r recipes) booking(lines []line) map[entry]int {
	all := make(map[entry]int)
	for _, l := range lines {
		for e, grams := range r[l.Meal] {
			all[e] += grams * l.Quantity
		}
	}
	return all
}

// book is all that is known of one order.
type book struct {
	status  bytebites.OrderStatus
	done    map[bytebites.Effect]time.Time
	booking map[entry]int
	booked  time.Time // when the ledger got the last of it
	week    time.Time // when the subscriber's was planned
	mails   []mailsink.Message
}

// read reads what there is of orders on the servers that they are on, and at the mail server.
func (l *trial) read(ctx context.Context, orders []*order) (map[bytebites.OrderID]*book, error) {
	books := make(map[bytebites.OrderID]*book, len(orders))
	for _, o := range orders {
		books[o.id] = &book{done: make(map[bytebites.Effect]time.Time), booking: make(map[entry]int)}
	}
	for n, theirs := range byHome(orders) {
		if err := n.readInto(ctx, books, idsOf(theirs)); err != nil {
			return nil, fmt.Errorf("read orders of %s: %w", n.name, err)
		}
	}
	mails, err := l.servers.Mail.Messages(ctx, "")
	if err != nil {
		return nil, err
	}
	sortMails(books, orders, mails)
	return books, nil
}

// sortMails adds mails to the orders that they confirm.
func sortMails(books map[bytebites.OrderID]*book, orders []*order, mails []mailsink.Message) {
	byID := make(map[string]*book, len(orders))
	for _, o := range orders {
		byID[smtp.MessageID(o.id, mailDomain)] = books[o.id]
	}
	for _, m := range mails {
		if b := byID[m.MessageID]; b != nil {
			b.mails = append(b.mails, m)
		}
	}
}

func (n *node) readInto(ctx context.Context, books map[bytebites.OrderID]*book, ids pq.StringArray) error {
	err := n.each(ctx, `SELECT o.id, o.status, w.planned_at FROM orders AS o LEFT JOIN weeks AS w USING (user_id) WHERE o.id = ANY ($1)`, ids,
		func(scan func(...any) error) error {
			var id bytebites.OrderID
			var status bytebites.OrderStatus
			var week sql.NullTime
			err := scan(&id, &status, &week)
			if b := books[id]; err == nil {
				b.status, b.week = status, week.Time.UTC()
			}
			return err
		})
	if err != nil {
		return err
	}
	err = n.eachEffect(ctx, ids, func(id bytebites.OrderID, effect bytebites.Effect, done time.Time) { books[id].done[effect] = done })
	if err != nil {
		return err
	}
	return n.each(ctx, `SELECT order_id, supplier, ingredient, grams, booked_at FROM supplier_ledger WHERE order_id = ANY ($1)`, ids,
		func(scan func(...any) error) error {
			var id bytebites.OrderID
			var e entry
			var grams int
			var booked time.Time
			err := scan(&id, &e.supplier, &e.ingredient, &grams, &booked)
			if b := books[id]; err == nil {
				b.booking[e] += grams
				if booked.After(b.booked) {
					b.booked = booked.UTC()
				}
			}
			return err
		})
}

// eachEffect calls note with each effect of the orders that is done.
func (n *node) eachEffect(ctx context.Context, ids pq.StringArray, note func(bytebites.OrderID, bytebites.Effect, time.Time)) error {
	return n.each(ctx, `SELECT order_id, effect, done_at FROM order_effects WHERE order_id = ANY ($1)`, ids,
		func(scan func(...any) error) error {
			var id bytebites.OrderID
			var effect bytebites.Effect
			var done time.Time
			err := scan(&id, &effect, &done)
			if err == nil {
				note(id, effect, done.UTC())
			}
			return err
		})
}

// each asks for rows about orders and calls row with what scans each.
func (n *node) each(ctx context.Context, query string, ids pq.StringArray, row func(scan func(...any) error) error) (err error) {
	rows, err := n.pool.QueryContext(ctx, query, ids)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// problems says what is not as it must be of orders whose effects are done, a sentence each. A
// second mail may be excused.
func (r recipes) problems(orders []*order, books map[bytebites.OrderID]*book, excused func(mails []mailsink.Message) bool) []string {
	var bad []string
	for _, o := range orders {
		b := books[o.id]
		for _, effect := range bytebites.Effects() {
			if b.done[effect].IsZero() {
				bad = append(bad, fmt.Sprintf("%s of order %s is not done", effect, o.id))
			}
		}
		if want := r.booking(o.lines); !maps.Equal(b.booking, want) {
			bad = append(bad, fmt.Sprintf("%d entries of %d g in the ledger for order %s, not %d of %d g",
				len(b.booking), weight(b.booking), o.id, len(want), weight(want)))
		}
		if n := len(b.mails); n == 0 || n > 1 && !excused(b.mails) {
			bad = append(bad, fmt.Sprintf("%d mails for order %s", n, o.id))
		}
		for _, m := range b.mails {
			if !slices.Equal(m.To, []string{o.person.email}) {
				bad = append(bad, fmt.Sprintf("the mail for order %s of %s went to %v", o.id, o.person.email, m.To))
			}
		}
	}
	return bad
}

func weight(booking map[entry]int) int {
	sum := 0
	for _, grams := range booking {
		sum += grams
	}
	return sum
}

// never excuses nothing.
func never([]mailsink.Message) bool { return false }

// killedBetween excuses mails that were sent again because a worker was killed: whoever dies
// after the mail server's yes, and before that is noted, leaves nobody who knows of it. The mail
// server goes on with what it has when the sender is dead, for as long as late says.
func killedBetween(kills []time.Time, late time.Duration) func([]mailsink.Message) bool {
	return func(mails []mailsink.Message) bool {
		for i := range mails[1:] {
			first, second := mails[i].ReceivedAt, mails[i+1].ReceivedAt
			if !slices.ContainsFunc(kills, func(kill time.Time) bool { return first.Before(kill.Add(late)) && second.After(kill) }) {
				return false
			}
		}
		return true
	}
}

// changes says what has been done to orders from one reading to another, a sentence each.
func changes(orders []*order, was, is map[bytebites.OrderID]*book) []string {
	var bad []string
	for _, o := range orders {
		a, b := was[o.id], is[o.id]
		differf := func(same bool, format string, args ...any) {
			if !same {
				bad = append(bad, fmt.Sprintf(format, args...)+" of order "+string(o.id))
			}
		}
		differf(len(a.mails) == len(b.mails), "%d mails became %d", len(a.mails), len(b.mails))
		differf(a.week.Equal(b.week), "the week of the subscriber was planned again, because")
		differf(maps.Equal(a.booking, b.booking) && a.booked.Equal(b.booked), "%d g in the ledger became %d g", weight(a.booking), weight(b.booking))
		differf(maps.EqualFunc(a.done, b.done, time.Time.Equal), "the effects are done anew")
		differf(a.status == b.status, "the status became %s", b.status)
	}
	return bad
}

// mostTold is how many troubles of one sort are told one by one.
const mostTold = 3

// failIf returns a failure when there are troubles.
func failIf(bad []string, expected, look string) error {
	if len(bad) == 0 {
		return nil
	}
	return &lab.Failure{Expected: expected, Seen: few(bad), Look: lab.Look{Hint: look}}
}

// few are the first of many.
func few(all []string) string {
	told := strings.Join(all[:min(len(all), mostTold)], "; ")
	if rest := len(all) - mostTold; rest > 0 {
		told += fmt.Sprintf("; and %d more", rest)
	}
	return told
}
