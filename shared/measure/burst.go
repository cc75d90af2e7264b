package measure

import (
	"context"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/load"
)

const (
	// lingering is how many times its length a burst must keep a service busy for its rate to
	// be the service's limit: by far more than the latency of the last request alone, for
	// which the service is not all busy.
	lingering = 1.4
	// levelled is how many times the best goodput so far the next burst's may be at most for
	// that to be the limit. One burst that lingers is not enough: a single request that was held
	// up has it end late, and its rate would pass for the limit of a service that can do more.
	levelled = 1.1
	// burstPause lets what a burst left behind end.
	burstPause = 300 * time.Millisecond
)

// BurstConfig says how bursts are sent.
type BurstConfig struct {
	Start  float64       // rate of the first burst, in requests a second; required
	Factor float64       // from burst to burst; default 1.3
	Length time.Duration // default 2 s
	Max    int           // bursts, those run again apart; default 8
	// Quotas, unless nil, is asked after each burst which quotas were not in force.
	Quotas func(ctx context.Context) ([]string, error)
	// OnBurst, unless nil, is told the result of each burst, whether valid or not.
	OnBurst func(load.Result)
}

func (c BurstConfig) withDefaults() (BurstConfig, error) {
	if !(c.Start > 0) || math.IsInf(c.Start, 0) {
		return c, fmt.Errorf("start rate %v is not more than 0", c.Start)
	}
	if c.Factor == 0 {
		c.Factor = 1.3
	}
	if !(c.Factor > 1) || math.IsInf(c.Factor, 0) {
		return c, fmt.Errorf("factor %v is not more than 1", c.Factor)
	}
	if c.Length <= 0 {
		c.Length = 2 * time.Second
	}
	if c.Max <= 0 {
		c.Max = 8
	}
	return c, nil
}

// BurstResult is what bursts found.
type BurstResult struct {
	// Goodput is the saturation goodput, in right answers a second, when Saturated; else it
	// bounds that from below.
	Goodput   float64
	Saturated bool
	// Validity is that of the burst that Goodput is from, or of an invalid one before it.
	Validity Validity
}

// Bursts finds a variant's saturation goodput by bursts at rates that grow by a factor, until
// two in a row keep the variant busy for longer than they last and the second brings no more
// answers a second than the first. Goodput is all right answers over the time until the last of
// them, and not those within the burst alone, as a Ramp has it: a service that works on
// everything at once has much of it half done when a short burst ends. For that the service must
// be able to answer in the clients' time what a burst leaves behind; what it does not is not
// counted, so begin near its limit. An invalid burst (see Round.Check) is run once more, three
// of them at most.
//
// The error is of the configuration, of a hit that could not be made, or of the context.
func Bursts(ctx context.Context, config BurstConfig, hit Hit) (BurstResult, error) {
	config, err := config.withDefaults()
	if err != nil {
		return BurstResult{}, fmt.Errorf("bursts: %w", err)
	}
	var found BurstResult
	lingered := false
	for n, repeats, rate := 0, 0, config.Start; n < config.Max && !found.Saturated; {
		result, err := hit(ctx, rate, config.Length)
		if err != nil {
			return BurstResult{}, fmt.Errorf("burst of %.1f/s: %w", rate, err)
		}
		if config.OnBurst != nil {
			config.OnBurst(result)
		}
		validity, err := checkRound(ctx, result, false, config.Quotas)
		if err != nil {
			return BurstResult{}, fmt.Errorf("bursts: %w", err)
		}
		if err := sleep(ctx, burstPause); err != nil {
			return BurstResult{}, fmt.Errorf("bursts: %w", err)
		}
		if !validity.OK && repeats < maxRepeats {
			repeats++
			continue
		}
		found, lingered = found.after(result, config.Length, validity, lingered)
		n++
		rate *= config.Factor
	}
	return found, nil
}

// after returns what is known after one more burst, and whether that lingered; lingered says
// whether the one before it did.
func (b BurstResult) after(r load.Result, length time.Duration, v Validity, lingered bool) (next BurstResult, lingers bool) {
	busy := max(r.Elapsed, length)
	next = BurstResult{Goodput: float64(r.Completed) / busy.Seconds(), Validity: v}
	lingers = busy.Seconds() >= lingering*length.Seconds()
	if !lingered {
		return next, lingers
	}
	saturated := lingers && next.Goodput <= levelled*b.Goodput
	if b.Goodput > next.Goodput || !b.Validity.OK {
		next = b
	}
	next.Saturated = saturated
	return next, lingers
}
