package measure

import (
	"context"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// The definition of a rush. Past saturation, the mean latency of an open loop grows with the
// length of the run. So a rush's result is comparable only with its length and the clients'
// timeout (load.DefaultTimeout).
const (
	RushFactor = 1.5 // times the saturation goodput of the variant before
	RushLength = 8 * time.Second
)

// RushResult is the result of Rush.
type RushResult struct {
	Rate         float64       `json:"rate"` // requests a second
	Length       time.Duration `json:"length_ns"`
	Mean         time.Duration `json:"mean_ns"` // of all requests, failed ones too
	P99          time.Duration `json:"p99_ns"`
	FailureShare float64       `json:"failure_share"` // print it beside every mean
	Goodput      float64       `json:"goodput"`       // right answers a second
	Validity     Validity      `json:"validity"`
	Result       load.Result   `json:"-"` // files hold its Summary
}

// Rush attacks a variant for RushLength at RushFactor times saturation. That is the
// saturation goodput of the variant before, in right answers a second, for both variants.
// Quotas may be nil; see RampConfig.
func Rush(ctx context.Context, saturation float64, quotas func(context.Context) ([]string, error), hit Hit) (RushResult, error) {
	return RushFor(ctx, saturation, RushLength, quotas, hit)
}

// RushFor is Rush with another length. Print the length with its result.
func RushFor(ctx context.Context, saturation float64, length time.Duration, quotas func(context.Context) ([]string, error), hit Hit) (RushResult, error) {
	if !(saturation > 0) || math.IsInf(saturation, 0) {
		return RushResult{}, fmt.Errorf("rush: saturation goodput %v is not more than 0", saturation)
	}
	rate := RushFactor * saturation
	result, err := hit(ctx, rate, length)
	if err != nil {
		return RushResult{}, fmt.Errorf("rush at %.1f/s: %w", rate, err)
	}
	validity, err := checkRound(ctx, result, false, quotas)
	if err != nil {
		return RushResult{}, fmt.Errorf("rush: %w", err)
	}
	return RushResult{
		Rate: rate, Length: length,
		Mean: result.Latency.Mean(), P99: result.Latency.Quantile(0.99),
		FailureShare: result.FailureShare(), Goodput: result.Goodput(),
		Validity: validity, Result: result,
	}, nil
}
