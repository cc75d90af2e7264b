package rig

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// bedOfSeries names the bed in a series of runs.
	bedOfSeries = "test bed"
	// recycleTimeout bounds the removal of servers that the next run on a bed does not need.
	recycleTimeout = 60 * time.Second
)

// Bed starts the test bed of a run. End ends it. In a series of runs, end keeps it for the next
// run, which gets its servers back in their first state: see testbed.Bed.Recycle.
func Bed(ctx context.Context, run *lab.Run, o testbed.Options) (bed *testbed.Bed, end func() error, err error) {
	if run.Series == nil {
		bed, err = testbed.Start(ctx, o)
		if err != nil {
			return nil, nil, err
		}
		return bed, bed.Close, nil
	}
	bed, kept := run.Series.Take(bedOfSeries).(*testbed.Bed)
	if !kept {
		o.Reusable = true
		// The bed outlives this run; the end of the series closes it.
		if bed, err = testbed.Start(context.WithoutCancel(ctx), o); err != nil {
			return nil, nil, err
		}
	}
	return bed, func() error { return keep(run.Series, bed) }, nil
}

// keep leaves a bed to the next run of a series. It closes a bed that cannot be recycled.
func keep(series *lab.Series, bed *testbed.Bed) error {
	ctx, cancel := context.WithTimeout(context.Background(), hostspeed.Wait(recycleTimeout))
	defer cancel()
	if err := bed.Recycle(ctx); err != nil {
		return errors.Join(fmt.Errorf("keep servers: %w", err), bed.Close())
	}
	series.Keep(bedOfSeries, bed, bed.Close)
	return nil
}
