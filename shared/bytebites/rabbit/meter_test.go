package rabbit_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites/rabbit"
)

// values returns the metrics by name and labels. A histogram's value is its number of observations.
func values(t *testing.T, metrics prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			all[fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))] =
				m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestMeter(t *testing.T) {
	metrics := prometheus.NewRegistry()
	m, err := rabbit.NewMeter(metrics)
	if err != nil {
		t.Fatal(err)
	}
	m.Backlog("shard1", 7, 1500*time.Millisecond)
	m.Published(rabbit.Confirmed, 3)
	m.Published(rabbit.Returned, 1)
	m.Handled("payments", rabbit.Done)
	m.Handled("payments", rabbit.Parked)
	m.Age("payments", -time.Second) // the publisher's clock is ahead
	m.Blocked(true)
	want := map[string]float64{
		"bytebites_outbox_events{server=shard1}":                          7,
		"bytebites_outbox_oldest_seconds{server=shard1}":                  1.5,
		"bytebites_events_published_total{outcome=confirmed}":             3,
		"bytebites_events_published_total{outcome=nacked}":                0,
		"bytebites_events_published_total{outcome=returned}":              1,
		"bytebites_messages_handled_total{outcome=done,queue=payments}":   1,
		"bytebites_messages_handled_total{outcome=parked,queue=payments}": 1,
		"bytebites_message_age_seconds{queue=payments}":                   1,
		"bytebites_broker_blocked{}":                                      1,
	}
	if got := values(t, metrics); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	m.Blocked(false)
	if got := values(t, metrics)["bytebites_broker_blocked{}"]; got != 0 {
		t.Errorf("blocked is %g once it is over", got)
	}
	if _, err := rabbit.NewMeter(metrics); err == nil {
		t.Error("two meters write the same metrics")
	}
}
