package rig

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Sample is a load that a variant answered at full speed, and the CPU time that the variant used.
type Sample struct {
	Result load.Result
	CPU    time.Duration
}

// Sample sends the load of g twice for length, at rate requests a second. The first time fills the caches
// and is not measured. The CPU time of a request hardly depends on what else the machine does.
func (v *Variant) Sample(ctx context.Context, g load.Generator, rate float64, length time.Duration) (Sample, error) {
	var s Sample
	err := v.AtFullSpeed(ctx, func() error {
		if _, err := g.Hit(ctx, rate, length); err != nil {
			return err
		}
		var used testbed.Usage
		before, err := v.Service.Usage(ctx)
		if err == nil {
			s.Result, err = g.Hit(ctx, rate, length)
		}
		if err == nil {
			used, err = v.Service.Usage(ctx)
		}
		s.CPU = used.Since(before).CPU
		return err
	})
	return s, err
}

// Capacity returns the CPU time of a request in the sample. It also returns how many requests a second a
// replica of a type answers with all its CPU. The error is a *lab.Doubt when the sample does not show them.
func (s Sample) Capacity(t instance.Type) (perRequest time.Duration, perSecond float64, err error) {
	if s.Result.Sent == 0 || s.Result.Failed > 0 || s.CPU <= 0 {
		return 0, 0, &lab.Doubt{
			Reason: fmt.Sprintf("the capacity of one replica could not be measured: %d of %d requests failed, with %v of CPU time",
				s.Result.Failed, s.Result.Sent, s.CPU),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	perRequest = s.CPU / time.Duration(s.Result.Sent)
	return perRequest, t.CPU / perRequest.Seconds(), nil
}
