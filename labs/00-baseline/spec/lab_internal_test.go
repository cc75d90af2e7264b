package spec

import (
	"errors"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Any failed request below the knee is told, whatever its cause.
func TestServed(t *testing.T) {
	tests := []struct {
		name     string
		failures map[string]int
		want     bool
	}{
		{"nothing failed", nil, true},
		{"a client gave up", map[string]int{"timeout": 1}, false},
		{"a wrong answer", map[string]int{"answer": 1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result := load.Result{Sent: 36, Failures: tt.failures}
			for _, n := range tt.failures {
				result.Failed += n
			}
			l := &trial{after: side{load: result}}
			err := l.served(t.Context(), &lab.Run{})
			var failure *lab.Failure
			if (err == nil) != tt.want || err != nil && !errors.As(err, &failure) {
				t.Errorf("got %v, want it to pass: %t", err, tt.want)
			}
		})
	}
}
