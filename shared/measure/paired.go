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

// Observation is what one round of one arm gave.
type Observation struct {
	Value    float64 // of the arm's metric
	Validity Validity
	Result   load.Result
}

// Arm runs one round of one of the two variants that are compared.
type Arm func(ctx context.Context) (Observation, error)

// Better says which of two values of a metric is the better one.
type Better int

// Goodput is better when higher, a latency when lower.
const (
	HigherIsBetter Better = iota
	LowerIsBetter
)

// Constants of paired rounds.
const (
	defaultPairs = 6
	// minPairs is how many pairs an interval of the wanted confidence takes: of five,
	// all lie on one side of the median once in 16 times.
	minPairs = 6
	// wantedConfidence is the least confidence of the interval.
	wantedConfidence = 0.95
	// maxDiscarded is how many pairs may be run again.
	maxDiscarded = 3
)

// PairedConfig says how two variants are compared.
type PairedConfig struct {
	Pairs  int // that count, the warm-up apart; at least and by default 6
	Better Better
	// Pause is the wait between rounds, so that work which clients gave up on does not
	// weigh on the next; three times as long after a round with failures. Default
	// 300 ms.
	Pause time.Duration
	// OnPair, unless nil, is told each pair when it is over, the warm-up and those
	// thrown away too.
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
		return c, fmt.Errorf("neither higher nor lower is better: %d", c.Better)
	}
	if c.Pause <= 0 {
		c.Pause = 300 * time.Millisecond
	}
	return c, nil
}

// Pair is one round of each variant, one right after the other, so that whatever the
// machine was doing weighs on both.
type Pair struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// LogRatio is the natural logarithm of how many times better after is than before:
	// more than 0 is better. It is -Inf when after gave nothing at all.
	LogRatio  float64 `json:"-"` // JSON has no word for infinity; the two values say as much
	WarmUp    bool    `json:"warm_up,omitempty"`
	Discarded bool    `json:"discarded,omitempty"` // had an invalid round and was run again
	// Validity holds what was wrong with either round, or with the values: then both of
	// them are 0 and the reason says what they were.
	Validity Validity `json:"validity"`
}

// used reports whether the pair is one of those that the interval is made of.
func (p Pair) used() bool { return !p.WarmUp && p.Validity.OK }

// Describe returns the pair in a few words: its two values, with so many decimals and their
// unit, and why it does not count if it does not.
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

// PairedResult is how many times better one variant is than the other.
type PairedResult struct {
	Pairs []Pair `json:"pairs"` // all that ran, in order
	// Before and After are the medians of the pairs used, in the metric's unit.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Ratio is the median of the pairs' own ratios, better over worse. It is not After
	// over Before, which compares rounds that did not run side by side.
	Ratio float64 `json:"ratio"`
	// Low and High bound the true ratio with Confidence, in [0, 1]. All three are 0 when
	// there are fewer pairs than were asked for.
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	Discarded  int     `json:"discarded"` // pairs run again
	// Validity that is not OK says that nothing follows from the numbers, whatever they
	// are: the comparison is inconclusive.
	Validity Validity `json:"validity"`
}

// Paired compares two variants by pairs of rounds in ABBA order: before, after, after,
// before, and so on, so that a steady drift of the machine helps each as often as it
// harms it. The first pair warms up and is thrown away. Then as many follow as config
// says; nothing that they show changes their number.
//
// A pair with an invalid round is run again at the end, both rounds of it, for only
// neighbours share a drift; the order goes on alternating. A pair is never run again for
// its values. The fourth invalid pair ends the comparison, and so does a pair whose
// values have no ratio (before gave nothing, or either is not a number): the result is
// then not valid. That after gave nothing, where higher is better, is a ratio: 0.
//
// The interval is the one of the median by order statistics (stats.QuantileCI): it is
// exact, whatever the noise is distributed like, as long as pairs are independent of one
// another and each as likely to show too much as too little. Of 6 pairs it is the lowest
// and the highest, with a confidence of 62/64, 96.9 %; of 9 the second lowest and the
// second highest, 492/512, 96.1 %.
//
// The error is of the configuration, of a round that could not be run, or of the context.
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
			return nil // no ratio: more pairs would not help
		}
	}
	return nil
}

// pair runs the next pair, in the order that is due.
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
	pair := Pair{WarmUp: len(p.pairs) == 0, Discarded: len(p.pairs) > 0 && !validity.OK, Validity: validity}
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

// named returns a validity whose reasons begin with a name. One that is not OK and does
// not say why gets a reason, for without one it would not survive And.
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

// logRatio returns the logarithm of how many times better after is, if the two values
// have such a ratio.
func (b Better) logRatio(before, after float64) (ratio float64, ok bool) {
	for _, v := range []float64{before, after} {
		if !(v >= 0) || math.IsInf(v, 1) {
			return 0, false
		}
	}
	// Nothing is infinitely better than nothing; and no latency is 0: a mean of no
	// requests is.
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
	r.Validity = valid(reasons)
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

// median returns the middle value, or the mean of the two; one of them may be -Inf.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
