package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aclements/go-moremath/stats"

	"bytebites.example/workshop/shared/measure/load"
)

// Observation is the result of one round of one arm.
type Observation struct {
	Value    float64 // of the arm's metric
	Validity Validity
	Result   load.Result
}

// Arm runs one round of one of the two compared variants.
type Arm func(ctx context.Context) (Observation, error)

// Better says whether a higher or a lower value of a metric is better.
type Better int

// Goodput is better when higher, a latency when lower.
const (
	HigherIsBetter Better = iota
	LowerIsBetter
)

// Constants of paired rounds.
const (
	defaultPairs = 6
	// minPairs is the least number of pairs for an interval of the wanted confidence. Five
	// pairs all lie on one side of the median with probability 1/16.
	minPairs = 6
	// wantedConfidence is the least confidence of the interval, in [0, 1].
	wantedConfidence = 0.95
	// maxDiscarded is how many pairs may be run again.
	maxDiscarded = 3
	// minLeft is the share of a rush that a variant must leave unanswered at its end, at
	// least, to be overloaded by it. At 1.5 times its limit a variant leaves a third, and more
	// when its answers take long. Below its limit it leaves those of its last moments.
	minLeft = 0.2
)

// PairedConfig configures Paired.
type PairedConfig struct {
	Pairs  int // valid pairs without the warm-up; at least 6; default 6
	Better Better
	// Rush says that the rate is to be too much for the variant before. When it was not, in most
	// pairs, the two variants were compared at a rate that both can do, and nothing follows.
	Rush bool
	// Pause is the wait between rounds, three times as long after a round with failures. In
	// it the service ends the work of requests that timed out, so that this work does not
	// slow down the next round. Default 300 ms.
	Pause time.Duration
	// OnPair, unless nil, gets each pair when it has ended: the warm-up and discarded pairs
	// too.
	OnPair func(Pair)
}

func (c PairedConfig) withDefaults() (PairedConfig, error) {
	if c.Pairs == 0 {
		c.Pairs = defaultPairs
	}
	if c.Pairs < minPairs {
		return c, fmt.Errorf("%d pairs: want at least %d", c.Pairs, minPairs)
	}
	if c.Better != HigherIsBetter && c.Better != LowerIsBetter {
		return c, fmt.Errorf("better: %d is neither HigherIsBetter nor LowerIsBetter", c.Better)
	}
	if c.Pause <= 0 {
		c.Pause = 300 * time.Millisecond
	}
	return c, nil
}

// Pair is one round of each variant. The second round directly follows the first, so that
// other load on the machine affects both.
type Pair struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// LogRatio is the natural logarithm of the gain: above 0 when after is better. It is -Inf
	// when a metric that is better when higher is 0 after.
	LogRatio float64 `json:"-"` // JSON has no infinity; Before and After hold the same fact
	// Rushed says that the variant before was overloaded.
	Rushed bool `json:"rushed,omitempty"`
	// Headroom says that the variant after answered at least 90 % of the requests within the round. So it was not
	// overloaded, and could have answered more.
	Headroom  bool `json:"headroom,omitempty"`
	WarmUp    bool `json:"warm_up,omitempty"`
	Discarded bool `json:"discarded,omitempty"` // had an invalid round and was repeated
	// Validity holds the problems of both rounds. When the two values have no ratio, Before
	// and After are 0 and a reason holds the values.
	Validity Validity `json:"validity"`
}

// used reports whether the pair counts for the interval.
func (p Pair) used() bool { return !p.WarmUp && p.Validity.OK }

// Describe returns the pair in a few words: its two values with decimals and unit, and the
// reason when the pair does not count.
func (p Pair) Describe(decimals int, unit string) string {
	text := fmt.Sprintf("%7.*f and %.*f %s", decimals, p.Before, decimals, p.After, unit)
	switch {
	case p.WarmUp:
		return text + ", to warm up"
	case !p.Validity.OK:
		return text + ", thrown away: " + strings.Join(p.Validity.Reasons, "; ")
	default:
		return text
	}
}

// PairedResult is the result of Paired.
type PairedResult struct {
	Pairs []Pair `json:"pairs"` // all pairs, in the order in which they ran
	// Before and After are the medians of the pairs used, in the metric's unit.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Ratio is the median of the pairs' ratios: above 1 when after is better. It is not After
	// over Before, because those medians come from rounds of different pairs.
	Ratio float64 `json:"ratio"`
	// Low and High bound the true ratio with Confidence, in [0, 1]. All three are 0 when
	// there are fewer valid pairs than PairedConfig.Pairs.
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	// Headroom says that the variant after was not overloaded in most pairs. After and the ratios are then
	// lower bounds, if the metric is the right answers a second.
	Headroom  bool `json:"headroom,omitempty"`
	Discarded int  `json:"discarded"` // number of repeated pairs
	// Validity is not OK when the comparison is inconclusive. The numbers then prove nothing.
	Validity Validity `json:"validity"`
}

// Paired compares two variants by pairs of rounds in ABBA order: before, after, after,
// before, and so on. In this order a steady drift of the machine favours both equally. The
// first pair is a warm-up and does not count. Then config.Pairs valid pairs follow; their
// results never change that number.
//
// A pair with an invalid round is repeated at the end. Both rounds are repeated, because only
// neighbours share a drift, and the order goes on alternating. A pair is never repeated
// because of its values. Two events end the comparison and make the result not valid: a
// fourth invalid pair, or a pair whose values have no ratio. So does a rush (config.Rush) that was
// none, after all pairs. A ratio is missing when before
// is 0, when a value is not a number, or when lower is better and after is 0. When higher is
// better and after is 0, the ratio is 0.
//
// The interval is that of the median by order statistics (stats.QuantileCI). It is exact for
// every distribution of the noise, if the pairs are independent and each is as likely above
// the true ratio as below. With 6 pairs it goes from the lowest to the highest ratio, with a
// confidence of 62/64, 96.9 %. With 9 pairs it goes from the second lowest to the second
// highest, 492/512, 96.1 %.
//
// The error comes from the configuration, from an arm, or from ctx.
func Paired(ctx context.Context, config PairedConfig, before, after Arm) (PairedResult, error) {
	config, err := config.withDefaults()
	if err == nil && (before == nil || after == nil) {
		err = errors.New("want two arms")
	}
	if err != nil {
		return PairedResult{}, fmt.Errorf("paired rounds: %w", err)
	}
	p := &paired{config: config, before: before, after: after}
	if err := p.run(ctx); err != nil {
		return PairedResult{}, fmt.Errorf("paired rounds: %w", err)
	}
	return p.result(), nil
}

type paired struct {
	config        PairedConfig
	before, after Arm
	pairs         []Pair
	pause         time.Duration // before the next round
}

func (p *paired) run(ctx context.Context) error {
	for used, discarded := 0, 0; used < p.config.Pairs && discarded <= maxDiscarded; {
		pair, err := p.pair(ctx)
		if err != nil {
			return fmt.Errorf("pair %d: %w", len(p.pairs), err)
		}
		p.pairs = append(p.pairs, pair)
		if p.config.OnPair != nil {
			p.config.OnPair(pair)
		}
		switch {
		case pair.WarmUp:
		case pair.Discarded:
			discarded++
		case pair.used():
			used++
		default:
			return nil // a pair without a ratio ends the comparison
		}
	}
	return nil
}

// pair runs the next pair; the order alternates.
func (p *paired) pair(ctx context.Context) (Pair, error) {
	var before, after Observation
	var err error
	if len(p.pairs)%2 == 0 {
		if before, err = p.round(ctx, "before", p.before); err == nil {
			after, err = p.round(ctx, "after", p.after)
		}
	} else {
		if after, err = p.round(ctx, "after", p.after); err == nil {
			before, err = p.round(ctx, "before", p.before)
		}
	}
	if err != nil {
		return Pair{}, err
	}
	validity := named("before", before.Validity).And(named("after", after.Validity))
	pair := Pair{
		WarmUp: len(p.pairs) == 0, Discarded: len(p.pairs) > 0 && !validity.OK,
		Rushed: rushed(before.Result), Headroom: headroom(after.Result), Validity: validity,
	}
	ratio, ok := p.config.Better.logRatio(before.Value, after.Value)
	if !ok {
		pair.Validity = validity.And(valid([]string{fmt.Sprintf("no ratio of %g before and %g after", before.Value, after.Value)}))
		return pair, nil
	}
	pair.Before, pair.After, pair.LogRatio = before.Value, after.Value, ratio
	return pair, nil
}

func (p *paired) round(ctx context.Context, name string, arm Arm) (Observation, error) {
	if p.pause > 0 {
		if err := sleep(ctx, p.pause); err != nil {
			return Observation{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Observation{}, err
	}
	observation, err := arm(ctx)
	if err != nil {
		return Observation{}, fmt.Errorf("%s: %w", name, err)
	}
	p.pause = p.config.Pause
	if observation.Result.Failed > 0 {
		p.pause *= 3
	}
	return observation, nil
}

// rushed reports whether a round was too much for the variant.
func rushed(r load.Result) bool {
	return r.Planned > 0 && float64(r.Planned-r.InWindow) >= minLeft*float64(r.Planned)
}

// headroom reports whether a round was not too much for the variant.
func headroom(r load.Result) bool {
	return r.Planned > 0 && float64(r.InWindow) >= overloadedBelow*float64(r.Planned)
}

// named returns a validity whose reasons begin with a name. A validity that is not OK and has
// no reason gets one, because And would make it OK.
func named(name string, v Validity) Validity {
	reasons := slices.Clone(v.Reasons)
	if !v.OK && len(reasons) == 0 {
		reasons = []string{"invalid round"}
	}
	for i, reason := range reasons {
		reasons[i] = name + ": " + reason
	}
	return valid(reasons)
}

// logRatio returns the natural logarithm of the gain. ok is false when the two values have no
// ratio.
func (b Better) logRatio(before, after float64) (ratio float64, ok bool) {
	for _, v := range []float64{before, after} {
		if !(v >= 0) || math.IsInf(v, 1) {
			return 0, false
		}
	}
	// A ratio to 0 is not defined. A latency of 0 is the mean of no requests.
	if before == 0 || after == 0 && b == LowerIsBetter {
		return 0, false
	}
	ratio = math.Log(after) - math.Log(before)
	if b == LowerIsBetter {
		ratio = -ratio
	}
	return ratio, true
}

func (p *paired) result() PairedResult {
	r := PairedResult{Pairs: p.pairs}
	var before, after, ratios []float64
	var reasons, invalid []string
	overloads, headrooms := 0, 0
	for i, pair := range p.pairs {
		switch {
		case pair.WarmUp:
		case pair.Discarded:
			r.Discarded++
			for _, reason := range pair.Validity.Reasons {
				invalid = append(invalid, fmt.Sprintf("pair %d, %s", i, reason))
			}
		case pair.used():
			before, after, ratios = append(before, pair.Before), append(after, pair.After), append(ratios, pair.LogRatio)
			if pair.Rushed {
				overloads++
			}
			if pair.Headroom {
				headrooms++
			}
		default:
			for _, reason := range pair.Validity.Reasons {
				reasons = append(reasons, fmt.Sprintf("pair %d: %s", i, reason))
			}
		}
	}
	if r.Discarded > maxDiscarded {
		reasons = append(reasons, fmt.Sprintf("%d pairs had an invalid round, limit %d", r.Discarded, maxDiscarded))
		reasons = append(reasons, invalid...)
	}
	if p.config.Rush && 2*overloads < len(ratios) {
		reasons = append(reasons, fmt.Sprintf("no rush: the variant before was overloaded in only %d of %d rounds, so its limit is higher than was found", overloads, len(ratios)))
	}
	r.Validity = valid(reasons)
	r.Headroom = 2*headrooms > len(ratios)
	if len(ratios) == 0 {
		return r
	}
	r.Before, r.After, r.Ratio = median(before), median(after), math.Exp(median(ratios))
	if len(ratios) == p.config.Pairs {
		slices.Sort(ratios)
		interval := stats.QuantileCI(len(ratios), 0.5, wantedConfidence)
		r.Low, r.High = math.Exp(ratios[interval.LoOrder-1]), math.Exp(ratios[interval.HiOrder-1])
		r.Confidence = interval.Confidence
	}
	return r
}

// median returns the middle value, or the mean of the two middle values. A value may be -Inf.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
