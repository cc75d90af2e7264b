package spec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// paid orders are paid for, half of them by webhooks that come one after another and half
	// by webhooks at once.
	paid = 12
	// webhooks is how often each comes, and paidAtOnce how many orders' are under way at a time.
	webhooks   = 10
	paidAtOnce = 2
)

// payment is what the provider says, in the API's words.
type payment struct {
	ID     string            `json:"id"`
	Type   string            `json:"type"`
	User   bytebites.UserID  `json:"user_id"`
	Order  bytebites.OrderID `json:"order_id"`
	Amount bytebites.Cents   `json:"amount_cents"`
}

// paymentOf returns the event that an order was paid for.
func paymentOf(o *order) payment {
	return payment{ID: "evt-" + string(o.id), Type: "payment.succeeded", User: o.person.user, Order: o.id, Amount: o.total}
}

// pay sends an event's webhook until there is an answer, and returns whether that says that it was
// applied. Of a webhook that was sent more than once nobody knows who did.
func (l *trial) pay(ctx context.Context, p payment) (applied, known bool, err error) {
	body, err := json.Marshal(p)
	if err != nil {
		return false, false, fmt.Errorf("encode payment: %w", err)
	}
	a, tries, err := l.persist(ctx, request{
		method: http.MethodPost, path: "/webhooks/payments", body: json.RawMessage(body),
		header: map[string]string{httpapi.SignatureHeader: httpapi.Sign(l.servers.Bed.PaymentSecret(), body, time.Now())},
	}, http.StatusOK)
	if err != nil {
		return false, false, err
	}
	var said struct {
		Applied bool `json:"applied"`
	}
	err = a.into(&said)
	return said.Applied, tries == 1, err
}

// payments has webhooks come again and again, for orders on all servers.
func (l *trial) payments(ctx context.Context, _ *lab.Run) (err error) {
	if err := l.needsQueue(); err != nil {
		return err
	}
	tap, err := l.listen(ctx, nil, bytebites.TopicPaymentProcessed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	placed, err := l.load(ctx, l.mixed(paid), paid, 0)
	if err != nil {
		return err
	}
	applied, err := l.payAll(ctx, placed)
	if err != nil {
		return err
	}
	var bad []string
	for i, n := range applied {
		if n.least > 1 || n.most < 1 {
			bad = append(bad, fmt.Sprintf("%d of %d webhooks for order %s applied", n.least, webhooks, placed[i].id))
		}
	}
	if err := failIf(bad, "one webhook of each payment to be applied", "Payments in publisher.go: what does it return for a payment that it has recorded before?"); err != nil {
		return err
	}
	untold, err := tap.await(ctx, bytebites.TopicPaymentProcessed, placed)
	if err != nil {
		return err
	}
	if len(untold) > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("an event %s of each of %d payments", bytebites.TopicPaymentProcessed, paid),
			Seen:     fmt.Sprintf("none of %d%s", len(untold), l.words(ctx)), Look: lab.Look{Hint: "Payments in publisher.go"},
		}
	}
	return l.wantPaid(ctx, placed)
}

// between is a number that is not known better.
type between struct{ least, most int }

// payAll has each payment's webhooks come, and returns how many of them were applied, by order.
func (l *trial) payAll(ctx context.Context, placed []*order) ([]between, error) {
	counts := make([]between, len(placed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(paidAtOnce)
	for i, o := range placed {
		group.Go(func() error {
			var mu sync.Mutex
			sending, ctx := errgroup.WithContext(ctx)
			if i%2 == 0 {
				sending.SetLimit(1)
			}
			for range webhooks {
				sending.Go(func() error {
					applied, known, err := l.pay(ctx, paymentOf(o))
					mu.Lock()
					defer mu.Unlock()
					if applied {
						counts[i].least++
					}
					if applied || !known {
						counts[i].most++
					}
					return err
				})
			}
			return sending.Wait()
		})
	}
	return counts, group.Wait()
}

// wantPaid demands that orders are paid, by one event each.
func (l *trial) wantPaid(ctx context.Context, orders []*order) error {
	for since := time.Now(); ; {
		var bad []string
		for n, theirs := range byHome(orders) {
			err := n.each(ctx, `
SELECT o.id, o.status, (SELECT count(*) FROM payment_events AS e WHERE e.order_id = o.id AND e.succeeded) FROM orders AS o WHERE o.id = ANY ($1)`,
				idsOf(theirs), func(scan func(...any) error) error {
					var id, status string
					var events int
					err := scan(&id, &status, &events)
					if status != string(bytebites.OrderPaid) || events != 1 {
						bad = append(bad, fmt.Sprintf("order %s is %s, by %d events", id, status, events))
					}
					return err
				})
			if err != nil {
				return fmt.Errorf("look for payments on %s: %w", n.name, err)
			}
		}
		if len(bad) == 0 || time.Since(since) > stall {
			return failIf(bad, "orders that are paid by one event each", "the handler of payments in consumers.go")
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}
