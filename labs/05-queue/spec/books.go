package spec

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// entry is an ingredient that a supplier delivers for an order.
type entry struct{ supplier, ingredient string }

// recipes has the grams of each ingredient in a portion of each meal.
type recipes map[bytebites.MealID]map[entry]int

// readRecipes reads the recipes of all meals.
func readRecipes(ctx context.Context, catalogue *sql.DB) (all recipes, err error) {
	all = make(recipes)
	err = postgres.Each(ctx, catalogue, `SELECT meal_id, supplier, name, grams FROM ingredients`, nil, func(scan func(...any) error) error {
		var meal bytebites.MealID
		var e entry
		var grams int
		if err := scan(&meal, &e.supplier, &e.ingredient, &grams); err != nil {
			return err
		}
		if all[meal] == nil {
			all[meal] = make(map[entry]int)
		}
		all[meal][e] += grams
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read recipes: %w", err)
	}
	return all, nil
}

// booking returns the entries that the ledger must have for an order.
func (r recipes) booking(lines []line) map[entry]int {
	all := make(map[entry]int)
	for _, l := range lines {
		for e, grams := range r[l.Meal] {
			all[e] += grams * l.Quantity
		}
	}
	return all
}

// book is the state of one order in the databases and at the mail server.
type book struct {
	status  bytebites.OrderStatus
	done    map[bytebites.Effect]time.Time
	booking map[entry]int
	booked  time.Time // of the last ledger entry
	week    time.Time // when the subscriber's week was planned
	mails   []mailsink.Message
}

// read reads the state of orders on their servers and at the mail server.
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

// sortMails adds mails to the books of the orders that they confirm.
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
	err := postgres.Each(ctx, n.pool, `SELECT o.id, o.status, w.planned_at FROM orders AS o LEFT JOIN weeks AS w USING (user_id) WHERE o.id = ANY ($1)`, []any{ids},
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
	return postgres.Each(ctx, n.pool, `SELECT order_id, supplier, ingredient, grams, booked_at FROM supplier_ledger WHERE order_id = ANY ($1)`, []any{ids},
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

// eachEffect calls note with each effect of the orders that is done, and the time.
func (n *node) eachEffect(ctx context.Context, ids pq.StringArray, note func(bytebites.OrderID, bytebites.Effect, time.Time)) error {
	return postgres.Each(ctx, n.pool, `SELECT order_id, effect, done_at FROM order_effects WHERE order_id = ANY ($1)`, []any{ids},
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

// problems returns a sentence for each thing that is wrong with orders whose effects are done. The
// function excused decides on orders with more than one mail.
//
// The wait is what all of them rest on. It is zero when one does not rest on time, see rig.LateMail.
func (r recipes) problems(orders []*order, books map[bytebites.OrderID]*book, excused func(mails []mailsink.Message) bool) (bad []string, rests lab.Waited) {
	var waits []lab.Waited
	addf := func(rests lab.Waited, format string, args ...any) {
		bad, waits = append(bad, fmt.Sprintf(format, args...)), append(waits, rests)
	}
	for _, o := range orders {
		b := books[o.id]
		for _, effect := range bytebites.Effects() {
			if b.done[effect].IsZero() {
				addf(lab.Waited{}, "%s of order %s is not done", effect, o.id)
			}
		}
		if want := r.booking(o.lines); !maps.Equal(b.booking, want) {
			addf(lab.Waited{}, "%d entries of %d g in the ledger for order %s, not %d of %d g",
				len(b.booking), weight(b.booking), o.id, len(want), weight(want))
		}
		if n := len(b.mails); n == 0 || n > 1 && !excused(b.mails) {
			addf(lateMails(b.mails), "%d mails for order %s", n, o.id)
		}
		for _, m := range b.mails {
			if !slices.Equal(m.To, []string{o.person.email}) {
				addf(lab.Waited{}, "the mail for order %s of %s went to %v", o.id, o.person.email, m.To)
			}
		}
	}
	return bad, lab.All(waits...)
}

// lateMails returns the wait that the mails after the first rest on.
func lateMails(mails []mailsink.Message) lab.Waited {
	var waits []lab.Waited
	for i := 1; i < len(mails); i++ {
		waits = append(waits, rig.LateMail(mails[i-1].ReceivedAt, mails[i].ReceivedAt))
	}
	return lab.All(waits...)
}

func weight(booking map[entry]int) int {
	sum := 0
	for _, grams := range booking {
		sum += grams
	}
	return sum
}

// never excuses no second mail.
func never([]mailsink.Message) bool { return false }

// killedBetween excuses mails that were sent again because a worker was killed between them. A
// worker that dies after the mail server accepted a mail, and before it noted that, leaves no
// trace of the mail. The mail server may accept the mail of a dead worker up to late after the kill.
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

// changes returns a sentence for each change of orders between two readings.
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
		differf(a.week.Equal(b.week), "the week of the subscriber was planned again, a change")
		differf(maps.Equal(a.booking, b.booking) && a.booked.Equal(b.booked), "%d g in the ledger became %d g", weight(a.booking), weight(b.booking))
		differf(maps.EqualFunc(a.done, b.done, time.Time.Equal), "the effects are done anew")
		differf(a.status == b.status, "the status became %s", b.status)
	}
	return bad
}

// maxListed is how many problems of one sort a failure lists.
const maxListed = 3

// failIf returns a failure when there are problems.
func failIf(bad []string, expected string, look lab.Look) error {
	return failLate(bad, lab.Waited{}, expected, look)
}

// failLate is failIf for problems that rest on that wait.
func failLate(bad []string, rests lab.Waited, expected string, look lab.Look) error {
	if len(bad) == 0 {
		return nil
	}
	return &lab.Failure{Expected: expected, Seen: few(bad), Look: look, Waited: rests}
}

// few joins the first problems, and counts the rest.
func few(all []string) string {
	text := strings.Join(all[:min(len(all), maxListed)], "; ")
	if more := len(all) - maxListed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
