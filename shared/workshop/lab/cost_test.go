package lab_test

import (
	"math"
	"testing"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/lab"
)

func TestCostOf(t *testing.T) {
	micro, small := instance.Micro(), instance.Small()
	for _, test := range []struct {
		name     string
		rate     float64
		machines map[instance.Type]float64
		want     string
		micros   float64 // an hour
	}{
		{"one", 10, map[instance.Type]float64{micro: 1}, "1 b1.micro", float64(micro.PriceMicros)},
		{"the largest first", 25, map[instance.Type]float64{micro: 3, small: 1}, "1 b1.small, 3 b1.micro", float64(small.PriceMicros + 3*micro.PriceMicros)},
		{"a mean", 4, map[instance.Type]float64{micro: 5.25}, "5.25 b1.micro", 5.25 * float64(micro.PriceMicros)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := lab.CostOf(test.rate, test.machines)
			if got == nil || got.Machines != test.want || got.Rate != test.rate {
				t.Fatalf("got %+v, want %s at %g", got, test.want, test.rate)
			}
			price := instance.Capacity{Type: instance.Type{PriceMicros: 1_000_000}, Goodput: test.rate}.PerMillion() * test.micros / 1e6
			if math.Abs(got.Hour-test.micros/1e6) > 1e-9 || math.Abs(got.Million-price) > 1e-9 {
				t.Errorf("got %+v, want %g dollars an hour and %g a million", got, test.micros/1e6, price)
			}
		})
	}
	for _, rate := range []float64{0, -1, math.NaN()} {
		if got := lab.CostOf(rate, map[instance.Type]float64{micro: 1}); got != nil {
			t.Errorf("at %g answers a second: %+v, want none", rate, got)
		}
	}
	if got := lab.CostOf(1, nil); got != nil {
		t.Errorf("without machines: %+v, want none", got)
	}
}
