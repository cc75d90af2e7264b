package spec

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// effectOrders is how many orders the check "effects" places first.
	effectOrders = 120
	// heardOrders is how many orders the check "new consumer" places.
	heardOrders = 32
	// clock is how a failure shows a time of today.
	clock = "15:04:05.000"
)

// effects places orders on all servers and demands each effect of them once. When all are
// done each subscriber orders once more: a week must have been planned after that order.
func (l *trial) effects(ctx context.Context, run *lab.Run) error {
	const expected = "all effects of all orders"
	placed, err := l.load(ctx, l.people, effectOrders, 0)
	if err != nil {
		return err
	}
	if err := l.wantDone(ctx, placed, expected, lab.Look{File: "consumers.go", Func: "Consumers", Hint: "see relay.log and worker.log in .workshop/05-queue"}); err != nil {
		return err
	}
	last, err := l.load(ctx, l.people, len(l.people), 0)
	if err != nil {
		return err
	}
	if err := l.wantDone(ctx, last, expected, lab.Look{File: "consumers.go", Func: "Consumers", Hint: "see relay.log and worker.log in .workshop/05-queue"}); err != nil {
		return err
	}
	l.looked = append(placed, last...)
	run.Report("orders whose effects were checked first", float64(len(l.looked)), "")
	err = l.wantOnce(ctx, l.looked, lab.Look{File: "consumers.go", Func: "Consumers", Hint: "an event may come twice: do each effect once"})
	if err != nil {
		return err
	}
	books, err := l.read(ctx, last)
	if err != nil {
		return err
	}
	var bad []string
	for _, o := range last {
		if b := books[o.id]; b.week.Before(o.placedAt) {
			bad = append(bad, fmt.Sprintf("the week of %s was planned at %s, and order %s placed at %s",
				o.person.user, b.week.Format(clock), o.id, o.placedAt.Format(clock)))
		}
	}
	return failIf(bad, "a week planned after each subscriber's last order",
		lab.Look{File: "consumers.go", Func: "effects.recommendation", Hint: "the next week depends on the order: plan it after the order is written"})
}

// newConsumer binds a queue of its own to the exchange, places orders on all servers, and
// demands that the queue gets the events of each. It leaves no backlog to the checks after it.
func (l *trial) newConsumer(ctx context.Context, _ *lab.Run) error {
	told := []bytebites.Topic{bytebites.TopicOrderPlaced, bytebites.TopicRecommendationRequest}
	t, err := l.listen(ctx, nil, told...)
	if err != nil {
		return err
	}
	defer t.close() //nolint:errcheck // all that it heard has been looked at
	placed, err := l.load(ctx, l.mixed(heardOrders), heardOrders, 0)
	if err != nil {
		return err
	}
	for _, topic := range told {
		untold, err := t.await(ctx, topic, placed)
		if err != nil {
			return err
		}
		if len(untold) > 0 {
			onServers := ""
			for n, theirs := range byHome(untold) {
				onServers += fmt.Sprintf(", %d of them on %s", len(theirs), n.name)
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("an event %s of each of %d orders, readable by outbox.Decode, under the routing key %s", topic, len(placed), topic),
				Seen:     fmt.Sprintf("none of %d orders%s%s", len(untold), onServers, l.warnings(ctx)), Waited: lab.Last(stallTimeout),
				Look: lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "write both events of the order by c.Tell"},
			}
		}
	}
	return l.wantDone(ctx, placed, "all effects of orders whose events passed the broker",
		lab.Look{File: "consumers.go", Func: "Consumers", Hint: "see worker.log in .workshop/05-queue"})
}
