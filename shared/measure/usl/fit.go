package usl

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
)

// The requirements of a fit.
const (
	// MinPoints is the least number of points: twice the number of parameters.
	MinPoints = 6
	// MinSizes is the least number of different sizes among them.
	MinSizes = 4

	parameters  = 3
	maxSearches = 20
)

// Fit returns the curve with the least sum of squared relative deviations from the points,
// Σ (X̂/X - 1)². The deviations are relative because the noise of a throughput grows with the
// throughput. Absolute deviations would give the largest sizes too much weight.
//
// For given σ and κ the best λ has a closed form. A Nelder-Mead search finds σ and κ, which
// are at least 0. Several points may have the same size.
func Fit(points []Point) (Curve, error) {
	if err := check(points); err != nil {
		return Curve{}, fmt.Errorf("scalability fit: %w", err)
	}
	c, err := newProblem(points).solve()
	if err != nil {
		return Curve{}, fmt.Errorf("scalability fit: %w", err)
	}
	return c, nil
}

func check(points []Point) error {
	if len(points) < MinPoints {
		return fmt.Errorf("%d points: want at least %d", len(points), MinPoints)
	}
	sizes := map[float64]bool{}
	for _, p := range points {
		if !(p.N >= 1) || math.IsInf(p.N, 0) {
			return fmt.Errorf("size %v: want a number of at least 1", p.N)
		}
		if !(p.X > 0) || math.IsInf(p.X, 0) {
			return fmt.Errorf("throughput %v at size %v: want a number of more than 0", p.X, p.N)
		}
		sizes[p.N] = true
	}
	if len(sizes) < MinSizes {
		return fmt.Errorf("%d different sizes: want at least %d", len(sizes), MinSizes)
	}
	return nil
}

// problem is one fit. Its unknowns are σ, and κ times the largest size. Both then have about
// the same scale, which a simplex search needs.
type problem struct {
	points []Point
	scale  float64 // the largest size
}

func newProblem(points []Point) problem {
	p := problem{points: points}
	for _, point := range points {
		p.scale = max(p.scale, point.N)
	}
	return p
}

// curve returns the best curve for the unknowns x. It takes their absolute values, so that
// the search is reflected at the bound of 0.
func (p problem) curve(x []float64) Curve {
	c := Curve{Lambda: 1, Sigma: math.Abs(x[0]), Kappa: math.Abs(x[1]) / p.scale}
	var sum, squares float64
	for _, point := range p.points {
		share := c.At(point.N) / point.X
		sum += share
		squares += share * share
	}
	c.Lambda = sum / squares
	return c
}

// cost returns the sum of squared relative deviations.
func (p problem) cost(x []float64) float64 {
	c := p.curve(x)
	var cost float64
	for _, point := range p.points {
		d := c.At(point.N)/point.X - 1
		cost += d * d
	}
	return cost
}

// solve searches from the best point of a coarse grid.
func (p problem) solve() (Curve, error) {
	best, least := []float64{0, 0}, math.Inf(1)
	for _, sigma := range []float64{0, 0.01, 0.03, 0.1, 0.3, 1} {
		for _, kappa := range []float64{0, 0.01, 0.1, 1, 10} {
			x := []float64{sigma, kappa}
			if cost := p.cost(x); cost < least {
				best, least = x, cost
			}
		}
	}
	// A simplex that shrinks along the bound may stop too early. So start a new simplex from
	// its result for as long as the cost falls.
	for range maxSearches {
		x, err := p.search(best)
		if err != nil {
			return Curve{}, err
		}
		before := least
		best, least = x, p.cost(x)
		if least >= before*(1-1e-6) {
			break
		}
	}
	return p.curve(best), nil
}

// search returns the best unknowns that one simplex finds from a start.
func (p problem) search(start []float64) ([]float64, error) {
	result, err := optimize.Minimize(optimize.Problem{Func: p.cost}, start, &optimize.Settings{
		Converger:       &optimize.FunctionConverge{Absolute: 1e-14, Relative: 1e-6, Iterations: 15},
		FuncEvaluations: 2000,
	}, &optimize.NelderMead{SimplexSize: 0.05})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	best := result.X
	for i := range best {
		// When the minimum is at the bound of 0, the search only comes near it. A curve that
		// never falls would then have a peak at a very large size.
		edge := slices.Clone(best)
		edge[i] = 0
		if p.cost(edge) <= p.cost(best) {
			best = edge
		}
	}
	return best, nil
}
