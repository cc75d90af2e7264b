// Package usl fits the Universal Scalability Law to the throughput of a service at several
// sizes. It finds the size above which more money buys too little throughput.
//
// The law gives the throughput X at size N as
//
//	X(N) = λN / (1 + σ(N-1) + κN(N-1))
//
// where λ is the throughput at size 1. σ (contention) is the share of the work that cannot run
// in parallel. κ (coherency) is the cost of agreement between each pair of members. With σ = κ
// = 0 the law is a straight line. With κ = 0 it is Amdahl's law, which approaches λ/σ. With κ
// above 0 it has a peak and falls beyond it.
//
// Source: N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, and "A General Theory of
// Computational Scalability Based on Rational Functions", arXiv:0808.1431. The paper derives
// the law as a bound on the throughput of a queue. Its law is a capacity relative to size 1;
// the factor λ turns that into a throughput.
package usl

import "math"

// Point is a throughput that was measured at a size.
type Point struct {
	// N is the size in units of the smallest size; at least 1. It need not be an integer. For
	// a quarter, a half and one core, N is 1, 2 and 4.
	N float64 `json:"n"`
	X float64 `json:"x"` // throughput, such as saturation goodput, in requests a second
}

// Curve is the law with its three parameters.
type Curve struct {
	Lambda float64 `json:"lambda"` // throughput at size 1, in the unit of X
	Sigma  float64 `json:"sigma"`  // contention, at least 0; about 1 for a fixed ceiling
	Kappa  float64 `json:"kappa"`  // coherency, at least 0
}

// At returns the throughput at size n, at least 1, in the unit of X. Beyond the measured
// sizes it is an extrapolation.
func (c Curve) At(n float64) float64 {
	return c.Lambda * n / (1 + c.Sigma*(n-1) + c.Kappa*n*(n-1))
}

// Peak returns the size with the highest throughput, at least 1:
//
//	√((1-σ) / κ)
//
// It is infinite when the curve never falls, and 1 when it never rises.
func (c Curve) Peak() float64 {
	switch {
	case c.Kappa > 0:
		return max(1, math.Sqrt(max(0, 1-c.Sigma)/c.Kappa))
	case c.Sigma <= 1:
		return math.Inf(1)
	default:
		return 1
	}
}
