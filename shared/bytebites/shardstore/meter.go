package shardstore

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
)

// Meter counts failures that no request reports.
type Meter struct {
	uncopied, partial prometheus.Counter
	dark              *prometheus.CounterVec
}

// NewMeter returns a meter that registers its counters with metrics.
func NewMeter(metrics prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		uncopied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bytebites_copies_failed_total",
			Help: "Writes that were committed at home and could not be copied at once; the mover copies them later.",
		}),
		partial: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bytebites_partial_answers_total",
			Help: "Questions about all subscribers that were answered without some server.",
		}),
		dark: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_dark_reads_total",
			Help: "Reads that were repeated on a second server and compared, by result.",
		}, []string{"result"}),
	}
	for _, counter := range []prometheus.Collector{m.uncopied, m.partial, m.dark} {
		if err := metrics.Register(counter); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// CopyFailed counts a write that was committed at home and not copied.
func (m *Meter) CopyFailed() { m.uncopied.Inc() }

// Partial counts an answer about all subscribers that lacks a server's part. It marks the answer to
// the question of ctx as approximate, so that the cache does not keep it as a whole one.
func (m *Meter) Partial(ctx context.Context) {
	m.partial.Inc()
	bytebites.MarkApproximate(ctx)
}
