package lab

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/instance"
)

// Cost is what the machines of a variant cost, at the rate that its gain saw.
type Cost struct {
	Machines string  `json:"machines"` // such as "3 b1.micro, 1 b1.small"
	Hour     float64 `json:"dollars_an_hour"`
	Rate     float64 `json:"answers_a_second"` // right ones
	Million  float64 `json:"dollars_a_million_answers"`
}

// CostOf returns the cost of machines that give that many right answers a second. It is nil for no
// answers and for no machines, which have no price of an answer. A number of machines need not be
// whole: autoscaled ones are a mean.
func CostOf(rate float64, machines map[instance.Type]float64) *Cost {
	if !(rate > 0) || len(machines) == 0 {
		return nil
	}
	types := slices.SortedFunc(maps.Keys(machines), func(a, b instance.Type) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), strings.Compare(a.Name, b.Name))
	})
	var names []string
	var micros float64 // millionths of a dollar an hour
	for _, t := range types {
		names = append(names, fmt.Sprintf("%.3g %s", machines[t], t.Name))
		micros += machines[t] * float64(t.PriceMicros)
	}
	const secondsAnHour = 3600
	return &Cost{
		Machines: strings.Join(names, ", "), Hour: micros / 1e6, Rate: rate,
		Million: micros / (rate * secondsAnHour), // millionths of a dollar an answer are dollars a million
	}
}
