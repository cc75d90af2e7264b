package rig

import (
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Sides are the servers that each variant of a comparison needs, with the types that they have now.
// A server without a type, such as nginx and the mail server, has no price.
type Sides struct{ Before, After []*testbed.Server }

// cost returns the cost of servers that give that many right answers a second.
func cost(rate float64, servers []*testbed.Server) *lab.Cost {
	machines := make(map[instance.Type]float64)
	for _, server := range servers {
		if t := server.Type(); t.Name != "" {
			machines[t]++
		}
	}
	return lab.CostOf(rate, machines)
}

// GoodputGain is Gain for a comparison of right answers a second, with what a million of them costs. A variant that
// had headroom after gained at least the ratio.
func GoodputGain(r measure.PairedResult, sides Sides) (lab.Measured, error) {
	measured, err := Gain(r)
	if err != nil {
		return lab.Measured{}, err
	}
	measured.AtLeast = r.Headroom
	measured.BeforeCost, measured.AfterCost = cost(measured.Before, sides.Before), cost(measured.After, sides.After)
	return measured, nil
}

// Gain is Gain for the rush, with what a million right answers cost at the goodput in it.
func (r RushResult) Gain(sides Sides) (lab.Measured, error) {
	measured, err := Gain(r.Paired)
	if err != nil {
		return lab.Measured{}, err
	}
	measured.BeforeCost = cost(load.Merge(r.Before...).Goodput(), sides.Before)
	measured.AfterCost = cost(load.Merge(r.After...).Goodput(), sides.After)
	return measured, nil
}
