package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// unroutableOrders is how many orders are placed while no queue takes recommendation requests.
	unroutableOrders = 6
	// countTimeout is how soon the outboxes and the metrics must show their events.
	countTimeout = 5 * time.Second
)

// unroutable removes all bindings of a topic, and restores them.
func (l *trial) unroutable(ctx context.Context, _ *lab.Run) (err error) {
	all, err := l.bindings(ctx)
	if err != nil {
		return err
	}
	topic := bytebites.TopicRecommendationRequest
	theirs := slices.DeleteFunc(all, func(b binding) bool { return !b.matches(string(topic)) })
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	returned, err := l.returned(ctx)
	if err != nil {
		return err
	}
	restore := func() error {
		var failures []error
		for _, b := range theirs {
			failures = append(failures, w.bind(b))
		}
		return errors.Join(failures...)
	}
	for _, b := range theirs {
		err = errors.Join(err, w.unbind(b))
	}
	if err != nil {
		return errors.Join(err, restore())
	}
	placed, counted := l.placeUnroutable(ctx, returned)
	if err := errors.Join(restore(), counted); err != nil {
		return err
	}
	return l.wantDone(ctx, placed, "weeks for orders whose events no queue took, when a queue is bound again",
		lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "leave out the ids of returned messages: the broker confirms them too"})
}

// placeUnroutable places orders while the topic has no queue, and counts its events.
func (l *trial) placeUnroutable(ctx context.Context, before float64) ([]*order, error) {
	placed, err := l.load(ctx, l.mixed(unroutableOrders), unroutableOrders, 0)
	if err != nil {
		return placed, err
	}
	// When the other effects have come, the unroutable events were published too.
	err = l.wantDone(ctx, placed, "mails and bookings of orders whose other events no queue takes",
		lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "go on with the batch after a returned message, and return the ids of the confirmed ones"}, bytebites.EffectEmail, bytebites.EffectLedger)
	if err != nil {
		return placed, err
	}
	for deadline := time.Now().Add(countTimeout); ; {
		waiting, err := l.waiting(ctx, bytebites.TopicRecommendationRequest)
		if err != nil {
			return placed, err
		}
		returned, err := l.returned(ctx)
		if err != nil {
			return placed, err
		}
		switch {
		case waiting == unroutableOrders && returned > before:
			return placed, nil
		case time.Now().After(deadline):
			return placed, &lab.Failure{
				Expected: fmt.Sprintf("%d events that no queue takes in the outboxes, and counted as returned by the relay", unroutableOrders),
				Seen:     fmt.Sprintf("%d in the outboxes, and %.0f counted", waiting, returned-before), Waited: lab.Last(countTimeout),
				Look: lab.Look{File: "publisher.go", Func: "NewPublisher", Hint: "leave out the ids of returned messages: the broker confirms them too"},
			}
		}
		if err := rig.Pause(ctx, pollInterval); err != nil {
			return placed, err
		}
	}
}

// waiting counts the events of a topic in all outboxes.
func (l *trial) waiting(ctx context.Context, topic bytebites.Topic) (int, error) {
	sum := 0
	for _, n := range l.nodes {
		var here int
		if err := n.pool.QueryRowContext(ctx, `SELECT count(*) FROM outbox WHERE topic = $1`, string(topic)).Scan(&here); err != nil {
			return 0, fmt.Errorf("count the outbox of %s: %w", n.name, err)
		}
		sum += here
	}
	return sum, nil
}

// returned reads from the relay's metrics how many events were returned to it.
func (l *trial) returned(ctx context.Context) (float64, error) {
	metrics, err := promstat.Read(ctx, l.relay.role.MetricsURL())
	if err != nil {
		return 0, err
	}
	for _, m := range metrics["bytebites_events_published_total"].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "outcome" && label.GetValue() == "returned" {
				return m.GetCounter().GetValue(), nil
			}
		}
	}
	return 0, nil
}
