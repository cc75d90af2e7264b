package rig_test

import (
	"errors"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestServed(t *testing.T) {
	round := func(sent, failed int) load.Result {
		return load.Result{Sent: sent, Failed: failed, Failures: map[string]int{"status 502": failed}, Latency: load.NewHistogram(), Lateness: load.NewHistogram()}
	}
	for name, c := range map[string]struct {
		before, after []load.Result
		fails         bool
	}{
		"all answered":              {nil, []load.Result{round(100, 0), round(100, 0)}, false},
		"less than 1 % failed":      {nil, []load.Result{round(300, 1), round(300, 0)}, false},
		"1 % failed":                {nil, []load.Result{round(100, 2), round(100, 0)}, true},
		"the first variant failed":  {[]load.Result{round(100, 100)}, []load.Result{round(100, 0)}, false},
		"no request was sent":       {nil, []load.Result{round(0, 0)}, true},
		"the second variant failed": {[]load.Result{round(100, 0)}, []load.Result{round(100, 100)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			look := lab.Look{File: "checkout.go"}
			err := rig.RushResult{Before: c.before, After: c.after}.Served("orders", look)
			var failure *lab.Failure
			if errors.As(err, &failure) != c.fails {
				t.Fatalf("the error is %v", err)
			}
			if c.fails && (failure.Look != look || !strings.Contains(failure.Seen, "status 502") || !strings.Contains(failure.Expected, "orders")) {
				t.Errorf("the failure is %+v", failure)
			}
		})
	}
}
