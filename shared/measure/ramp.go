package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// Hit attacks a variant at a constant rate, in requests a second, for a duration. It
// returns when the last answer is in or given up. load.Generator.Hit is one.
type Hit func(ctx context.Context, rate float64, duration time.Duration) (load.Result, error)

// SLO is a service level objective.
type SLO struct {
	Success float64       // least share of right answers, in [0, 1]
	P95     time.Duration // the 95th percentile of latency must be under it
}

// DefaultSLO is the workshop's: 99 % right answers, p95 under 200 ms.
func DefaultSLO() SLO { return SLO{Success: 0.99, P95: 200 * time.Millisecond} }

// Met reports whether a result meets the objective.
func (s SLO) Met(r load.Result) bool {
	return r.SuccessShare() >= s.Success && r.Latency.Quantile(0.95) < s.P95
}

// Constants of a ramp.
const (
	// overloadedBelow is the share of the offered rate below which goodput says that
	// the service is overloaded.
	overloadedBelow = 0.9
	// drowned is the share of the offered rate below which nobody need ask for more.
	drowned = 0.75
	// growth is by how much goodput must grow for a ramp to go on past overload.
	growth = 1.05
	// hopeless is the share of failures at which a ramp ends at once.
	hopeless = 0.5
	// maxDescents is how often a ramp that starts too high goes down.
	maxDescents = 4
	// maxRepeats is how many invalid levels are run once more.
	maxRepeats = 3
)

// RampConfig says how a ramp is run.
type RampConfig struct {
	Start     float64       // rate of the first level, in requests a second; required
	Factor    float64       // from level to level; default 1.5
	Level     time.Duration // length of a level; default 3 s
	MaxLevels int           // on the way up; default 12
	Refine    int           // levels that halve the knee's bracket; 0 for none
	// SaturationOnly leaves the knee alone: the ramp ends with the first level of whose rate
	// less than three quarters were answered, it does not go down when its first rate
	// already misses the SLO, and no bracket is halved.
	SaturationOnly bool
	// Drain is the pause after each level, so that work which clients gave up on does
	// not weigh on the next; three times as long after a level with failures. Default
	// 300 ms.
	Drain time.Duration
	// Budget bounds the whole ramp: no level starts that would not end within it. A
	// ramp that runs out of it before overload is not saturated. Default: none.
	Budget time.Duration
	SLO    SLO // default DefaultSLO
	// Quotas, unless nil, is asked after each level which quotas were not in force.
	Quotas func(ctx context.Context) ([]string, error)
	// OnLevel, unless nil, is told each level when it is over.
	OnLevel func(Level)
}

func (c RampConfig) withDefaults() (RampConfig, error) {
	if !(c.Start > 0) || math.IsInf(c.Start, 0) {
		return c, fmt.Errorf("start rate %v is not more than 0", c.Start)
	}
	if c.Factor == 0 {
		c.Factor = 1.5
	}
	if !(c.Factor > 1) || math.IsInf(c.Factor, 0) {
		return c, fmt.Errorf("factor %v is not more than 1", c.Factor)
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

// Level is one rate of a ramp and what came of it.
type Level struct {
	Rate       float64  `json:"rate"`    // offered, requests a second
	Goodput    float64  `json:"goodput"` // right answers a second
	MetSLO     bool     `json:"met_slo"`
	Overloaded bool     `json:"overloaded"` // goodput below 90 % of the rate
	Validity   Validity `json:"validity"`
	// Discarded says that the level was invalid and was run again; nothing follows
	// from it.
	Discarded bool        `json:"discarded,omitempty"`
	Result    load.Result `json:"-"` // its Summary is what files carry
}

// Knee is the pair of rates between which the SLO stops being met.
type Knee struct {
	Low  float64 `json:"low"`  // the highest rate that met it; 0 if none did
	High float64 `json:"high"` // the lowest rate that did not; 0 if all did
}

// RampResult is what a ramp found.
type RampResult struct {
	Levels []Level `json:"levels"` // in the order in which they ran
	// Goodput is the saturation goodput when Saturated; else only the highest seen,
	// which bounds it from below.
	Goodput   float64 `json:"goodput"`
	Saturated bool    `json:"saturated"`
	// SLOCapacity is Knee.Low: the highest rate tried that met the SLO, below the
	// lowest that did not.
	SLOCapacity float64 `json:"slo_capacity"`
	Knee        Knee    `json:"knee"`
	// Validity holds the reasons of every level that was still invalid when run again.
	Validity Validity `json:"validity"`
}

// Ramp attacks at rates that grow by a factor, until goodput has stopped growing or
// more than half of the requests fail; then it halves the knee's bracket, on a
// logarithmic scale, as often as it was told to. When already the first rate misses the
// SLO it goes down first. A level that is invalid (see Round.Check) is run once more, three of them at
// most.
//
// The error is of the configuration, of a hit that could not be made, or of the context.
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

// errBudget says that there is no time left for another level.
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
	for range r.config.MaxLevels {
		level, err := r.level(ctx, rate)
		if err != nil {
			return err
		}
		if level.Result.FailureShare() > hopeless || level.Overloaded && level.Goodput < growth*best {
			return nil
		}
		if r.config.SaturationOnly && level.Goodput < drowned*rate {
			return nil
		}
		best = max(best, level.Goodput)
		rate *= r.config.Factor
	}
	return nil
}

// down lowers the rate below the start for as long as no level has met the SLO.
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

// level runs one level, and once more if the first is invalid.
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
	level := Level{
		Rate: rate, Goodput: result.Goodput(), MetSLO: r.config.SLO.Met(result),
		Overloaded: result.Goodput() < overloadedBelow*rate,
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

// knee returns the bracket that the levels so far leave: a rate that met the SLO above
// one that did not is luck and does not count.
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
	for _, l := range r.levels {
		if l.Discarded {
			continue
		}
		result.Goodput = max(result.Goodput, l.Goodput)
		result.Saturated = result.Saturated || l.Overloaded
		result.Validity = result.Validity.And(l.Validity)
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
