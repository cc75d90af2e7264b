package spec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/workshop/lab"
)

// looked returns how many looks of the first replica have a result, of all kinds together.
func (s *seam) looked(result meter.Result) (float64, error) {
	return sumOf(s.metrics[0], "bytebites_cache_looks_total", func(m *dto.Metric) bool { return has(m, "result", string(result)) })
}

func has(m *dto.Metric, name, value string) bool {
	return slices.ContainsFunc(m.GetLabel(), func(label *dto.LabelPair) bool {
		return label.GetName() == name && label.GetValue() == value
	})
}

// sumOf adds up the counters of a family that are wanted.
func sumOf(from prometheus.Gatherer, name string, wanted func(*dto.Metric) bool) (sum float64, err error) {
	families, err := from.Gather()
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if wanted(metric) {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum, nil
}

// calls are the calls to Redis since a time. The zero value is of none.
type calls struct {
	seam   *seam
	began  time.Time
	failed float64 // before
}

// callsFromNow begins to count calls to Redis that fail.
func (s *seam) callsFromNow() (calls, error) {
	failed, err := s.failedCalls()
	return calls{seam: s, began: time.Now(), failed: failed}, err
}

// failedCalls returns how many calls to Redis have failed on all replicas, without those that reading
// the metrics itself makes.
func (s *seam) failedCalls() (sum float64, err error) {
	for _, registry := range s.metrics {
		n, err := sumOf(registry, "bytebites_cache_failures_total", func(m *dto.Metric) bool { return !has(m, "operation", "info") })
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// late returns the wait that looks without a hit rest on. That many calls to a Redis that was there have
// failed since then, so the machine had no time for them. It is zero when fewer have.
func (c calls) late(looks int) (lab.Waited, error) {
	if c.seam == nil {
		return lab.Waited{}, nil
	}
	failed, err := c.seam.failedCalls()
	if err != nil || failed-c.failed < float64(looks) {
		return lab.Waited{}, err
	}
	return lab.Waited{From: c.began, To: time.Now(), Each: lateAnswer}, nil
}

// countsA asks a question of the first replica, and demands that the look is counted with a result.
func (s *seam) countsA(ctx context.Context, result meter.Result, q question, when string) error {
	before, err := s.looked(result)
	if err != nil {
		return err
	}
	var during calls
	if result != meter.Bypass { // that is what a failed call counts as
		if during, err = s.callsFromNow(); err != nil {
			return err
		}
	}
	if err := s.want(ctx, 0, q, when); err != nil {
		return err
	}
	after, err := s.looked(result)
	if err != nil || after-before >= 1 {
		return err
	}
	late, err := during.late(1)
	if err != nil {
		return err
	}
	look := q.look
	look.Hint = "the share of hits on a dashboard is made of these counts: meter.Looked"
	return &lab.Failure{
		Expected: fmt.Sprintf("a look counted as %q in bytebites_cache_looks_total, %s", result, when), Seen: "none", Waited: late, Look: look,
	}
}
