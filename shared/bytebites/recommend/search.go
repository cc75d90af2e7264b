package recommend

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// The weights of the objective. Each term is about 0 to 1.
const (
	relevanceWeight  = 1.0
	similarityWeight = 0.6
	energyWeight     = 0.3
	saltWeight       = 0.1

	// A dinner should give a third of the daily reference intake. The intake is 2,000 kcal
	// and 6 g of salt (Regulation (EU) No 1169/2011, annex XIII).
	dinnerKiloCalories  = 2000.0 / 3
	dinnerSaltMilligram = 6000.0 / 3
)

const (
	// swapBudget is the number of swaps that a plan evaluates, about 16 ms of CPU.
	swapBudget = 650_000
	// kickedMeals is the number of meals that a restart of the search replaces.
	kickedMeals = 3
)

// problem is the choice of a week from candidates.
//
// If S is the set of chosen meals, the search maximises
//
//	relevanceWeight  * mean relevance of S
//	- similarityWeight * mean similarity of the pairs of S
//	- energyWeight     * |mean kcal of S / dinnerKiloCalories - 1|
//	- saltWeight       * max(0, mean salt of S / dinnerSaltMilligram - 1)
type problem struct {
	size       int // of the week
	relevance  []float64
	kcal       []float64
	salt       []float64
	similarity []float32 // the similarity of i and j is at i*n+j
}

// newProblem compares all candidates with one another from the subscriber's point of view. A
// dimension of taste space has more weight if the subscriber cares more about it. Two meals
// that differ only in unimportant dimensions then count as nearly the same dinner. Similarities
// therefore differ by subscriber, and each plan computes its own.
func newProblem(candidates []candidate, direction []float64) *problem {
	n := len(candidates)
	p := &problem{
		size:       min(Days, n),
		relevance:  make([]float64, n),
		kcal:       make([]float64, n),
		salt:       make([]float64, n),
		similarity: make([]float32, n*n),
	}
	stretch := make([]float64, len(direction))
	for d, x := range direction {
		stretch[d] = math.Sqrt(1 + math.Abs(x)*math.Sqrt(float64(len(direction))))
	}
	stretched := make([][]float32, n)
	for i, c := range candidates {
		p.relevance[i] = c.relevance
		p.kcal[i] = c.meal.kiloCalories
		p.salt[i] = c.meal.saltMilligram
		stretched[i] = stretchUnit(c.meal.vector, stretch)
		for j := range i {
			s := dot32(stretched[i], stretched[j])
			p.similarity[i*n+j], p.similarity[j*n+i] = s, s
		}
	}
	return p
}

func stretchUnit(v []float32, stretch []float64) []float32 {
	wide := make([]float64, len(v))
	for d, x := range v {
		wide[d] = stretch[d] * float64(x)
	}
	normalise(wide)
	unit := make([]float32, len(v))
	for d, x := range wide {
		unit[d] = float32(x)
	}
	return unit
}

func dot32(a, b []float32) float32 {
	var sum float32
	for d, x := range b {
		sum += a[d] * x
	}
	return sum
}

// totals are the sums from which score computes the objective.
type totals struct{ relevance, similarity, kcal, salt float64 }

func (p *problem) totals(chosen []int) totals {
	var t totals
	for position, i := range chosen {
		t.relevance += p.relevance[i]
		t.kcal += p.kcal[i]
		t.salt += p.salt[i]
		t.similarity += p.nearness(i, chosen[:position])
	}
	return t
}

// nearness is the sum of the similarities between a candidate and each of the others.
func (p *problem) nearness(i int, others []int) float64 {
	row := p.similarity[i*len(p.relevance):]
	var sum float32
	for _, j := range others {
		sum += row[j]
	}
	return float64(sum)
}

func (p *problem) score(t totals) float64 {
	n := float64(p.size)
	pairs := math.Max(1, n*(n-1)/2)
	return relevanceWeight*t.relevance/n -
		similarityWeight*t.similarity/pairs -
		energyWeight*math.Abs(t.kcal/n/dinnerKiloCalories-1) -
		saltWeight*math.Max(0, t.salt/n/dinnerSaltMilligram-1)
}

func (p *problem) objective(chosen []int) float64 { return p.score(p.totals(chosen)) }

// start chooses greedily by maximal marginal relevance. The value of a candidate is its
// relevance less its similarity to the nearest chosen meal. Each round takes the candidate
// with the highest value.
func (p *problem) start() []int {
	chosen := make([]int, 0, p.size)
	taken := make([]bool, len(p.relevance))
	for len(chosen) < p.size {
		best, bestValue := -1, math.Inf(-1)
		for i := range p.relevance {
			if taken[i] {
				continue
			}
			nearest := 0.0
			for _, j := range chosen {
				nearest = math.Max(nearest, float64(p.similarity[i*len(p.relevance)+j]))
			}
			if value := relevanceWeight*p.relevance[i] - similarityWeight*nearest; value > bestValue {
				best, bestValue = i, value
			}
		}
		taken[best] = true
		chosen = append(chosen, best)
	}
	return chosen
}

// solve returns a choice that is never worse than start's. It improves the choice by swaps
// until no swap helps. Then it replaces a few meals at random and improves again, until the
// budget is spent. It returns the best choice that it saw.
func (p *problem) solve(ctx context.Context, random *rand.Rand) ([]int, error) {
	best := p.start()
	if len(p.relevance) == p.size {
		return best, nil // there is nothing to choose
	}
	bestScore := p.objective(best)
	current := slices.Clone(best)
	for budget := swapBudget; budget > 0; {
		for improved := true; improved && budget > 0; {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("plan week: %w", context.Cause(ctx))
			}
			improved = p.improve(current)
			budget -= p.size * (len(p.relevance) - p.size)
		}
		// Sums in another order differ in their last bits and would decide ties at random.
		// Only a clearly better score replaces the best one.
		if score := p.objective(current); score > bestScore+1e-9 {
			bestScore = score
			copy(best, current)
		}
		copy(current, best)
		p.kick(current, random)
	}
	return best, nil
}

// improve goes through the week once. It swaps each meal for the candidate that raises the
// objective most, and reports whether it swapped any.
func (p *problem) improve(chosen []int) bool {
	n := len(p.relevance)
	taken := make([]bool, n)
	for _, i := range chosen {
		taken[i] = true
	}
	improved := false
	others := make([]int, p.size-1)
	for position, old := range chosen {
		copy(others, chosen[:position])
		copy(others[position:], chosen[position+1:])
		without := p.totals(others)
		best, bestScore := old, p.score(p.with(without, old, others))+1e-9
		for i := range n {
			if taken[i] {
				continue
			}
			if score := p.score(p.with(without, i, others)); score > bestScore {
				best, bestScore = i, score
			}
		}
		if best != old {
			taken[old], taken[best] = false, true
			chosen[position] = best
			improved = true
		}
	}
	return improved
}

// with returns the totals t of others after candidate i is added.
func (p *problem) with(t totals, i int, others []int) totals {
	t.relevance += p.relevance[i]
	t.kcal += p.kcal[i]
	t.salt += p.salt[i]
	t.similarity += p.nearness(i, others)
	return t
}

// kick replaces up to kickedMeals meals by random candidates.
func (p *problem) kick(chosen []int, random *rand.Rand) {
	for range min(kickedMeals, p.size) {
		position := random.IntN(p.size)
		if i := random.IntN(len(p.relevance)); !slices.Contains(chosen, i) {
			chosen[position] = i
		}
	}
}

// spread orders the chosen meals so that consecutive days differ. It starts with the most
// relevant meal. Each next meal is the one least similar to the day before.
func (p *problem) spread(chosen []int) []int {
	rest := slices.Clone(chosen)
	slices.SortFunc(rest, func(a, b int) int {
		if p.relevance[a] > p.relevance[b] || (p.relevance[a] == p.relevance[b] && a < b) {
			return -1
		}
		return 1
	})
	week := make([]int, 0, len(rest))
	for len(rest) > 0 {
		next := 0
		if len(week) > 0 {
			row := p.similarity[week[len(week)-1]*len(p.relevance):]
			for k := range rest {
				if row[rest[k]] < row[rest[next]] {
					next = k
				}
			}
		}
		week = append(week, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
	return week
}
