package usl

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// refits is the number of curves of an Uncertainty.
const refits = 400

// Interval bounds a value.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Uncertainty holds the confidence intervals of a fit.
type Uncertainty struct {
	Confidence float64  `json:"confidence"` // nominal, in [0.5, 0.99]; see Bootstrap
	Lambda     Interval `json:"lambda"`
	Sigma      Interval `json:"sigma"`
	Kappa      Interval `json:"kappa"`

	curves []Curve
}

// Bootstrap returns the uncertainty of the curve that Fit returns for the points, at a
// confidence in [0.5, 0.99]. It resamples the relative residuals of the fit with replacement
// and fits again, 400 times. The seed is fixed, so the same points give the same intervals.
//
// The intervals are a hint and not a proof. After a fit with three parameters, n residuals
// are smaller than the noise by √((n-3) / n), and they are a poor estimate of its size. So
// they are multiplied by √(n / (n-3)), and by the quantile of Student's t with n-3 degrees of
// freedom over the normal quantile. In simulated experiments, such intervals of 90 % held the
// true value in 80 to 95 % of the cases. They held it less often where a parameter is at its
// bound of 0 and the size is beyond the measured sizes.
//
// The intervals assume that the relative noise is the same at all sizes and that the law
// holds. They do not cover a bottleneck that appears between two sizes.
func Bootstrap(points []Point, confidence float64) (Uncertainty, error) {
	if !(confidence >= 0.5 && confidence <= 0.99) { // above 0.99 too few refits lie outside of the interval
		return Uncertainty{}, fmt.Errorf("scalability bootstrap: confidence %v: want 0.5 to 0.99", confidence)
	}
	if err := check(points); err != nil {
		return Uncertainty{}, fmt.Errorf("scalability bootstrap: %w", err)
	}
	curves, err := resample(points, confidence, refits)
	if err != nil {
		return Uncertainty{}, fmt.Errorf("scalability bootstrap: %w", err)
	}
	u := Uncertainty{Confidence: confidence, curves: curves}
	u.Lambda = u.interval(func(c Curve) float64 { return c.Lambda })
	u.Sigma = u.interval(func(c Curve) float64 { return c.Sigma })
	u.Kappa = u.interval(func(c Curve) float64 { return c.Kappa })
	return u, nil
}

// At returns the interval of the curve at size n, at least 1. A new measurement there may lie
// outside of it, because it has noise of its own.
func (u Uncertainty) At(n float64) Interval {
	return u.interval(func(c Curve) float64 { return c.At(n) })
}

// Peak returns the interval of the size with the highest throughput. Both ends may be
// infinite; see Curve.Peak.
func (u Uncertainty) Peak() Interval { return u.interval(Curve.Peak) }

// interval returns the percentiles that leave out the same number of values on both sides.
func (u Uncertainty) interval(figure func(Curve) float64) Interval {
	values := make([]float64, 0, len(u.curves))
	for _, c := range u.curves {
		values = append(values, figure(c))
	}
	if len(values) == 0 {
		return Interval{}
	}
	slices.Sort(values)
	out := int(math.Floor((1 - u.Confidence) / 2 * float64(len(values))))
	return Interval{Low: values[out], High: values[len(values)-1-out]}
}

// resample returns the curves of refits fits to resampled points.
func resample(points []Point, confidence float64, refits int) ([]Curve, error) {
	fit, err := newProblem(points).solve()
	if err != nil {
		return nil, err
	}
	n := float64(len(points))
	free := n - parameters
	tail := 1 - (1-confidence)/2
	widen := math.Sqrt(n/free) * distuv.StudentsT{Sigma: 1, Nu: free}.Quantile(tail) / distuv.UnitNormal.Quantile(tail)
	residuals := make([]float64, len(points))
	var mean float64
	for i, p := range points {
		residuals[i] = math.Log(p.X / fit.At(p.N))
		mean += residuals[i] / n
	}
	for i := range residuals {
		residuals[i] = (residuals[i] - mean) * widen
	}
	random := rand.New(rand.NewPCG(1, 2))
	curves := make([]Curve, refits)
	drawn := make([]Point, len(points))
	for i := range curves {
		for j, p := range points {
			drawn[j] = Point{N: p.N, X: fit.At(p.N) * math.Exp(residuals[random.IntN(len(residuals))])}
		}
		p := newProblem(drawn)
		x, err := p.search([]float64{fit.Sigma, fit.Kappa * p.scale})
		if err != nil {
			return nil, err
		}
		curves[i] = p.curve(x)
	}
	return curves, nil
}
