package usl

import (
	"errors"
	"fmt"
	"math"
)

// Size is an instance type, or a number of instances, with its price.
type Size struct {
	Name  string  `json:"name"`
	N     float64 `json:"n"`     // in the units of Point.N
	Price float64 `json:"price"` // for any fixed time, in any currency
}

// Step is the step from one size to the next.
type Step struct {
	From Size `json:"from"`
	To   Size `json:"to"`
	// Yield is the growth of the throughput over the growth of the price,
	//
	//	(X(to)/X(from) - 1) / (price(to)/price(from) - 1)
	//
	// For a step that doubles the price, it is the share of throughput that the step adds.
	// It is 1 where throughput grows as fast as the price, 0 at a ceiling, and less than 0
	// beyond the peak.
	Yield float64 `json:"yield"`
}

// Steps returns the yield of each step in a list of sizes. Each size must have a higher price
// than the size before.
func (c Curve) Steps(sizes []Size) ([]Step, error) {
	for i, s := range sizes {
		if !(s.N >= 1) || math.IsInf(s.N, 0) || !(s.Price > 0) || math.IsInf(s.Price, 0) {
			return nil, fmt.Errorf("size %s: size %v at %v: want at least 1 at more than 0", s.Name, s.N, s.Price)
		}
		if i > 0 && s.Price <= sizes[i-1].Price {
			return nil, fmt.Errorf("size %s: price %v is not more than %v of %s", s.Name, s.Price, sizes[i-1].Price, sizes[i-1].Name)
		}
	}
	var steps []Step
	for i := 1; i < len(sizes); i++ {
		from, to := sizes[i-1], sizes[i]
		yield := (c.At(to.N)/c.At(from.N) - 1) / (to.Price/from.Price - 1)
		steps = append(steps, Step{From: from, To: to, Yield: yield})
	}
	return steps, nil
}

// Paying returns the largest size that pays. It starts at the first size and goes up the list
// for as long as a step yields at least least. With 0.3, a doubled price must bring 30 % more
// throughput.
func (c Curve) Paying(sizes []Size, least float64) (Size, error) {
	if len(sizes) == 0 {
		return Size{}, errors.New("no sizes")
	}
	steps, err := c.Steps(sizes)
	if err != nil {
		return Size{}, err
	}
	for _, s := range steps {
		if s.Yield < least {
			return s.From, nil
		}
	}
	return sizes[len(sizes)-1], nil
}
