package rabbit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Delivery is the outcome of publishing an event.
type Delivery string

// The outcomes of publishing.
const (
	Confirmed Delivery = "confirmed" // the broker has stored it in at least one queue
	Nacked    Delivery = "nacked"    // the broker could not store it
	Returned  Delivery = "returned"  // no queue is bound to its topic
)

// Handling is the outcome of consuming a message.
type Handling string

// The outcomes of consuming.
const (
	Done      Handling = "done"
	Duplicate Handling = "duplicate" // its effect was already done
	Retried   Handling = "retried"   // it failed and is delivered again
	Parked    Handling = "parked"    // it failed and is not delivered again automatically
)

// Meter exports metrics of the way of events.
type Meter struct {
	events, oldest     *prometheus.GaugeVec
	published, handled *prometheus.CounterVec
	age                *prometheus.HistogramVec
	blocked            prometheus.Gauge
}

// NewMeter returns a meter that registers its metrics with metrics.
func NewMeter(metrics prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		events: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bytebites_outbox_events",
			Help: "Events waiting in the outbox of a server.",
		}, []string{"server"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bytebites_outbox_oldest_seconds",
			Help: "Seconds that the oldest event has waited in the outbox of a server; 0 if none waits.",
		}, []string{"server"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_events_published_total",
			Help: "Published events by outcome.",
		}, []string{"outcome"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_messages_handled_total",
			Help: "Messages consumed from a queue, by outcome.",
		}, []string{"queue", "outcome"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bytebites_message_age_seconds",
			Help:    "Seconds from an event until its effect was done, by queue.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"queue"}),
		blocked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bytebites_broker_blocked",
			Help: "1 while the broker accepts no messages because it is short of memory or disk.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.events, m.oldest, m.published, m.handled, m.age, m.blocked} {
		if err := metrics.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	for _, outcome := range []Delivery{Confirmed, Nacked, Returned} {
		m.Published(outcome, 0) // export zeros from the start, because a rate needs a first value
	}
	return m, nil
}

// Backlog records the number of events in a server's outbox, and the age of the oldest.
func (m *Meter) Backlog(server string, events int, oldest time.Duration) {
	m.events.WithLabelValues(server).Set(float64(events))
	m.oldest.WithLabelValues(server).Set(oldest.Seconds())
}

// Published counts n events that were published.
func (m *Meter) Published(outcome Delivery, n int) {
	m.published.WithLabelValues(string(outcome)).Add(float64(n))
}

// Handled counts one consumed message.
func (m *Meter) Handled(queue string, outcome Handling) {
	m.handled.WithLabelValues(queue, string(outcome)).Inc()
}

// Age records the age of an event when its effect was done, counted from bytebites.Event.At.
func (m *Meter) Age(queue string, age time.Duration) {
	m.age.WithLabelValues(queue).Observe(max(age, 0).Seconds())
}

// Blocked records whether the broker accepts no messages now.
func (m *Meter) Blocked(blocked bool) {
	m.blocked.Set(0)
	if blocked {
		m.blocked.Set(1)
	}
}
