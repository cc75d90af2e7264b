package instance_test

import (
	"math"
	"testing"

	"bytebites.example/workshop/shared/instance"
)

func TestTypesGrowAndCostInProportion(t *testing.T) {
	types := instance.Types()
	for i, typ := range types {
		if found, err := instance.ByName(typ.Name); err != nil || found != typ {
			t.Errorf("ByName(%q) = %v, %v", typ.Name, found, err)
		}
		// The gain of a bigger machine must come from the machine, and not from its price.
		if perCore, want := float64(typ.PriceMicros)/typ.CPU, float64(types[0].PriceMicros)/types[0].CPU; perCore <= 0 || math.Abs(perCore/want-1) > 1e-9 {
			t.Errorf("a core of %s costs %v, one of %s %v", typ.Name, perCore, types[0].Name, want)
		}
		if i > 0 && typ.CPU <= types[i-1].CPU {
			t.Errorf("%s is not larger than %s", typ.Name, types[i-1].Name)
		}
	}
	types[0].Name = "mine"
	if instance.Nano().Name == "mine" {
		t.Error("a caller can change the table")
	}
	if _, err := instance.ByName("b1.huge"); err == nil {
		t.Error("an unknown name is found")
	}
}

func TestPerMillion(t *testing.T) {
	hour := float64(instance.Medium().PriceMicros) / 1e6
	for _, c := range []struct {
		goodput, dollars float64
	}{
		{10, hour / 36_000 * 1e6}, // 36,000 answers an hour
		{20, hour / 72_000 * 1e6},
		{0, math.Inf(1)},
	} {
		got := instance.Capacity{Type: instance.Medium(), Goodput: c.goodput}.PerMillion()
		if got != c.dollars && math.Abs(got-c.dollars) > 1e-9 {
			t.Errorf("at %v/s: %v dollars, want %v", c.goodput, got, c.dollars)
		}
	}
}
