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
)

const (
	// unwanted is how many orders are placed whose recommendation requests no queue wants.
	unwanted = 6
	// seenWithin is how soon that is seen.
	seenWithin = 5 * time.Second
)

// unroutable takes all bindings of a topic away, and puts them back.
func (l *trial) unroutable(ctx context.Context, _ *lab.Run) (err error) {
	if err := l.needsQueue(); err != nil {
		return err
	}
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
	putBack := func() error {
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
		return errors.Join(err, putBack())
	}
	placed, seen := l.placeUnwanted(ctx, returned)
	if err := errors.Join(putBack(), seen); err != nil {
		return err
	}
	return l.wantDone(ctx, placed, "weeks for orders whose events no queue wanted, when a queue is bound again",
		"Relay in publisher.go: a message that is returned is confirmed too")
}

// placeUnwanted places orders while the topic has no queue, and looks where its events are.
func (l *trial) placeUnwanted(ctx context.Context, before float64) ([]*order, error) {
	placed, err := l.load(ctx, l.mixed(unwanted), unwanted, 0)
	if err != nil {
		return placed, err
	}
	// When what is wanted has come, the rest has been published too.
	err = l.wantDone(ctx, placed, "mails and bookings of orders whose other events no queue wants",
		"Relay in publisher.go: what does an event that cannot be delivered keep from whom?", bytebites.EffectEmail, bytebites.EffectLedger)
	if err != nil {
		return placed, err
	}
	for deadline := time.Now().Add(seenWithin); ; {
		waiting, err := l.waiting(ctx, bytebites.TopicRecommendationRequest)
		if err != nil {
			return placed, err
		}
		returned, err := l.returned(ctx)
		if err != nil {
			return placed, err
		}
		switch {
		case waiting == unwanted && returned > before:
			return placed, nil
		case time.Now().After(deadline):
			return placed, &lab.Failure{
				Expected: fmt.Sprintf("%d events that no queue wants in the outboxes, and counted as returned by the relay", unwanted),
				Seen:     fmt.Sprintf("%d there, and %.0f counted", waiting, returned-before),
				Look:     lab.Look{Hint: "Relay in publisher.go: a message that is returned is confirmed too"},
			}
		}
		if err := sleep(ctx, lookEvery); err != nil {
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
			return 0, fmt.Errorf("look into the outbox of %s: %w", n.name, err)
		}
		sum += here
	}
	return sum, nil
}

// returned is how many events the relay says were returned to it.
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
