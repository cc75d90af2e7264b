package rig_test

import (
	"errors"
	"fmt"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestLearnersFault(t *testing.T) {
	compile := &gobuild.CompileError{Package: "./labs/00-baseline/service", Output: "undefined: Answers"}
	start := func(kind string) error {
		return &testbed.StartError{Server: "a", Kind: kind, Err: errors.New("ended with exit code 1")}
	}
	broken := errors.New("restore CPU quota of db: no such container")
	for _, test := range []struct {
		name string
		err  error
		want lab.Verdict
	}{
		{"nothing", nil, lab.Pass},
		{"code that does not compile", fmt.Errorf("build: %w", compile), lab.NotYet},
		{"a service that ends", fmt.Errorf("warm up: %w", start("service")), lab.NotYet},
		{"an nginx that ends", start("nginx"), lab.NotYet},
		{"a database that ends", start("postgres"), lab.Environment},
		{"a wrong answer", fmt.Errorf("warm up: %w", &load.AnswerError{Request: "GET /meals", Expected: "each meal once", Seen: "m1 again"}), lab.NotYet},
		{"another error", broken, lab.Environment},
		{"a service that ends, and the environment", errors.Join(start("service"), broken), lab.Environment},
		{"the environment, and a service that ends", fmt.Errorf("warm up: %w", errors.Join(broken, start("service"))), lab.Environment},
		{"a service that ends, and an nginx", errors.Join(start("service"), start("nginx")), lab.NotYet},
	} {
		if got := lab.Classify(rig.LearnersFault(test.err, lab.Look{File: "answers.go"})); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
