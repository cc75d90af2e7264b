package spec

import (
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// A failed request below the knee is never the learner's. A timeout on a machine without idle
// time is the machine's.
func TestServed(t *testing.T) {
	tests := []struct {
		name     string
		failures map[string]int
		idle     float64 // share
		want     lab.Verdict
	}{
		{"nothing failed", nil, 0, lab.Pass},
		{"a client gave up", map[string]int{"timeout": 1}, 0.5, lab.Environment},
		{"a client gave up on a machine without idle time", map[string]int{"timeout": 1}, 0, lab.Inconclusive},
		{"a wrong answer", map[string]int{"answer": 1}, 0.5, lab.Environment},
		{"a wrong answer on a machine without idle time", map[string]int{"answer": 1, "timeout": 1}, 0, lab.Environment},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result := load.Result{
				Planned: 36, Sent: 36, Failures: tt.failures, Latency: load.NewHistogram(), Lateness: load.NewHistogram(),
				Host: load.Host{CPUs: 2, IdleShare: tt.idle},
			}
			for _, n := range tt.failures {
				result.Failed += n
			}
			l := &trial{after: side{load: result}}
			err := l.served()
			if got := lab.Classify(err); got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}
