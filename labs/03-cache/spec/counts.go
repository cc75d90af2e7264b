package spec

import (
	"context"
	"fmt"

	"bytebites.example/workshop/labs/03-cache/meter"
	"bytebites.example/workshop/shared/workshop/lab"
)

// looked returns how many looks of the first replica have a result, of all kinds together.
func (s *seam) looked(result meter.Result) (float64, error) {
	families, err := s.metrics[0].Gather()
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "bytebites_cache_looks_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "result" && label.GetValue() == string(result) {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return sum, nil
}

// countsA asks a question of the first replica, and demands that the look is counted with a result.
func (s *seam) countsA(ctx context.Context, result meter.Result, q question, when string) error {
	before, err := s.looked(result)
	if err != nil {
		return err
	}
	if err := s.want(ctx, 0, q, when); err != nil {
		return err
	}
	after, err := s.looked(result)
	if err == nil && after-before < 1 {
		look := q.look
		look.Hint = "the share of hits on a dashboard is made of these counts: meter.Looked"
		err = &lab.Failure{Expected: fmt.Sprintf("a look counted as %q in bytebites_cache_looks_total, %s", result, when), Seen: "none", Look: look}
	}
	return err
}
