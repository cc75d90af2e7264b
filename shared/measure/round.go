package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// Metric returns the number that is compared between rounds.
type Metric func(load.Result) float64

// Goodput is the metric of a round past saturation, in right answers a second.
func Goodput(r load.Result) float64 { return r.Goodput() }

// MeanLatency is the metric of a round below the knee, in seconds. It is the mean over all
// requests, failed ones included, and counts from each request's intended time.
func MeanLatency(r load.Result) float64 { return r.Latency.Mean().Seconds() }

// RoundConfig configures the rounds of an arm. Both variants have the same values, except
// Quotas.
type RoundConfig struct {
	Rate   float64       // requests a second; required
	Length time.Duration // default 3 s
	// BelowKnee says that the rate is below the knee of the variant, where Little's law
	// must hold.
	BelowKnee bool
	// Quotas, unless nil, returns the quotas that were not in force, after each round.
	Quotas func(ctx context.Context) ([]string, error)
	Metric Metric // required
	// OnResult, unless nil, gets the result of each round, valid or not.
	OnResult func(load.Result)
}

// Arm returns an arm whose rounds are hits at one rate.
func (h Hit) Arm(config RoundConfig) Arm {
	if config.Length <= 0 {
		config.Length = 3 * time.Second
	}
	return func(ctx context.Context) (Observation, error) {
		if !(config.Rate > 0) || math.IsInf(config.Rate, 0) {
			return Observation{}, fmt.Errorf("rate %v is not more than 0", config.Rate)
		}
		if config.Metric == nil {
			return Observation{}, errors.New("want a metric")
		}
		result, err := h(ctx, config.Rate, config.Length)
		if err != nil {
			return Observation{}, fmt.Errorf("round at %.1f/s: %w", config.Rate, err)
		}
		if config.OnResult != nil {
			config.OnResult(result)
		}
		validity, err := checkRound(ctx, result, config.BelowKnee, config.Quotas)
		if err != nil {
			return Observation{}, err
		}
		return Observation{Value: config.Metric(result), Validity: validity, Result: result}, nil
	}
}
