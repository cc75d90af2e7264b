package checkout

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Step names a part of placing an order, as the label of a histogram.
type Step string

// The steps of an order. They do not overlap, so their times add up to the time of an order.
const (
	StepLockWait  Step = "lock_wait"
	StepReplay    Step = "replay_check"
	StepPrices    Step = "prices"
	StepReserve   Step = "reserve"
	StepRecommend Step = "recommend"
	StepPlace     Step = "place" // the order's transaction without the steps inside it
	StepOutbox    Step = "outbox"
	StepMail      Step = "mail"
	StepConfirm   Step = "confirm"
	StepRelease   Step = "release"
	StepLedger    Step = "ledger"
	StepSaveWeek  Step = "save_week"
	StepFinish    Step = "finish" // recording finished effects
)

// clock measures the steps of orders.
type clock struct {
	seconds *prometheus.HistogramVec
}

// newClock registers bytebites_order_step_seconds with the registerer, unless the registerer
// is nil.
func newClock(registerer prometheus.Registerer) (*clock, error) {
	c := &clock{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bytebites_order_step_seconds",
		Help:    "Seconds that each step of placing an order took, waiting for a database connection included.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"step"})}
	if registerer == nil {
		return c, nil
	}
	if err := registerer.Register(c.seconds); err != nil {
		return nil, fmt.Errorf("register step times: %w", err)
	}
	return c, nil
}

func (c *clock) observe(step Step, elapsed time.Duration) {
	c.seconds.WithLabelValues(string(step)).Observe(elapsed.Seconds())
}

// timed runs work and records its duration under the step.
func (c *clock) timed(step Step, work func() error) error {
	start := time.Now()
	err := work()
	c.observe(step, time.Since(start))
	return err
}
