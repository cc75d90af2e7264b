package measure

import (
	"context"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
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
	// Again is how many bursts follow at the rate of the best, once the limit is found; default 0.
	// A machine that others use too is quicker at one moment than at the next: the limit is what
	// it does at its quickest.
	Again int
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
	s := &bursts{config: config, hit: hit}
	rate := config.Start
	for n := 0; n < config.Max && !s.found.Saturated; n++ {
		if err := s.next(ctx, rate); err != nil {
			return BurstResult{}, fmt.Errorf("bursts: %w", err)
		}
		rate *= config.Factor
	}
	for n := 0; n < config.Again && s.found.Saturated; n++ {
		if err := s.again(ctx); err != nil {
			return BurstResult{}, fmt.Errorf("bursts: %w", err)
		}
	}
	return s.found, nil
}

// bursts is a series of them.
type bursts struct {
	config   BurstConfig
	hit      Hit
	repeats  int // of invalid bursts, so far
	found    BurstResult
	best     float64 // rate of the burst that found.Goodput is from
	lingered bool    // the last burst did
}

// next sends a burst at a higher rate than the last.
func (s *bursts) next(ctx context.Context, rate float64) error {
	seen, lingers, err := s.burst(ctx, rate)
	if err != nil {
		return err
	}
	before := s.found
	s.found.Saturated = s.lingered && lingers && seen.Goodput <= levelled*before.Goodput
	if better := seen.Goodput >= before.Goodput && before.Validity.OK; better || !s.lingered {
		s.found.Goodput, s.found.Validity, s.best = seen.Goodput, seen.Validity, rate
	}
	s.lingered = lingers
	return nil
}

// again sends a burst at the best rate.
func (s *bursts) again(ctx context.Context) error {
	seen, _, err := s.burst(ctx, s.best)
	if err == nil && seen.Validity.OK && seen.Goodput > s.found.Goodput {
		s.found.Goodput = seen.Goodput
	}
	return err
}

// burst sends one, and one more if that is invalid.
func (s *bursts) burst(ctx context.Context, rate float64) (seen BurstResult, lingers bool, err error) {
	for {
		result, err := s.hit(ctx, rate, s.config.Length)
		if err != nil {
			return BurstResult{}, false, fmt.Errorf("%.1f/s: %w", rate, err)
		}
		if s.config.OnBurst != nil {
			s.config.OnBurst(result)
		}
		validity, err := checkRound(ctx, result, false, s.config.Quotas)
		if err != nil {
			return BurstResult{}, false, err
		}
		if err := sleep(ctx, burstPause); err != nil {
			return BurstResult{}, false, err
		}
		if !validity.OK && s.repeats < maxRepeats {
			s.repeats++
			continue
		}
		busy := max(result.Elapsed, s.config.Length)
		lingers = busy.Seconds() >= lingering*s.config.Length.Seconds()
		return BurstResult{Goodput: result.SustainedGoodput(), Validity: validity}, lingers, nil
	}
}
