package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// swallowedOrders are placed while the relay's link to the broker swallows all that is sent.
	swallowedOrders = 40
	// handTimeout is how soon the relay takes events out of an outbox, and sendDelay how long it
	// then has to send the rest.
	handTimeout = 5 * time.Second
	sendDelay   = 300 * time.Millisecond
)

// lostOnTheWay has the link swallow all that the relay sends, and then cuts the link. The
// broker got no event, and refused none.
func (l *trial) lostOnTheWay(ctx context.Context, _ *lab.Run) (err error) {
	if err := l.relayLink.Swallow(ctx, true); err != nil {
		return err
	}
	placed, ordered := l.load(ctx, l.people, swallowedOrders, 0)
	handed := l.awaitHanded(ctx, placed)
	// The link is cut first: the relay must not reach the broker before its connection is lost.
	err = l.relayLink.Cut(ctx)
	err = errors.Join(err, l.relayLink.Swallow(context.WithoutCancel(ctx), false), l.relayLink.Restore(context.WithoutCancel(ctx)))
	if err := errors.Join(ordered, handed, err); err != nil {
		return err
	}
	return l.wantDone(ctx, placed, "all effects of orders whose events were lost on the way to the broker",
		lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "a publish without an error is not a confirm: return only the ids that the broker has confirmed"})
}

// awaitHanded waits until the relay works on events of the orders: until some are in no
// outbox, or locked there.
func (l *trial) awaitHanded(ctx context.Context, placed []*order) error {
	for deadline := time.Now().Add(handTimeout); time.Now().Before(deadline); {
		free := 0
		for _, n := range l.nodes {
			var here int
			err := n.pool.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT FROM outbox FOR KEY SHARE SKIP LOCKED) AS free`).Scan(&here)
			if err != nil {
				return fmt.Errorf("count the outbox of %s: %w", n.name, err)
			}
			free += here
		}
		if free < 2*len(placed) {
			break
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return err
		}
	}
	return rig.Pause(ctx, sendDelay)
}
