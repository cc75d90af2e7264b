package spec

import (
	"errors"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// Giving up behind a scan is told by the check on the index, and by that one alone.
func TestServed(t *testing.T) {
	const scan, index = 10_000, 60 // pages
	tests := []struct {
		name     string
		pages    float64
		failures map[string]int
		want     bool
	}{
		{"nothing failed", index, nil, true},
		{"somebody gave up", index, map[string]int{"timeout": 1}, false},
		{"a wrong answer", index, map[string]int{"answer": 1}, false},
		{"nothing failed behind a scan", scan, nil, true},
		{"somebody gave up behind a scan", scan, map[string]int{"timeout": 5}, true},
		{"a wrong answer behind a scan", scan, map[string]int{"timeout": 5, "answer": 1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result := load.Result{Sent: 36, Failures: tt.failures}
			for _, n := range tt.failures {
				result.Failed += n
			}
			l := &trial{after: side{load: result, pagesPerHistory: tt.pages}}
			err := l.served(t.Context(), &lab.Run{})
			var failure *lab.Failure
			if (err == nil) != tt.want || err != nil && !errors.As(err, &failure) {
				t.Errorf("got %v, want it to pass: %t", err, tt.want)
			}
		})
	}
}
