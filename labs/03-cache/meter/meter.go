// Package meter counts what a cache does, for /metrics. It serves the lab and its solution.
package meter

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Result is the result of a look for one thing.
type Result string

// The results.
const (
	Hit    Result = "hit"
	Absent Result = "absent" // an entry says that the id does not exist
	Miss   Result = "miss"
	Bypass Result = "bypass" // the cache was not asked, or did not answer
)

// Meter counts. Kinds are few and fixed, such as "meal": each becomes a time series.
type Meter struct {
	looks    *prometheus.CounterVec
	loads    *prometheus.CounterVec
	failures *prometheus.CounterVec
	register func(prometheus.Collector) error
}

// New returns a meter whose metrics are registered.
func New(registerer prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_cache_looks_total", Help: "Things looked for in the cache, by kind and result.",
		}, []string{"kind", "result"}),
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_cache_loads_total", Help: "Times that the store behind the cache was asked, by kind.",
		}, []string{"kind"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bytebites_cache_failures_total", Help: "Calls to the cache that failed or were not made for want of hope, by operation.",
		}, []string{"operation"}),
		register: registerer.Register,
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.looks, m.loads, m.failures} {
		errs = append(errs, m.register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register cache metrics: %w", err)
	}
	return m, nil
}

// Looked counts a look for one thing.
func (m *Meter) Looked(kind string, result Result) {
	m.looks.WithLabelValues(kind, string(result)).Inc()
}

// Loaded counts one question to the store, for however many things.
func (m *Meter) Loaded(kind string) { m.loads.WithLabelValues(kind).Inc() }

// Failed counts a call to Redis that failed or was not made.
func (m *Meter) Failed(operation string) { m.failures.WithLabelValues(operation).Inc() }

// Watch adds two metrics that are computed when metrics are read. evicted returns how many keys
// Redis has evicted, the same number on every replica. asking reports whether this replica
// calls Redis.
func (m *Meter) Watch(evicted func() float64, asking func() bool) error {
	err := errors.Join(
		m.register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "bytebites_cache_evicted_keys_total", Help: "Keys that the cache's server evicted for want of memory since it started.",
		}, evicted)),
		m.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bytebites_cache_asked", Help: "1 while the cache is asked, 0 while it is left alone after failures.",
		}, func() float64 {
			if asking() {
				return 1
			}
			return 0
		})),
	)
	if err != nil {
		return fmt.Errorf("register cache metrics: %w", err)
	}
	return nil
}
