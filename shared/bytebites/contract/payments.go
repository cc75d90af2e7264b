package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/httpapi"
)

type event struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	User   string `json:"user_id"`
	Order  string `json:"order_id"`
	Amount int64  `json:"amount_cents"`
}

// pay sends an event that is signed for a time with a secret.
func (c *Client) pay(ctx context.Context, e event, at time.Time, secret []byte) (*Answer, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return c.Post(ctx, "/webhooks/payments", Raw(body), Header(httpapi.SignatureHeader, httpapi.Sign(secret, body, at)))
}

func applied(answer *Answer) (bool, error) {
	if err := answer.Want(http.StatusOK); err != nil {
		return false, err
	}
	var body struct {
		Applied bool `json:"applied"`
	}
	if err := answer.Into(&body); err != nil {
		return false, err
	}
	return body.Applied, nil
}

func paymentChecks() []Check {
	return []Check{
		{"payment", "A payment is applied once, even if its event is repeated.", checkPayment},
		{"payment-failed", "A failed payment is recorded.", func(ctx context.Context, c *Client) error {
			one, e, err := unpaid(ctx, c)
			if err != nil {
				return err
			}
			e.Type = "payment.failed"
			answer, err := c.pay(ctx, e, time.Now(), c.PaymentSecret)
			if err != nil {
				return err
			}
			if done, err := applied(answer); err != nil || !done {
				return errors.Join(errors.New("the event was not applied"), err)
			}
			return awaitStatus(ctx, one, e.Order, bytebites.OrderPaymentFailed)
		}},
		{"payment-forged", "Forged, altered, stale and invalid events change nothing.", checkForged},
	}
}

// unpaid places an order and returns an event that pays for it.
func unpaid(ctx context.Context, c *Client) (*Client, event, error) {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return nil, event{}, err
	}
	o, err := one.placed(ctx, newKey(), []int{http.StatusCreated}, line{string(c.Meals[0]), 1})
	if err != nil {
		return nil, event{}, err
	}
	return one, event{ID: newKey(), Type: "payment.succeeded", User: one.User(), Order: o.ID, Amount: o.Total}, nil
}

func wantStatus(ctx context.Context, c *Client, id string, status bytebites.OrderStatus) error {
	o, err := c.getOrder(ctx, id)
	if err != nil {
		return err
	}
	if o.Status != string(status) {
		return fmt.Errorf("expected an order that is %s, saw %s", status, o.Status)
	}
	return nil
}

// An order's status may change a moment after its payment: from lab 05 on, a queue is in between.
const (
	settleTimeout = 5 * time.Second
	settlePoll    = 50 * time.Millisecond
)

// awaitStatus polls until the order has the status, or until settleTimeout.
func awaitStatus(ctx context.Context, c *Client, id string, status bytebites.OrderStatus) error {
	for deadline := time.Now().Add(settleTimeout); ; {
		err := wantStatus(ctx, c, id, status)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(settlePoll):
		}
	}
}

func checkPayment(ctx context.Context, c *Client) error {
	one, e, err := unpaid(ctx, c)
	if err != nil {
		return err
	}
	for i := range 3 {
		answer, err := c.pay(ctx, e, time.Now().Add(-time.Duration(i)*time.Second), c.PaymentSecret)
		if err != nil {
			return err
		}
		done, err := applied(answer)
		if err != nil {
			return err
		}
		if done != (i == 0) {
			return fmt.Errorf("event sent %d times: applied %v", i+1, done)
		}
	}
	return awaitStatus(ctx, one, e.Order, bytebites.OrderPaid)
}

func checkForged(ctx context.Context, c *Client) error {
	one, e, err := unpaid(ctx, c)
	if err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	now := time.Now()
	genuine := httpapi.Sign(c.PaymentSecret, body, now)
	stamp, hash, _ := strings.Cut(genuine, ",")
	altered := Raw(strings.Replace(string(body), "succeeded", "failed", 1))
	for name, try := range map[string]struct {
		body      Raw
		signature string
	}{
		"no signature":       {body, ""},
		"another secret":     {body, httpapi.Sign([]byte("guess"), body, now)},
		"altered body":       {altered, genuine},
		"altered time":       {body, fmt.Sprintf("t=%d,%s", now.Unix()+1, hash)},
		"stale":              {body, httpapi.Sign(c.PaymentSecret, body, now.Add(-httpapi.SignatureTolerance-time.Minute))},
		"of the future":      {body, httpapi.Sign(c.PaymentSecret, body, now.Add(httpapi.SignatureTolerance+time.Minute))},
		"no time":            {body, hash},
		"no hash":            {body, stamp},
		"half a hash":        {body, genuine[:len(genuine)-2]},
		"two times":          {body, stamp + "," + genuine},
		"nonsense":           {body, "t=,v1="},
		"time out of bounds": {body, "t=99999999999999999999," + hash},
		"many hashes":        {body, genuine + strings.Repeat(","+hash, 10)},
	} {
		answer, err := c.Post(ctx, "/webhooks/payments", try.body, Header(httpapi.SignatureHeader, try.signature), Hostile())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := answer.WantProblem(http.StatusUnauthorized, "unauthorized"); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := wantStatus(ctx, one, e.Order, bytebites.OrderPlaced); err != nil {
		return err
	}

	change := func(f func(*event)) event { changed := e; changed.ID = newKey(); f(&changed); return changed }
	for name, try := range map[string]struct {
		event  event
		status int
	}{
		"another amount":     {change(func(e *event) { e.Amount++ }), http.StatusConflict},
		"unknown order":      {change(func(e *event) { e.Order = "nothing" }), http.StatusNotFound},
		"another subscriber": {change(func(e *event) { e.User = "nobody" }), http.StatusNotFound},
		"no amount":          {change(func(e *event) { e.Amount = 0 }), http.StatusUnprocessableEntity},
		"unknown type":       {change(func(e *event) { e.Type = "payment.maybe" }), http.StatusUnprocessableEntity},
		"id of nothing":      {change(func(e *event) { e.ID = "" }), http.StatusUnprocessableEntity},
	} {
		raw, err := json.Marshal(try.event)
		if err != nil {
			return err
		}
		answer, err := c.Post(ctx, "/webhooks/payments", Raw(raw), Hostile(),
			Header(httpapi.SignatureHeader, httpapi.Sign(c.PaymentSecret, raw, time.Now())))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := answer.Want(try.status); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := wantStatus(ctx, one, e.Order, bytebites.OrderPlaced); err != nil {
		return err
	}
	answer, err := c.Post(ctx, "/webhooks/payments", Raw(body), Header(httpapi.SignatureHeader, genuine))
	if err != nil {
		return err
	}
	if done, err := applied(answer); err != nil || !done {
		return errors.Join(errors.New("the genuine event was not applied after the forged ones"), err)
	}
	return nil
}
