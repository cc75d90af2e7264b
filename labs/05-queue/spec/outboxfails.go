package spec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// lockedTimeout is how soon a replica waits for a locked outbox.
	lockedTimeout = 5 * time.Second
	// rollbackTimeout is how soon PostgreSQL has ended the transactions of a killed replica.
	rollbackTimeout = 5 * time.Second
)

// refuseEvents makes the outbox take no event of a subscriber, whose id is its only place.
const refuseEvents = `
CREATE OR REPLACE FUNCTION check_refuse_events() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN
    IF NEW.user_id = '%s' THEN
        RAISE EXCEPTION 'the check makes the outbox refuse events';
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER check_refuse_events BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION check_refuse_events();`

const takeEvents = `
DROP TRIGGER IF EXISTS check_refuse_events ON outbox;
DROP FUNCTION IF EXISTS check_refuse_events;`

// request is a request that a check repeats: an order or a webhook of a subscriber of the old server.
type request struct {
	what string
	rig.Request
	look lab.Look
	// exists reports whether the row of the request is there.
	exists func(context.Context) (bool, error)
}

// outboxFails makes the outbox refuse events, and then kills a replica while it adds some.
func (l *trial) outboxFails(ctx context.Context, _ *lab.Run) error {
	paid, err := l.load(ctx, l.old()[2:3], 2, 0)
	if err != nil {
		return err
	}
	first, err := l.pair(l.old()[2], paid[0])
	if err != nil {
		return err
	}
	if err := l.refused(ctx, l.old()[2], first); err != nil {
		return err
	}
	second, err := l.pair(l.old()[2], paid[1])
	if err != nil {
		return err
	}
	if err := l.killedBetween(ctx, second); err != nil {
		return err
	}
	return l.wantPaid(ctx, paid)
}

// pair returns a request for a new order of a subscriber, and the webhook of an earlier order.
func (l *trial) pair(p *person, earlier *order) ([]request, error) {
	key := fmt.Sprintf("check-%d", l.keys.Add(1))
	body, err := json.Marshal(paymentOf(earlier))
	if err != nil {
		return nil, fmt.Errorf("encode payment: %w", err)
	}
	return []request{
		{
			what: "an order",
			Request: rig.Request{
				Method: http.MethodPost, Path: "/orders", Body: map[string][]line{"lines": someLines()},
				Header: map[string]string{"Cookie": p.cookie, "Idempotency-Key": key},
			},
			look:   placeLook("call c.Tell inside Place, so that the order and its events are stored or neither is"),
			exists: func(ctx context.Context) (bool, error) { return l.orderOfKey(ctx, p, key, nil) },
		}, {
			what: "a payment",
			Request: rig.Request{
				Method: http.MethodPost, Path: "/webhooks/payments", Body: json.RawMessage(body),
				Header: map[string]string{httpapi.SignatureHeader: httpapi.Sign(l.servers.Bed.PaymentSecret(), body, time.Now())},
			},
			look: receiveLook("call p.outbox.Add inside RecordPayment, so that the payment and its event are stored or neither is"),
			exists: func(ctx context.Context) (there bool, err error) {
				err = l.nodes[0].pool.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM payment_events WHERE event_id = $1)`, paymentOf(earlier).ID).Scan(&there)
				return there, err
			},
		},
	}, nil
}

// orderOfKey reports whether a subscriber has an order with an Idempotency-Key, and sets id to the id
// of that order unless id is nil.
func (l *trial) orderOfKey(ctx context.Context, p *person, key string, id *bytebites.OrderID) (bool, error) {
	var found string
	err := l.nodes[0].pool.QueryRowContext(ctx, `SELECT coalesce(max(id), '') FROM orders WHERE user_id = $1 AND idempotency_key = $2`,
		string(p.user), key).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look up order: %w", err)
	}
	if id != nil {
		*id = bytebites.OrderID(found)
	}
	return found != "", nil
}

// refused sends both requests while the outbox refuses events, and again when it takes them.
func (l *trial) refused(ctx context.Context, p *person, requests []request) (err error) {
	pool := l.nodes[0].pool
	take := func() error {
		_, err := pool.ExecContext(context.WithoutCancel(ctx), takeEvents)
		return err
	}
	defer func() { err = errors.Join(err, take()) }()
	if _, err := pool.ExecContext(ctx, fmt.Sprintf(refuseEvents, p.user)); err != nil {
		return fmt.Errorf("make the outbox refuse events: %w", err)
	}
	for _, r := range requests {
		answer, err := l.ask(ctx, r.Request)
		if err != nil {
			return &lab.Failure{Expected: "an answer while the outbox refuses events", Seen: err.Error(), Waited: lab.Late(err), Look: r.look}
		}
		there, err := r.exists(ctx)
		if err != nil {
			return err
		}
		if answer.Status < http.StatusInternalServerError || there {
			return &lab.Failure{
				Expected: fmt.Sprintf("a server error, and nothing stored, for %s whose event the outbox refuses", r.what),
				Seen:     fmt.Sprintf("%s, stored %t", answer, there), Look: r.look,
			}
		}
	}
	if err := take(); err != nil {
		return fmt.Errorf("make the outbox take events: %w", err)
	}
	return l.repeat(ctx, requests)
}

// repeat sends requests again until they are accepted. The order must get all its effects.
func (l *trial) repeat(ctx context.Context, requests []request) error {
	for _, r := range requests {
		a, _, seen, err := l.retry(ctx, r.Request, http.StatusCreated, http.StatusOK)
		if err != nil {
			return err
		}
		if seen != "" {
			return &lab.Failure{Expected: fmt.Sprintf("%s to be accepted when the outbox takes events again", r.what), Seen: seen, Waited: lateAnswer(a), Look: r.look}
		}
	}
	return l.wantTold(ctx, requests[0])
}

// wantTold waits for the effects of the order of a request.
func (l *trial) wantTold(ctx context.Context, r request) error {
	o := &order{person: l.old()[2]}
	there, err := l.orderOfKey(ctx, o.person, r.Header["Idempotency-Key"], &o.id)
	if err != nil {
		return err
	}
	if !there {
		return &lab.Failure{Expected: "an order that was accepted, in the database", Seen: "none", Look: r.look}
	}
	return l.wantDone(ctx, []*order{o}, "all effects of an order that was accepted at a later try", r.look)
}

// killedBetween kills a replica while it waits for the locked outbox. Then there is both, the row and
// its event, or neither.
func (l *trial) killedBetween(ctx context.Context, requests []request) error {
	replica := l.replicas[1]
	release, err := l.nodes[0].lock(ctx, "outbox")
	if err != nil {
		return err
	}
	asking, hangUp := context.WithCancel(ctx)
	answers := make(chan bool, len(requests))
	for _, r := range requests {
		go func() {
			_, err := rig.Ask(asking, l.http, replica.URL(), r.Request)
			answers <- err == nil
		}()
	}
	waiting := l.awaitWriters(ctx, len(requests))
	killed := replica.Kill(ctx)
	hangUp()
	for range requests {
		<-answers // false: the connection is lost
	}
	err = errors.Join(waiting, killed, release(), l.awaitRollback(ctx))
	if started := replica.Start(context.WithoutCancel(ctx)); err == nil {
		err = started
	}
	if err != nil {
		return err
	}
	for _, r := range requests {
		there, err := r.exists(ctx)
		if err != nil {
			return err
		}
		if there {
			// It must have been told of. The relay may have its event already.
			if r.what == "an order" {
				err = l.wantTold(ctx, r)
			} else {
				err = l.wantSettled(ctx, r)
			}
		}
		if err != nil {
			return err
		}
	}
	return l.repeat(ctx, requests)
}

// wantSettled waits until the payment of a webhook has paid for its order.
func (l *trial) wantSettled(ctx context.Context, r request) error {
	var p payment
	body, ok := r.Body.(json.RawMessage)
	if !ok {
		return fmt.Errorf("body of %s: %T", r.what, r.Body)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return fmt.Errorf("read payment: %w", err)
	}
	var status string
	paid := func() bool {
		err := l.nodes[0].pool.QueryRowContext(ctx, `SELECT status FROM orders WHERE id = $1`, string(p.Order)).Scan(&status)
		return err == nil && status == string(bytebites.OrderPaid)
	}
	settled, err := within(ctx, stallTimeout, paid)
	if err == nil && !settled {
		err = &lab.Failure{
			Expected: "a payment with its event, or neither, of a replica that was killed while it stored them",
			Seen:     "a payment that is recorded, and an order that is " + status, Look: r.look,
		}
	}
	return err
}

// awaitWriters waits until n transactions wait to add to the locked outbox.
func (l *trial) awaitWriters(ctx context.Context, n int) error {
	waiting := 0
	var failed error
	come, err := within(ctx, lockedTimeout, func() bool {
		failed = l.nodes[0].pool.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'outbox'::regclass AND mode = 'RowExclusiveLock'`).Scan(&waiting)
		return failed != nil || waiting >= n
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if !come {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d requests, an order and a webhook, that add an event to the outbox of the subscriber's server before they are answered", n),
			Seen:     fmt.Sprintf("%d, while the outbox is locked", waiting), Waited: lab.Last(lockedTimeout),
			Look: placeLook("write the events in the order's transaction by c.Tell, and in Payments.Receive by p.outbox.Add"),
		}
	}
	return nil
}

// awaitRollback waits until no transaction of the killed replica is left on the old server.
func (l *trial) awaitRollback(ctx context.Context) error {
	left := 0
	var failed error
	gone, err := within(ctx, rollbackTimeout, func() bool {
		failed = l.nodes[0].pool.QueryRowContext(ctx,
			`SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'outbox'::regclass`).Scan(&left)
		return failed != nil || left == 0
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if !gone {
		return fmt.Errorf("end the transactions of a killed replica: %d still wait", left)
	}
	return rig.Pause(ctx, settleDelay)
}
