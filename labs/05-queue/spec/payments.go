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
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// paymentOrders are paid for, half of them by webhooks that come one after another and half
	// by webhooks at once.
	paymentOrders = 12
	// webhooks is how often each webhook comes, and paymentConcurrency for how many orders at a
	// time.
	webhooks           = 10
	paymentConcurrency = 2
)

// payment is an event of the payment provider, as the API has it.
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

// pay sends the webhook of an event until it is answered. It returns whether the answer says that
// this webhook was applied. That is known only of a webhook that was sent once.
func (l *trial) pay(ctx context.Context, p payment) (applied, known bool, err error) {
	body, err := json.Marshal(p)
	if err != nil {
		return false, false, fmt.Errorf("encode payment: %w", err)
	}
	a, tries, seen, err := l.retry(ctx, rig.Request{
		Method: http.MethodPost, Path: "/webhooks/payments", Body: json.RawMessage(body),
		Header: map[string]string{httpapi.SignatureHeader: httpapi.Sign(l.servers.Bed.PaymentSecret(), body, time.Now())},
	}, http.StatusOK)
	if err != nil {
		return false, false, err
	}
	if seen != "" {
		return false, false, &lab.Failure{
			Expected: fmt.Sprintf("a payment's webhook to be answered with 200 within %s", retryFor), Seen: seen, Waited: lateAnswer(a),
			Look: lab.Look{File: "publisher.go", Func: "Payments.Receive", Hint: "let a webhook wait for RecordPayment only, and leave the broker to the relay"},
		}
	}
	var webhook struct {
		Applied bool `json:"applied"`
	}
	err = a.Into(&webhook)
	return webhook.Applied, tries == 1, err
}

// payments sends the webhook of each payment ten times, for orders on all servers.
func (l *trial) payments(ctx context.Context, _ *lab.Run) (err error) {
	tap, err := l.listen(ctx, nil, bytebites.TopicPaymentProcessed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tap.close()) }()
	placed, err := l.load(ctx, l.mixed(paymentOrders), paymentOrders, 0)
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
	err = failIf(bad, "one webhook of each payment to be applied",
		lab.Look{File: "publisher.go", Func: "Payments.Receive", Hint: "return what RecordPayment returns: false for a payment that was recorded before"})
	if err != nil {
		return err
	}
	untold, err := tap.await(ctx, bytebites.TopicPaymentProcessed, placed)
	if err != nil {
		return err
	}
	if len(untold) > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("an event %s of each of %d payments", bytebites.TopicPaymentProcessed, paymentOrders),
			Seen:     fmt.Sprintf("none of %d%s", len(untold), l.warnings(ctx)), Waited: lab.Last(stallTimeout),
			Look: lab.Look{File: "publisher.go", Func: "Payments.Receive", Hint: "call p.outbox.Add inside RecordPayment, with eventOf(event)"},
		}
	}
	return l.wantPaid(ctx, placed)
}

// between has bounds of a number that is not known exactly.
type between struct{ least, most int }

// payAll sends all webhooks of each payment, and returns how many of them were applied, by order.
func (l *trial) payAll(ctx context.Context, placed []*order) ([]between, error) {
	counts := make([]between, len(placed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(paymentConcurrency)
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

// wantPaid waits until orders are paid, and demands that it was by one event each.
func (l *trial) wantPaid(ctx context.Context, orders []*order) error {
	const expected = "orders that are paid by one event each"
	look := lab.Look{File: "consumers.go", Func: "effects.payment", Hint: "see worker.log in .workshop/05-queue"}
	for since := time.Now(); ; {
		var bad []string
		twice := false // a second event is no matter of time
		for n, theirs := range byHome(orders) {
			err := postgres.Each(ctx, n.pool, `
SELECT o.id, o.status, (SELECT count(*) FROM payment_events AS e WHERE e.order_id = o.id AND e.succeeded) FROM orders AS o WHERE o.id = ANY ($1)`,
				[]any{idsOf(theirs)}, func(scan func(...any) error) error {
					var id, status string
					var events int
					err := scan(&id, &status, &events)
					if status != string(bytebites.OrderPaid) || events != 1 {
						bad = append(bad, fmt.Sprintf("order %s is %s, by %d events", id, status, events))
						twice = twice || events > 1
					}
					return err
				})
			if err != nil {
				return fmt.Errorf("read payments on %s: %w", n.name, err)
			}
		}
		switch {
		case len(bad) == 0:
			return nil
		case time.Since(since) <= stallTimeout:
		case twice:
			return failIf(bad, expected, look)
		default:
			return &lab.Failure{Expected: expected, Seen: few(bad), Waited: lab.Last(stallTimeout), Look: look}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}
