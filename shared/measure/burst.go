package measure

import (
	"context"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

const (
	// minBusyFactor is how many times its length a burst must keep the service busy to show
	// the service's limit. It is well above the latency of the last request, during which the
	// service is not fully busy.
	minBusyFactor = 1.4
	// maxLimitGrowth bounds the growth of goodput at the service's limit: the next burst's
	// goodput is at most this many times the best so far. One busy burst alone proves no
	// limit, because a single delayed request can end a burst late.
	maxLimitGrowth = 1.1
	// burstPause lets the work that a burst left behind end.
	burstPause = 300 * time.Millisecond
)

// BurstConfig configures Bursts.
type BurstConfig struct {
	Start  float64       // rate of the first burst, in requests a second; required
	Factor float64       // from burst to burst; default 1.3
	Length time.Duration // default 2 s
	Max    int           // bursts, repeats of invalid bursts not counted; default 8
	// Again is how many bursts follow at the best rate when the limit is found; default 0. The
	// speed of a shared machine varies, and the limit is its best result.
	Again int
	// Quotas, unless nil, returns the quotas that were not in force, after each burst.
	Quotas func(ctx context.Context) ([]string, error)
	// OnBurst, unless nil, gets the result of each burst, valid or not.
	OnBurst func(load.Result)
}

func (c BurstConfig) withDefaults() (BurstConfig, error) {
	if c.Factor == 0 {
		c.Factor = 1.3
	}
	if err := checkGrowth(c.Start, c.Factor); err != nil {
		return c, err
	}
	if c.Length <= 0 {
		c.Length = 2 * time.Second
	}
	if c.Max <= 0 {
		c.Max = 8
	}
	return c, nil
}

// checkGrowth returns an error if rates from start on, each the factor of the one before, do not grow.
func checkGrowth(start, factor float64) error {
	if !(start > 0) || math.IsInf(start, 0) {
		return fmt.Errorf("start rate %v is not more than 0", start)
	}
	if !(factor > 1) || math.IsInf(factor, 0) {
		return fmt.Errorf("factor %v is not more than 1", factor)
	}
	return nil
}

// BurstResult is the result of Bursts.
type BurstResult struct {
	// Goodput is the saturation goodput, in right answers a second, when Saturated is true.
	// Else it is a lower bound of that. It is the best of all bursts.
	Goodput   float64
	Saturated bool
	// Validity is the validity of the burst that gave Goodput, or of an earlier invalid burst.
	Validity Validity
}

// Bursts finds a variant's saturation goodput by bursts at rates that grow by a factor. It
// ends when two bursts in a row keep the variant busy after their end, and the second one
// brings no more answers a second than the first.
//
// Goodput is the number of right answers over the time until the last of them. A Ramp counts
// only the answers within its window. But a service that works on all requests at once has
// many of them half done when a short burst ends. Requests that the service answers after
// the clients' timeout do not count, so begin near its limit.
//
// An invalid burst (see Round.Check) is repeated, at most three times in all. The error
// comes from the configuration, from hit, from Quotas, or from ctx.
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

// bursts is a series of bursts in progress.
type bursts struct {
	config   BurstConfig
	hit      Hit
	repeats  int // of invalid bursts, so far
	found    BurstResult
	best     float64 // rate of the burst that gave found.Goodput
	lingered bool    // the last burst kept the service busy after its end
}

// next sends a burst at a higher rate than the last.
func (s *bursts) next(ctx context.Context, rate float64) error {
	seen, lingers, err := s.burst(ctx, rate)
	if err != nil {
		return err
	}
	best := s.found
	s.found.Saturated = s.lingered && lingers && seen.Goodput <= maxLimitGrowth*best.Goodput
	// A service that collapses under a burst does less than it has proved to be able to. An
	// invalid burst has proved nothing, but one that kept the service busy is what the next
	// burst is compared with.
	proved := best.Validity.OK && seen.Goodput < best.Goodput
	compared := s.lingered && !best.Validity.OK
	if !proved && !compared {
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

// burst sends one burst, and repeats it while it is invalid and repeats are left.
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
		lingers = busy.Seconds() >= minBusyFactor*s.config.Length.Seconds()
		return BurstResult{Goodput: result.SustainedGoodput(), Validity: validity}, lingers, nil
	}
}
