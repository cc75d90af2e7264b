// Package instance is the table of the workshop's machine sizes. Every container of a test bed has
// one of these types, and every price in a report comes from here.
package instance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Type is a size of machine.
type Type struct {
	Name      string
	CPU       float64 // cores
	MemoryMiB int
	// PriceMicros is the price of an hour, in millionths of a dollar, from prices.json.
	PriceMicros int64
}

// sizes returns the types without their prices, sorted by CPU. A service instance has at least 0.25
// CPU while recommendations (16 ms of CPU) are part of a request. A smaller one would use up its
// share of the 100 ms quota period in one request, and then stand still.
func sizes() []Type {
	return []Type{
		{Name: "b1.nano", CPU: 0.1, MemoryMiB: 256},
		{Name: "b1.micro", CPU: 0.25, MemoryMiB: 512},
		{Name: "b1.small", CPU: 0.5, MemoryMiB: 1024},
		{Name: "b1.medium", CPU: 1, MemoryMiB: 2048},
	}
}

// types returns the table with its prices, which it reads once. It panics if prices.json is wrong,
// because every report would show a price of 0.
var types = sync.OnceValue(func() []Type {
	prices, err := CurrentPrices()
	if err != nil {
		panic(err)
	}
	table := sizes()
	for i, t := range table {
		table[i].PriceMicros = microsOf(prices.DollarsPerHour[t.Name])
	}
	return table
})

// Types returns the table, the smallest first.
func Types() []Type { return slices.Clone(types()) }

// ByName returns the type with that name. The error lists the known names.
func ByName(name string) (Type, error) {
	names := make([]string, 0, len(types()))
	for _, t := range types() {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Type{}, fmt.Errorf("instance type %q: choose one of %s", name, strings.Join(names, ", "))
}

// Nano is b1.nano, a tenth of a core.
func Nano() Type { return types()[0] }

// Micro is b1.micro, a quarter of a core.
func Micro() Type { return types()[1] }

// Small is b1.small, half a core.
func Small() Type { return types()[2] }

// Medium is b1.medium, one core.
func Medium() Type { return types()[3] }

// FullSpeed returns the type without its CPU quota, and so without a name.
func (t Type) FullSpeed() Type { return Type{MemoryMiB: t.MemoryMiB} }

// Capacity is the measured capacity of a machine size.
type Capacity struct {
	Type Type
	// Goodput is the saturation goodput: correct answers a second under overload.
	Goodput float64
}

// PerMillion returns the price of a million correct answers at that goodput, in dollars: the price
// of an hour divided by the answers of an hour. It is infinite for a goodput of 0.
func (c Capacity) PerMillion() float64 {
	const micros, secondsAnHour, million = 1e6, 3600, 1e6
	return float64(c.Type.PriceMicros) / micros / (c.Goodput * secondsAnHour) * million
}
