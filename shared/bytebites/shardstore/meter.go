package shardstore

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter counts what went wrong where no request shows it.
type Meter struct {
	uncopied, partial prometheus.Counter
	dark              *prometheus.CounterVec
}

// NewMeter returns a meter whose counters are among the metrics.
func NewMeter(metrics prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		uncopied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bytebites_copies_failed_total",
			Help: "Writes that were committed at home and could not be copied at once; a mover will find them.",
		}),
		partial: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bytebites_partial_answers_total",
			Help: "Questions about everybody that were answered without all servers.",
		}),
		dark: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_dark_reads_total",
			Help: "Reads that were made on a second server and compared, by what came of it.",
		}, []string{"result"}),
	}
	for _, counter := range []prometheus.Collector{m.uncopied, m.partial, m.dark} {
		if err := metrics.Register(counter); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// CopyFailed counts a write that is committed at home and not copied.
func (m *Meter) CopyFailed() { m.uncopied.Inc() }

// Partial counts an answer about everybody that lacks a server's.
func (m *Meter) Partial() { m.partial.Inc() }
