package figure_test

import (
	"math"
	"testing"

	"bytebites.example/workshop/shared/workshop/figure"
)

func TestFixed(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1.00", 0.5: "0.500", 1.25: "1.25", 99.96: "100.0", 812.4: "812", 123456: "123456",
		-3.14159: "-3.14", 0.000123456: "0.000123", 1e-9: "0.000000", math.Inf(1): "+Inf",
	} {
		if got := figure.Fixed(v); got != want {
			t.Errorf("Fixed(%v) = %q, want %q", v, got, want)
		}
	}
	if got := figure.Fixed(math.NaN()); got != "NaN" {
		t.Errorf("Fixed(NaN) = %q", got)
	}
}

func TestQuantity(t *testing.T) {
	for got, want := range map[string]string{
		figure.Quantity(3.90, "ms"): "3.9 ms", figure.Quantity(20, ""): "20", figure.Times(4.2): "4.2x", figure.Seconds(12.34): "12.3 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
