package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// Hit attacks a variant for a duration, at a constant rate in requests a second. It returns
// when every request has an answer or a timeout, as load.Generator.Hit does.
type Hit func(ctx context.Context, rate float64, duration time.Duration) (load.Result, error)

// SLO is a service level objective.
type SLO struct {
	Success float64       // least share of right answers, in [0, 1]
	P95     time.Duration // the 95th percentile of latency must be less
}

// DefaultSLO is the workshop's objective: 99 % right answers, p95 under 200 ms.
func DefaultSLO() SLO { return SLO{Success: 0.99, P95: 200 * time.Millisecond} }

// Met reports whether a result meets the objective.
func (s SLO) Met(r load.Result) bool {
	return r.SuccessShare() >= s.Success && r.Latency.Quantile(0.95) < s.P95
}

// Constants of a ramp.
const (
	// overloadedBelow is a share of the offered rate. A service is overloaded when its
	// goodput is less.
	overloadedBelow = 0.9
	// saturatedBelow is a share of the offered rate. A ramp with SaturationOnly ends when the
	// goodput is less.
	saturatedBelow = 0.75
	// minGrowth is the least growth factor of goodput with which a ramp goes on past overload.
	minGrowth = 1.05
	// maxFailureShare is the share of failures above which a ramp ends at once.
	maxFailureShare = 0.5
	// maxDescents is how many lower rates a ramp tries when its first rate is too high.
	maxDescents = 4
	// maxRepeats is how many invalid levels are repeated.
	maxRepeats = 3
)

// RampConfig configures Ramp.
type RampConfig struct {
	Start     float64       // rate of the first level, in requests a second; required
	Factor    float64       // from level to level; default 1.5
	Level     time.Duration // length of a level; default 3 s
	MaxLevels int           // on the way up; default 12
	Refine    int           // levels that halve the knee's bracket; 0 for none
	// SaturationOnly does not look for the knee. The ramp ends with the first level whose
	// goodput is below three quarters of its rate, and it halves no bracket.
	//
	// Under a great overload a service that works on everything at once ends little in a short level. So
	// the ramp begins anew from a lower rate when that is its first level. And the goodput of a level is the
	// sustained one where that is higher. Both are lower bounds of the limit.
	SaturationOnly bool
	// Drain is the pause after each level, three times as long after a level with failures.
	// In it the service ends the work of requests that timed out, so that this work does not
	// slow down the next level. Default 300 ms.
	Drain time.Duration
	// Budget bounds the whole ramp: a level starts only when it will end within the budget. A
	// ramp that uses up its budget before overload is not saturated. Default: no bound.
	Budget time.Duration
	SLO    SLO // default DefaultSLO
	// Quotas, unless nil, returns the quotas that were not in force, after each level.
	Quotas func(ctx context.Context) ([]string, error)
	// OnLevel, unless nil, gets each level when it has ended.
	OnLevel func(Level)
}

func (c RampConfig) withDefaults() (RampConfig, error) {
	if c.Factor == 0 {
		c.Factor = 1.5
	}
	if err := checkGrowth(c.Start, c.Factor); err != nil {
		return c, err
	}
	if c.Level <= 0 {
		c.Level = 3 * time.Second
	}
	if c.MaxLevels <= 0 {
		c.MaxLevels = 12
	}
	if c.Drain <= 0 {
		c.Drain = 300 * time.Millisecond
	}
	if c.SLO == (SLO{}) {
		c.SLO = DefaultSLO()
	}
	return c, nil
}

// Level is one rate of a ramp and its result.
type Level struct {
	Rate       float64  `json:"rate"`    // offered, requests a second
	Goodput    float64  `json:"goodput"` // right answers a second; see RampConfig.SaturationOnly
	MetSLO     bool     `json:"met_slo"`
	Overloaded bool     `json:"overloaded"` // goodput below 90 % of the rate
	Validity   Validity `json:"validity"`
	// Discarded says that the level was invalid and was repeated. It does not count.
	Discarded bool        `json:"discarded,omitempty"`
	Result    load.Result `json:"-"` // files hold its Summary
}

// Knee is a pair of rates: the SLO is met at Low and missed at High.
type Knee struct {
	Low  float64 `json:"low"`  // the highest rate that met the SLO; 0 without one
	High float64 `json:"high"` // the lowest rate that missed the SLO; 0 without one
}

// RampResult is the result of Ramp.
type RampResult struct {
	Levels []Level `json:"levels"` // in the order in which they ran
	// Goodput is the highest goodput of a valid level, or of all levels when none is valid. It is
	// the saturation goodput when Saturated is true, else a lower bound of that. An invalid level
	// proves neither: a busy machine makes every service look overloaded.
	Goodput   float64 `json:"goodput"`
	Saturated bool    `json:"saturated"`
	// SLOCapacity is Knee.Low: the highest tried rate that met the SLO and is below all
	// tried rates that missed it.
	SLOCapacity float64 `json:"slo_capacity"`
	Knee        Knee    `json:"knee"`
	// Validity holds the reasons of every invalid level that was not discarded.
	Validity Validity `json:"validity"`
}

// Ramp attacks at rates that grow by a factor, until goodput has stopped growing or more than
// half of the requests fail. When the first rate misses the SLO, it then tries lower rates.
// Last, it halves the knee's bracket Refine times, on a logarithmic scale. An invalid level
// (see Round.Check) is repeated once; at most three levels are.
//
// The error comes from the configuration, from hit, from Quotas, or from ctx. It also says
// when the budget is too short for one level.
func Ramp(ctx context.Context, config RampConfig, hit Hit) (RampResult, error) {
	config, err := config.withDefaults()
	if err != nil {
		return RampResult{}, fmt.Errorf("ramp: %w", err)
	}
	r := &ramp{config: config, hit: hit, began: time.Now()}
	phases := []func(context.Context) error{r.up, r.down, r.refine}
	if config.SaturationOnly {
		phases = phases[:1]
	}
	for _, phase := range phases {
		if err := phase(ctx); errors.Is(err, errBudget) {
			break
		} else if err != nil {
			return RampResult{}, fmt.Errorf("ramp: %w", err)
		}
	}
	if len(r.levels) == 0 {
		return RampResult{}, fmt.Errorf("ramp: %w", errBudget)
	}
	return r.result(), nil
}

// errBudget says that another level would not end within the budget.
var errBudget = errors.New("no time for a level within the budget")

type ramp struct {
	config  RampConfig
	hit     Hit
	began   time.Time
	levels  []Level
	repeats int
}

// up raises the rate until the service is overloaded and goodput no longer grows.
func (r *ramp) up(ctx context.Context) error {
	rate, best := r.config.Start, 0.0
	for n := range r.config.MaxLevels {
		level, err := r.level(ctx, rate)
		if err != nil {
			return err
		}
		if n == 0 && r.config.SaturationOnly && level.Goodput < saturatedBelow*rate {
			if level, err = r.descend(ctx, level); err != nil {
				return err
			}
			if level.Overloaded { // at every rate that was tried
				return nil
			}
			best, rate = level.Goodput, level.Rate*r.config.Factor
			continue
		}
		if level.Result.FailureShare() > maxFailureShare || level.Overloaded && level.Goodput < minGrowth*best {
			return nil
		}
		if r.config.SaturationOnly && level.Goodput < saturatedBelow*rate {
			return nil
		}
		best = max(best, level.Goodput)
		rate *= r.config.Factor
	}
	return nil
}

// descend lowers the rate from that of an overloaded level until one is answered. It returns the last level.
func (r *ramp) descend(ctx context.Context, level Level) (Level, error) {
	for range maxDescents {
		if !level.Overloaded {
			break
		}
		var err error
		if level, err = r.level(ctx, level.Rate/(r.config.Factor*r.config.Factor)); err != nil {
			return level, err
		}
	}
	return level, nil
}

// down lowers the rate below the start until a level meets the SLO.
func (r *ramp) down(ctx context.Context) error {
	rate := r.config.Start
	for range maxDescents {
		if r.knee().Low > 0 {
			return nil
		}
		rate /= r.config.Factor * r.config.Factor
		if _, err := r.level(ctx, rate); err != nil {
			return err
		}
	}
	return nil
}

// refine halves the bracket around the knee.
func (r *ramp) refine(ctx context.Context) error {
	for range r.config.Refine {
		knee := r.knee()
		if knee.Low == 0 || knee.High == 0 {
			return nil
		}
		if _, err := r.level(ctx, math.Sqrt(knee.Low*knee.High)); err != nil {
			return err
		}
	}
	return nil
}

// level runs one level, and repeats it once when it is invalid.
func (r *ramp) level(ctx context.Context, rate float64) (Level, error) {
	level, err := r.attack(ctx, rate)
	if err != nil || level.Validity.OK || r.repeats == maxRepeats {
		return level, err
	}
	r.repeats++
	again, err := r.attack(ctx, rate)
	if errors.Is(err, errBudget) {
		return level, nil
	}
	if err == nil {
		r.levels[len(r.levels)-2].Discarded = true
	}
	return again, err
}

func (r *ramp) attack(ctx context.Context, rate float64) (Level, error) {
	if b := r.config.Budget; b > 0 && time.Since(r.began)+r.config.Level > b {
		return Level{}, errBudget
	}
	result, err := r.hit(ctx, rate, r.config.Level)
	if err != nil {
		return Level{}, fmt.Errorf("level of %.1f/s: %w", rate, err)
	}
	validity, err := checkRound(ctx, result, r.config.SLO.Met(result), r.config.Quotas)
	if err != nil {
		return Level{}, err
	}
	goodput := result.Goodput()
	if r.config.SaturationOnly {
		goodput = max(goodput, result.SustainedGoodput())
	}
	level := Level{
		Rate: rate, Goodput: goodput, MetSLO: r.config.SLO.Met(result),
		Overloaded: goodput < overloadedBelow*rate,
		Validity:   validity, Result: result,
	}
	r.levels = append(r.levels, level)
	if r.config.OnLevel != nil {
		r.config.OnLevel(level)
	}
	pause := r.config.Drain
	if result.Failed > 0 {
		pause *= 3
	}
	return level, sleep(ctx, pause)
}

// knee returns the bracket of the levels so far. A rate that met the SLO does not count when
// a lower rate missed it, because that was chance.
func (r *ramp) knee() Knee {
	var k Knee
	for _, l := range r.levels {
		if !l.Discarded && !l.MetSLO && (k.High == 0 || l.Rate < k.High) {
			k.High = l.Rate
		}
	}
	for _, l := range r.levels {
		if !l.Discarded && l.MetSLO && (k.High == 0 || l.Rate < k.High) {
			k.Low = max(k.Low, l.Rate)
		}
	}
	return k
}

func (r *ramp) result() RampResult {
	result := RampResult{Levels: r.levels, Knee: r.knee(), Validity: valid(nil)}
	result.SLOCapacity = result.Knee.Low
	best := 0.0 // of all levels
	for _, l := range r.levels {
		if l.Discarded {
			continue
		}
		best = max(best, l.Goodput)
		if l.Validity.OK {
			result.Goodput = max(result.Goodput, l.Goodput)
			result.Saturated = result.Saturated || l.Overloaded
		}
		result.Validity = result.Validity.And(l.Validity)
	}
	if result.Goodput == 0 {
		result.Goodput = best
	}
	return result
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
