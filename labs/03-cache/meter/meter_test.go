package meter_test

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/labs/03-cache/meter"
)

func TestMeterCounts(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := meter.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Watch(func() float64 { return 7 }, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	m.Looked("meal", meter.Hit)
	m.Looked("meal", meter.Hit)
	m.Looked("meal", meter.Bypass)
	m.Loaded("meal")
	m.Failed("look")
	want := map[string]float64{
		"bytebites_cache_looks_total meal hit":    2,
		"bytebites_cache_looks_total meal bypass": 1,
		"bytebites_cache_loads_total meal":        1,
		"bytebites_cache_failures_total look":     1,
		"bytebites_cache_evicted_keys_total":      7,
		"bytebites_cache_asked":                   1,
	}
	if got := read(t, registry); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := meter.New(registry); err == nil {
		t.Error("a second meter of the same names was registered")
	}
}

// read returns the values of all registered metrics, by name and labels.
func read(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			values[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return values
}
