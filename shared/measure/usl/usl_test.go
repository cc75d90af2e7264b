package usl

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// measured returns points of a curve at sizes, with relative noise.
func measured(c Curve, noise float64, random *rand.Rand, sizes ...float64) []Point {
	points := make([]Point, len(sizes))
	for i, n := range sizes {
		points[i] = Point{N: n, X: c.At(n) * math.Exp(noise*random.NormFloat64())}
	}
	return points
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

var (
	doublings = []float64{1, 2, 4, 8, 16, 32}
	rented    = []float64{1, 1, 1, 2.5, 2.5, 2.5, 5, 5, 5, 10, 10, 10} // the workshop's instance types, three times each
)

func TestFit(t *testing.T) {
	tests := []struct {
		name  string
		truth Curve
		peak  float64
	}{
		{"contention and coherency", Curve{Lambda: 995.65, Sigma: 0.02671, Kappa: 0.000769}, 35.57},
		{"contention alone", Curve{Lambda: 14, Sigma: 0.2}, math.Inf(1)},
		{"coherency alone", Curve{Lambda: 14, Kappa: 0.01}, 10},
		{"linear", Curve{Lambda: 60}, math.Inf(1)},
		{"a ceiling", Curve{Lambda: 1100, Sigma: 1}, math.Inf(1)},
		{"a fall from the start", Curve{Lambda: 100, Sigma: 1, Kappa: 1}, 1},
		{"heavy contention", Curve{Lambda: 1e6, Sigma: 0.9, Kappa: 0.001}, 10},
		{"tiny throughput", Curve{Lambda: 1e-3, Sigma: 0.05, Kappa: 0.002}, 21.79},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, sizes := range [][]float64{doublings, rented} {
				c, err := Fit(measured(test.truth, 0, source(1), sizes...))
				if err != nil {
					t.Fatal(err)
				}
				near(t, "lambda", c.Lambda/test.truth.Lambda, 1, 1e-4)
				near(t, "sigma", c.Sigma, test.truth.Sigma, 1e-4)
				near(t, "kappa", c.Kappa, test.truth.Kappa, 1e-4)
			}
			if got := test.truth.Peak(); math.Abs(got-test.peak) > 0.01 {
				t.Errorf("peak at %v, want %v", got, test.peak)
			}

			// With noise of 3 %, every curve is near the true values at the measured sizes.
			c, err := Fit(measured(test.truth, 0.03, source(2), rented...))
			if err != nil {
				t.Fatal(err)
			}
			for n := 1.0; n <= 10; n++ {
				near(t, "noisy throughput", c.At(n)/test.truth.At(n), 1, 0.06)
			}
			if c.Sigma < 0 || c.Kappa < 0 {
				t.Errorf("%+v, want nothing below 0", c)
			}
		})
	}
}

// A curve that does not fall has no peak, not even at a very large size.
func TestFitOfALineHasNoPeak(t *testing.T) {
	c, err := Fit(measured(Curve{Lambda: 60}, 0, source(1), doublings...))
	if err != nil {
		t.Fatal(err)
	}
	if c.Kappa != 0 || !math.IsInf(c.Peak(), 1) {
		t.Errorf("%+v with its peak at %v, want none", c, c.Peak())
	}
	// The points are superlinear. The nearest curve of the law is a line.
	c, err = Fit([]Point{{1, 10}, {2, 21}, {3, 33}, {4, 46}, {5, 60}, {6, 75}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Sigma != 0 || c.Kappa != 0 || c.Lambda < 10 || c.Lambda > 12.5 {
		t.Errorf("%+v, want a line of 10 to 12.5", c)
	}
}

// Deviations are relative to the throughput. So a deviation of a tenth moves the curve as
// much at the smallest size as at the largest.
func TestFitIsRelative(t *testing.T) {
	line := Curve{Lambda: 100}
	for _, at := range []int{0, 5} {
		points := measured(line, 0, source(1), 1, 2, 4, 8, 16, 32)
		points[at].X *= 1.1
		p := newProblem(points)
		near(t, "lambda", p.curve([]float64{0, 0}).Lambda, 101.5, 0.3)
	}
}

func TestPeak(t *testing.T) {
	tests := []struct {
		c    Curve
		want float64
	}{
		{Curve{Lambda: 1, Sigma: 0.19, Kappa: 0.01}, 9},
		{Curve{Lambda: 1, Sigma: 0.5}, math.Inf(1)},
		{Curve{Lambda: 1, Sigma: 1.1}, 1},
		{Curve{Lambda: 1, Sigma: 1.1, Kappa: 0.1}, 1},
		{Curve{Lambda: 1, Kappa: 4}, 1}, // the formula gives 0.5, and the least size is 1
	}
	for _, test := range tests {
		got := test.c.Peak()
		if got != test.want && math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%+v: peak at %v, want %v", test.c, got, test.want)
		}
		for _, n := range []float64{1, 1.5, 2, 5, 8, 11, 100, 1e4} {
			if !math.IsInf(got, 1) && test.c.At(n) > test.c.At(got)*(1+1e-12) {
				t.Errorf("%+v: more at %v than at its peak", test.c, n)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	good := measured(Curve{Lambda: 100, Sigma: 0.1}, 0, source(1), doublings...)
	with := func(p Point) []Point { return append([]Point{p}, good...) }
	tests := []struct {
		name   string
		points []Point
		want   string
	}{
		{"none", nil, "0 points: want at least 6"},
		{"five", good[:5], "5 points: want at least 6"},
		{"three sizes", append(append([]Point{}, good[:3]...), good[:3]...), "3 different sizes: want at least 4"},
		{"size below 1", with(Point{0.5, 10}), "size 0.5"},
		{"size NaN", with(Point{math.NaN(), 10}), "size NaN"},
		{"size infinite", with(Point{math.Inf(1), 10}), "size +Inf"},
		{"nothing completed", with(Point{2, 0}), "throughput 0 at size 2"},
		{"throughput NaN", with(Point{2, math.NaN()}), "throughput NaN"},
		{"throughput infinite", with(Point{2, math.Inf(1)}), "throughput +Inf"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, fit := Fit(test.points)
			_, bootstrap := Bootstrap(test.points, 0.9)
			for _, err := range []error{fit, bootstrap} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one that says %q", err, test.want)
				}
			}
		})
	}
	for _, confidence := range []float64{0, 0.4, 0.999, 1, -1, 90, math.NaN()} {
		if _, err := Bootstrap(good, confidence); err == nil {
			t.Errorf("confidence %v: no error", confidence)
		}
	}
}

func TestBootstrap(t *testing.T) {
	truth := Curve{Lambda: 100, Sigma: 0.05, Kappa: 0.02}
	quiet, err := Bootstrap(measured(truth, 0.01, source(3), rented...), 0.9)
	if err != nil {
		t.Fatal(err)
	}
	points := measured(truth, 0.1, source(3), rented...)
	noisy, err := Bootstrap(points, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Bootstrap(points, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	if again.Sigma != noisy.Sigma || again.At(7) != noisy.At(7) {
		t.Error("the same points give other intervals")
	}
	sure, err := Bootstrap(points, 0.99)
	if err != nil {
		t.Fatal(err)
	}
	width := func(i Interval) float64 { return i.High - i.Low }
	for _, n := range []float64{1, 5, 10} {
		q, w, s := width(quiet.At(n)), width(noisy.At(n)), width(sure.At(n))
		if !(0 < q && q < w/3 && w < s) {
			t.Errorf("at %v: width %.2f with little noise, %.2f with much, %.2f when surer", n, q, w, s)
		}
	}
	if quiet.Sigma.Low < 0 || quiet.Kappa.Low < 0 || quiet.Confidence != 0.9 {
		t.Errorf("%+v", quiet)
	}
	fit, err := Fit(points)
	if err != nil {
		t.Fatal(err)
	}
	if p := noisy.Peak(); !(p.Low < fit.Peak() && fit.Peak() < p.High) {
		t.Errorf("peak %+v, want the fit's %v in it", p, fit.Peak())
	}
	if i := (Uncertainty{}).At(3); i != (Interval{}) {
		t.Errorf("the zero value has the interval %+v", i)
	}
}

// The test counts how often intervals of 90 % hold the true value. Few points, or a parameter
// at its bound of 0, make it less often. The bound of the test allows that.
func TestIntervalsAreSane(t *testing.T) {
	tests := []struct {
		name  string
		truth Curve
		sizes []float64
		least float64
	}{
		{"6 points", Curve{Lambda: 100, Sigma: 0.05, Kappa: 0.002}, doublings, 0.8},
		{"12 points", Curve{Lambda: 100, Sigma: 0.05, Kappa: 0.002}, rented, 0.8},
		{"12 points of a ceiling", Curve{Lambda: 100, Sigma: 1}, rented, 0.8},
	}
	if testing.Short() {
		tests = tests[:1]
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const experiments, refits = 100, 60
			random := source(4)
			figures := []struct {
				name   string
				figure func(Curve) float64
				held   int
			}{
				{"lambda", func(c Curve) float64 { return c.Lambda }, 0},
				{"sigma", func(c Curve) float64 { return c.Sigma }, 0},
				{"kappa", func(c Curve) float64 { return c.Kappa }, 0},
				{"X(5)", func(c Curve) float64 { return c.At(5) }, 0},
				{"X(10)", func(c Curve) float64 { return c.At(10) }, 0},
				{"peak", Curve.Peak, 0},
			}
			for range experiments {
				curves, err := resample(measured(test.truth, 0.05, random, test.sizes...), 0.9, refits)
				if err != nil {
					t.Fatal(err)
				}
				u := Uncertainty{Confidence: 0.9, curves: curves}
				for i, f := range figures {
					if in := u.interval(f.figure); in.Low <= f.figure(test.truth) && f.figure(test.truth) <= in.High {
						figures[i].held++
					}
				}
			}
			for _, f := range figures {
				if math.IsInf(f.figure(test.truth), 1) {
					continue // at the bound of 0, which no interval holds inside
				}
				share := float64(f.held) / experiments
				t.Logf("%s: %.0f %%", f.name, 100*share)
				if share < test.least {
					t.Errorf("%s: the interval holds the truth in %.0f %%, want at least %.0f %%", f.name, 100*share, 100*test.least)
				}
			}
		})
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}
