package measure_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bytebites.example/workshop/shared/measure"
)

// world is a machine that two variants share. Its slowness is a random walk over the rounds
// and may drift. A few rounds take twice as long, and each variant has its own noise. All
// terms are logarithms of the value; lower is better.
type world struct {
	random *rand.Rand
	slow   float64
	trend  float64 // slowdown of a round over the one before it
}

func (w *world) arm(noise, gain float64) measure.Arm {
	return func(context.Context) (measure.Observation, error) {
		w.slow += w.trend + 0.1*w.random.NormFloat64()
		log := w.slow + noise*w.random.NormFloat64() - math.Log(gain)
		if w.random.Float64() < 0.05 {
			log += math.Ln2
		}
		return measure.Observation{
			Value: math.Exp(log),
			// A few rounds are invalid, independent of their values.
			Validity: measure.Validity{OK: w.random.Float64() >= 0.02},
		}, nil
	}
}

const experiments = 2000

// simulate compares two variants many times, each time in a new world. It passes each valid
// comparison on and returns their number.
func simulate(t *testing.T, seed uint64, pairs int, ratio, trend float64, each func(measure.PairedResult)) int {
	t.Helper()
	valid := 0
	for i := range experiments {
		w := &world{random: rand.New(rand.NewPCG(seed, uint64(i))), trend: trend}
		config := measure.PairedConfig{Pairs: pairs, Better: measure.LowerIsBetter, Pause: 1}
		r, err := measure.Paired(t.Context(), config, w.arm(0.15, 1), w.arm(0.3, ratio))
		if err != nil {
			t.Fatal(err)
		}
		if r.Validity.OK {
			valid++
			each(r)
		}
	}
	if valid < experiments*98/100 {
		t.Errorf("only %d of %d experiments were valid", valid, experiments)
	}
	return valid
}

func TestIntervalCoversTheTruth(t *testing.T) {
	const ratio = 4.0
	for _, pairs := range []int{6, 9} {
		covered, bootstrapped := 0, 0
		random := rand.New(rand.NewPCG(1, 1))
		valid := simulate(t, 1, pairs, ratio, 0, func(r measure.PairedResult) {
			if r.Low <= ratio && ratio <= r.High {
				covered++
			}
			if low, high := bootstrap(random, r); low <= ratio && ratio <= high {
				bootstrapped++
			}
		})
		share, naive := float64(covered)/float64(valid), float64(bootstrapped)/float64(valid)
		t.Logf("%d pairs: covers %.1f %%, a bootstrap of the same pairs %.1f %%", pairs, 100*share, 100*naive)
		if share < 0.95 || share > 0.99 {
			t.Errorf("%d pairs: the interval covers the true ratio in %.1f %%, want 95 to 99 %%", pairs, 100*share)
		}
		// With so few pairs a bootstrap interval is too narrow. So Paired does not resample.
		if naive > 0.95 {
			t.Errorf("%d pairs: a bootstrap covers %.1f %%: it would do", pairs, 100*naive)
		}
	}
}

// bootstrap returns the percentile interval of the median, at the confidence of the order
// statistics.
func bootstrap(random *rand.Rand, r measure.PairedResult) (low, high float64) {
	const resamples = 200
	var ratios []float64
	for _, p := range r.Pairs {
		if !p.WarmUp && !p.Discarded {
			ratios = append(ratios, p.LogRatio)
		}
	}
	medians := make([]float64, resamples)
	draw := make([]float64, len(ratios))
	for i := range medians {
		for j := range draw {
			draw[j] = ratios[random.IntN(len(ratios))]
		}
		slices.Sort(draw)
		medians[i] = (draw[(len(draw)-1)/2] + draw[len(draw)/2]) / 2
	}
	slices.Sort(medians)
	tail := int(math.Round((1 - r.Confidence) / 2 * resamples))
	return math.Exp(medians[tail]), math.Exp(medians[resamples-1-tail])
}

// On a machine that gets slower by a fifth with every round, the second round of a pair is
// always worse. In ABBA order this only makes the interval wide.
func TestDriftDoesNotBiasThePairs(t *testing.T) {
	for _, trend := range []float64{-0.2, 0.2} {
		covered := 0
		valid := simulate(t, 2, 6, 1, trend, func(r measure.PairedResult) {
			if r.Low <= 1 && 1 <= r.High {
				covered++
			}
		})
		if share := float64(covered) / float64(valid); share < 0.95 {
			t.Errorf("trend %v: the interval covers the true ratio in %.1f %%, want 95 %% or more", trend, 100*share)
		}
	}
}

// A variant whose gain is below the floor must seldom clear the floor. The bound is half of
// the interval's error probability, because the interval errs on both sides.
func TestNoGainRarelyClearsAFloor(t *testing.T) {
	const floor = 1.2
	tests := []struct {
		name  string
		ratio float64
		pairs int
		most  float64 // share of the experiments
	}{
		{"equal variants, 6 pairs", 1, 6, 1.0 / 64},
		{"equal variants, 9 pairs", 1, 9, 10.0 / 512},
		{"just below the floor, 6 pairs", 0.999 * floor, 6, 1.0 / 64},
		{"just below the floor, 9 pairs", 0.999 * floor, 9, 10.0 / 512},
	}
	for i, test := range tests {
		cleared := 0
		valid := simulate(t, uint64(10+i), test.pairs, test.ratio, 0, func(r measure.PairedResult) {
			if r.Low >= floor {
				cleared++
			}
		})
		// The bound allows three standard deviations of the count.
		mean := test.most * float64(valid)
		t.Logf("%s: %d of %d clear it", test.name, cleared, valid)
		if limit := mean + 3*math.Sqrt(mean); float64(cleared) > limit {
			t.Errorf("%s: %d of %d clear a floor of %v, want at most %.0f", test.name, cleared, valid, floor, limit)
		}
	}
	// A variant with the gain must pass, else the test above proves nothing.
	cleared := 0
	valid := simulate(t, 20, 6, 4, 0, func(r measure.PairedResult) {
		if r.Low >= floor {
			cleared++
		}
	})
	if share := float64(cleared) / float64(valid); share < 0.95 {
		t.Errorf("a gain of 4 clears a floor of %v in only %.1f %%", floor, 100*share)
	}
}
