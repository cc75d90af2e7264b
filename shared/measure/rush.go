package measure

import (
	"context"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// What a rush is, declared once: past saturation the mean latency of an open loop grows
// with the run, so a rush's number means nothing without its length and the clients'
// timeout (load.DefaultTimeout).
const (
	RushFactor = 1.5 // times the saturation goodput of the variant before
	RushLength = 8 * time.Second
)

// RushResult is what a rush felt like.
type RushResult struct {
	Rate         float64       `json:"rate"` // requests a second
	Length       time.Duration `json:"length_ns"`
	Mean         time.Duration `json:"mean_ns"` // of all requests, failed ones too
	P99          time.Duration `json:"p99_ns"`
	FailureShare float64       `json:"failure_share"` // printed wherever the mean is
	Goodput      float64       `json:"goodput"`       // right answers a second
	Validity     Validity      `json:"validity"`
	Result       load.Result   `json:"-"` // its Summary is what files carry
}

// Rush attacks a variant for RushLength at RushFactor times a saturation goodput, in
// right answers a second: that of the variant before, for before and after alike.
// Quotas may be nil; see RampConfig.
func Rush(ctx context.Context, saturation float64, quotas func(context.Context) ([]string, error), hit Hit) (RushResult, error) {
	return RushFor(ctx, saturation, RushLength, quotas, hit)
}

// RushFor is Rush with another length, which must be printed with its numbers.
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
