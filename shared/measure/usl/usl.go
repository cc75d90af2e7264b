// Package usl fits the Universal Scalability Law to what a service completes at several
// sizes, and says from which size on more money buys too little.
//
// The law gives the throughput X at size N as
//
//	X(N) = λN / (1 + σ(N-1) + κN(N-1))
//
// where λ is the throughput at size 1, σ (contention) the share of the work that cannot
// be done side by side, and κ (coherency) what each pair of members costs to agree. With
// both 0 it is a straight line; with κ = 0 it is Amdahl's law, which nears λ/σ; with κ
// above 0 it has a peak and falls behind it.
//
// It is due to N. J. Gunther: Guerrilla Capacity Planning, Springer 2007, and "A General
// Theory of Computational Scalability Based on Rational Functions", arXiv:0808.1431,
// which derives it as a bound on the throughput of a queue. There it is a capacity
// relative to size 1; the factor λ makes a throughput of it.
package usl

import "math"

// Point is a throughput that was measured at a size.
type Point struct {
	// N is the size, in units of the smallest that could be rented; at least 1. It need
	// not be whole: of a quarter, a half and one core, N is 1, 2 and 4.
	N float64 `json:"n"`
	X float64 `json:"x"` // throughput, such as saturation goodput, in requests a second
}

// Curve is the law with its three parameters.
type Curve struct {
	Lambda float64 `json:"lambda"` // throughput at size 1, in the unit of X
	Sigma  float64 `json:"sigma"`  // contention, at least 0; about 1 for a fixed ceiling
	Kappa  float64 `json:"kappa"`  // coherency, at least 0
}

// At returns the throughput at size n, at least 1, in the unit of X. Beyond the sizes
// that were measured it is a guess.
func (c Curve) At(n float64) float64 {
	return c.Lambda * n / (1 + c.Sigma*(n-1) + c.Kappa*n*(n-1))
}

// Peak returns the size at which the throughput is highest, at least 1:
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
