package spec

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
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

// A report that names the table, or the times of an order, is the answer. So it comes after the
// learner's own.
func TestReportsFollowTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given answer.Sheet
		figs  int    // reported figures, of both checks
		hint  string // of the first failure
	}{
		{"right", answer.Sheet{SlowTable: "orders", OrderWaitsFor: answer.MailServer}, 4, ""},
		{"blank", answer.Sheet{}, 0, "read the first row of statements.txt"},
		{"wrong", answer.Sheet{SlowTable: "order_lines", OrderWaitsFor: answer.Database}, 0, "after FROM in the text of statement 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &trial{subject: Subject{Answers: tt.given}}
			l.before.statements = []pgstat.Statement{
				{Query: "SELECT id FROM orders WHERE user_id = $1", Calls: 20, Time: 400 * time.Millisecond, Slowest: 30 * time.Millisecond},
			}
			l.after.orders = []orderSteps{{checkout.StepMail: 0.06, checkout.StepRecommend: 0.02, checkout.StepPlace: 0.008}}
			result, err := lab.Lab{Name: Name, Files: fstest.MapFS{}, Checks: []lab.Check{
				{Name: "slow table", Proves: "x", Kind: lab.Core, Step: 1, Run: l.slowTable},
				{Name: "order waits for", Proves: "x", Kind: lab.Core, Step: 3, Run: l.orderWaitsFor},
			}}.Do(t.Context(), &lab.Run{Mode: lab.ModeTest})
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Reported) != tt.figs {
				t.Errorf("reported %v, want %d figures", result.Reported, tt.figs)
			}
			if failure := result.Checks[0].Failure; (failure == nil) != (tt.hint == "") || failure != nil && !strings.Contains(failure.Look.Hint, tt.hint) {
				t.Errorf("got %v, want a look with %q", failure, tt.hint)
			}
		})
	}
}

// The trial has no servers, so a ramp would panic.
func TestNoRampBeyondTheBounds(t *testing.T) {
	l := &trial{subject: Subject{Answers: answer.Sheet{KneePerSecond: 33 * minutes}}}
	var failure *lab.Failure
	if err := l.knee(t.Context(), &lab.Run{}); !errors.As(err, &failure) || !strings.Contains(failure.Look.Hint, "a minute") {
		t.Errorf("got %v, want the failure of a rate in requests a minute", err)
	}
}
