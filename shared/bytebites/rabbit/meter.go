package rabbit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Delivery is what became of an event that was published.
type Delivery string

// What becomes of events.
const (
	Confirmed Delivery = "confirmed" // the broker has it, in a queue at least
	Nacked    Delivery = "nacked"    // the broker could not keep it
	Returned  Delivery = "returned"  // no queue is bound to its topic
)

// Handling is what became of a message that was consumed.
type Handling string

// What becomes of messages.
const (
	Done      Handling = "done"
	Duplicate Handling = "duplicate" // its effect was done before
	Retried   Handling = "retried"   // it failed, and comes again
	Parked    Handling = "parked"    // it comes no more by itself
)

// Meter says in metrics how far events have come.
type Meter struct {
	events, oldest     *prometheus.GaugeVec
	published, handled *prometheus.CounterVec
	age                *prometheus.HistogramVec
	blocked            prometheus.Gauge
}

// NewMeter returns a meter whose metrics are among those.
func NewMeter(metrics prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		events: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bytebites_outbox_events",
			Help: "Events that wait in the outbox of a server.",
		}, []string{"server"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bytebites_outbox_oldest_seconds",
			Help: "Seconds that the oldest event has waited in the outbox of a server; 0 when none waits.",
		}, []string{"server"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_events_published_total",
			Help: "Events that were published, by what became of them.",
		}, []string{"outcome"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_messages_handled_total",
			Help: "Messages that were consumed from a queue, by what became of them.",
		}, []string{"queue", "outcome"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bytebites_message_age_seconds",
			Help:    "Seconds from when something happened to when what follows from it was done, by the queue it went through.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"queue"}),
		blocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bytebites_broker_blocked",
			Help: "1 while the broker takes no messages, for want of memory or disk.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.events, m.oldest, m.published, m.handled, m.age, m.blocked} {
		if err := metrics.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	for _, outcome := range []Delivery{Confirmed, Nacked, Returned} {
		m.Published(outcome, 0) // there from the start: a rate needs a zero to begin at
	}
	return m, nil
}

// Backlog notes what waits in the outbox of a server, and for how long its oldest has.
func (m *Meter) Backlog(server string, events int, oldest time.Duration) {
	m.events.WithLabelValues(server).Set(float64(events))
	m.oldest.WithLabelValues(server).Set(oldest.Seconds())
}

// Published counts n events that were published.
func (m *Meter) Published(outcome Delivery, n int) {
	m.published.WithLabelValues(string(outcome)).Add(float64(n))
}

// Handled counts a message that was consumed.
func (m *Meter) Handled(queue string, outcome Handling) {
	m.handled.WithLabelValues(queue, string(outcome)).Inc()
}

// Age notes how old an event was when what follows from it was done: since it happened, see
// bytebites.Event.At.
func (m *Meter) Age(queue string, age time.Duration) {
	m.age.WithLabelValues(queue).Observe(max(age, 0).Seconds())
}

// Blocked notes whether the broker takes no messages at present.
func (m *Meter) Blocked(blocked bool) {
	m.blocked.Set(0)
	if blocked {
		m.blocked.Set(1)
	}
}
