package recommend

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// randomProblem returns a problem over generated meals.
func randomProblem(seed uint64, n int) *problem {
	random := rand.New(rand.NewPCG(seed, 2))
	k := newKitchen(n, 16, random)
	details := make(map[bytebites.MealID]bytebites.Meal)
	for _, m := range k.meals {
		details[m.ID] = m
	}
	m := newMenu(k.taste, details, time.Time{})
	s := newSubscriber(k, random, bytebites.Preferences{})
	taste := tasteOf(m, s.preferences, s.history)
	return newProblem(shortlist(m, s.preferences, taste), taste.direction)
}

func TestSolutionIsNoWorseThanTheGreedyStart(t *testing.T) {
	better := 0
	for seed := range uint64(10) {
		p := randomProblem(seed, 20+int(seed)*20)
		start := p.objective(p.start())
		chosen, err := p.solve(context.Background(), newRandom("u"))
		if err != nil {
			t.Fatal(err)
		}
		got := p.objective(chosen)
		if got < start {
			t.Errorf("seed %d: objective %v, the start has %v", seed, got, start)
		}
		if got > start+1e-6 {
			better++
		}
	}
	if better == 0 {
		t.Error("the search improved none of the starts: it does nothing")
	}
}

func TestSmallProblemIsSolvedToTheOptimum(t *testing.T) {
	p := randomProblem(3, 16)
	best := math.Inf(-1)
	var choose func(from int, chosen []int)
	choose = func(from int, chosen []int) {
		if len(chosen) == p.size {
			best = math.Max(best, p.objective(chosen))
			return
		}
		for i := from; i < len(p.relevance); i++ {
			choose(i+1, append(chosen, i))
		}
	}
	choose(0, make([]int, 0, p.size))
	chosen, err := p.solve(context.Background(), newRandom("u"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.objective(chosen); got < best-1e-6 {
		t.Errorf("objective %v, the best of all weeks has %v", got, best)
	}
}

func TestImproveNeverWorsens(t *testing.T) {
	p := randomProblem(4, 120)
	random := newRandom("u")
	chosen := p.start()
	for range 50 {
		p.kick(chosen, random)
		before := p.objective(chosen)
		improved := p.improve(chosen)
		after := p.objective(chosen)
		if after < before-1e-9 || improved != (after > before+1e-12) {
			t.Fatalf("objective %v, then %v; improved is %v", before, after, improved)
		}
		slices.Sort(chosen)
		if len(slices.Compact(slices.Clone(chosen))) != p.size {
			t.Fatalf("a meal twice in %v", chosen)
		}
	}
}

func TestSimilarityIsACosine(t *testing.T) {
	p := randomProblem(5, 40)
	n := len(p.relevance)
	for i := range n {
		for j := range n {
			s := p.similarity[i*n+j]
			if s != p.similarity[j*n+i] || s > 1.0001 || s < -1.0001 {
				t.Fatalf("similarity of %d and %d is %v", i, j, s)
			}
		}
	}
}
