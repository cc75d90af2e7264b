package spec

import (
	"context"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/workshop/lab"
)

// many orders are placed where effects are looked at first.
const many = 200

// effects has people on all servers order, and looks at what comes of it. When all is quiet each of
// them orders once more, so that it is known which order a week must have been planned after.
func (l *trial) effects(ctx context.Context, run *lab.Run) error {
	l.heardFrom = len(l.early)
	l.heard, l.deaf = l.listen(ctx, nil)
	var silence *lab.Failure
	if l.deaf != nil && !errors.As(l.deaf, &silence) {
		return l.deaf
	}
	const expected, lookAt = "all effects of all orders", "consumers.go, and the logs of relay and worker in " + evidenceFolder
	placed, err := l.load(ctx, l.people, many, 0)
	l.early = append(l.early, placed...)
	if err != nil {
		return err
	}
	if err := l.wantDone(ctx, l.early, expected, lookAt); err != nil {
		return err
	}
	last, err := l.load(ctx, l.people, len(l.people), 0)
	l.early = append(l.early, last...)
	if err != nil {
		return err
	}
	if err := l.wantDone(ctx, last, expected, lookAt); err != nil {
		return err
	}
	run.Report("orders that effects were looked at of first", float64(len(l.early)), "")
	if err := l.wantKept(ctx, l.early, "consumers.go: what if a message comes twice, or two workers have it?"); err != nil {
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
	return failIf(bad, "a week planned after each subscriber's last order", "consumers.go: the order is part of what the next week is planned by")
}

// clock shows a moment of today.
const clock = "15:04:05.000"

// newConsumer looks whether a queue that nobody knows of got every order of the check before. What
// it and that check have seen says whether there is a queue to look at any further.
func (l *trial) newConsumer(ctx context.Context, _ *lab.Run) error {
	told := l.everybodyTold(ctx)
	undone, err := l.undone(ctx, l.early, bytebites.Effects())
	if err != nil {
		return errors.Join(told, err)
	}
	var failure *lab.Failure
	switch {
	case errors.As(told, &failure):
		l.missing = errors.New(failure.Seen)
	case len(undone) > 0:
		l.missing = errors.New("not all effects come")
	default:
		l.missing = told
	}
	return told
}

func (l *trial) everybodyTold(ctx context.Context) error {
	if l.deaf != nil {
		return l.deaf
	}
	if l.heard == nil {
		return &lab.Failure{Expected: "orders that a consumer can hear of", Seen: "needs the orders of another check", Look: lab.Look{Hint: "the check effects"}}
	}
	defer l.heard.close() //nolint:errcheck // what it heard is known
	placed := l.early[l.heardFrom:]
	for _, topic := range []bytebites.Topic{bytebites.TopicOrderPlaced, bytebites.TopicRecommendationRequest} {
		untold, err := l.heard.await(ctx, topic, placed)
		if err != nil {
			return err
		}
		if len(untold) > 0 {
			onServers := ""
			for n, theirs := range byHome(untold) {
				onServers += fmt.Sprintf(", %d of them on %s", len(theirs), n.name)
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("an event %s of each of %d orders, that Decode of package outbox reads, under the routing key %s", topic, len(placed), topic),
				Seen:     fmt.Sprintf("none of %d orders%s%s", len(untold), onServers, l.words(ctx)),
				Look:     lab.Look{Hint: "Checkout and Relay in publisher.go: each server has an outbox"},
			}
		}
	}
	return nil
}
