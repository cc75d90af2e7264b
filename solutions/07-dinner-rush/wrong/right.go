package wrong

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/measure/usl"
)

// ByPoisson is right. It takes the number that is exceeded in one of 200 moments.
func ByPoisson(rates []float64, held time.Duration, replicas int) int {
	n := peak(rates) * held.Seconds() / float64(replicas)
	if n == 0 {
		return 1
	}
	c := 1
	for (distuv.Poisson{Lambda: n}).Survival(float64(c)) > 0.005 {
		c++
	}
	return c
}

// ByFormula is right. It solves the law for the number of replicas, a quadratic equation:
//
//	rate κ n² + (rate (σ - κ) - λ) n + rate (1 - σ) = 0
func ByFormula(curve usl.Curve, rate float64) (int, error) {
	if curve.At(1) >= rate {
		return 1, nil
	}
	a, b, c := rate*curve.Kappa, rate*(curve.Sigma-curve.Kappa)-curve.Lambda, rate*(1-curve.Sigma)
	n := -c / b
	if a > 0 {
		d := b*b - 4*a*c
		if d < 0 {
			return 0, fmt.Errorf("%.1f requests a second: above the peak of the curve", rate)
		}
		n = 2 * c / (-b + math.Sqrt(d)) // the smaller root, without a difference of near numbers
	}
	whole := math.Ceil(n - 1e-9)
	if n <= 0 || whole > most || curve.At(whole) < rate*(1-1e-12) {
		return 0, fmt.Errorf("%.1f requests a second: no fleet of %d replicas carries them", rate, most)
	}
	return int(whole), nil
}

// OneLoop is right. It asks for both demands in one loop.
func OneLoop(curve usl.Curve, rate float64) (int, error) {
	for n := 2; n <= most; n++ {
		if curve.At(float64(n))*target >= rate && curve.At(float64(n-1))*degraded >= rate {
			return n, nil
		}
	}
	return 0, errTooFew
}

// ByAllMessages is right. All messages of the outage and of the drain are handled in the drain.
func ByAllMessages(arrivals, perWorker float64, outage, within time.Duration) int {
	messages := arrivals * (outage + within).Seconds()
	n := 1
	for float64(n)*perWorker*within.Seconds() < messages-1e-9 {
		n++
	}
	return n
}

// EachKind is right. It rounds each kind of entry up, and so needs a little more.
func EachKind(entries []plan.Entries) int {
	sum := 0
	for _, e := range entries {
		sum += int(math.Ceil(float64(e.Count) * float64(e.Bytes) * 1.25 / bytesPerMiB))
	}
	return sum
}

// InMicros is right. It adds millionths of a dollar.
func InMicros(items []plan.Item) float64 {
	var sum float64
	for _, item := range items {
		sum += item.Hours * float64(item.Type.PriceMicros)
	}
	return sum / 1e6
}

// ByQuotient is right. Go divides by zero without a panic when the numbers are floats.
func ByQuotient(dollars float64, requests int) float64 { return 1e6 * (dollars / float64(requests)) }
