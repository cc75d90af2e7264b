package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// swallowed orders are placed while the relay's link to the broker swallows all that it sends.
	swallowed = 40
	// handedWithin is how soon a relay has something in hand, and gone is what it is given then
	// to send the rest.
	handedWithin = 5 * time.Second
	gone         = 300 * time.Millisecond
)

// lostOnTheWay has the link swallow what the relay sends, and cuts it. The broker has got nothing, and
// has refused nothing.
func (l *trial) lostOnTheWay(ctx context.Context, _ *lab.Run) (err error) {
	if err := l.needsQueue(); err != nil {
		return err
	}
	if err := l.relayLink.Swallow(ctx, true); err != nil {
		return err
	}
	placed, ordered := l.load(ctx, l.people, swallowed, 0)
	handed := l.awaitHanded(ctx, placed)
	// Cut first: nothing is to be sent again before that has come to nothing.
	err = l.relayLink.Cut(ctx)
	err = errors.Join(err, l.relayLink.Swallow(context.WithoutCancel(ctx), false), l.relayLink.Restore(context.WithoutCancel(ctx)))
	if err := errors.Join(ordered, handed, err); err != nil {
		return err
	}
	const lookAt = "Relay in publisher.go: when is an event delivered, and when only sent?"
	if err := l.wantDone(ctx, placed, "all effects of orders whose events were lost on the way to the broker", lookAt); err != nil {
		return err
	}
	return l.wantKept(ctx, placed, "consumers.go")
}

// awaitHanded waits until the relay has events of the orders in hand, or has done with them: until some
// are in no outbox, or locked there.
func (l *trial) awaitHanded(ctx context.Context, placed []*order) error {
	for deadline := time.Now().Add(handedWithin); time.Now().Before(deadline); {
		free := 0
		for _, n := range l.nodes {
			var here int
			err := n.pool.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT FROM outbox FOR KEY SHARE SKIP LOCKED) AS free`).Scan(&here)
			if err != nil {
				return fmt.Errorf("look into the outbox of %s: %w", n.name, err)
			}
			free += here
		}
		if free < 2*len(placed) {
			break
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	return sleep(ctx, gone)
}
