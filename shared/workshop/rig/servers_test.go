package rig_test

import (
	"errors"
	"fmt"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestLearnersFault(t *testing.T) {
	look := lab.Look{File: "catalogue.go", Func: "catalogue.Meals"}
	for _, test := range []struct {
		name string
		err  error
		want lab.Verdict
	}{
		{"none", nil, lab.Pass},
		{"wrong answer", &load.AnswerError{Request: "GET /meals", Expected: "each meal once", Seen: "m1 again"}, lab.NotYet},
		{"service", &testbed.StartError{Kind: "service"}, lab.NotYet},
		{"nginx", &testbed.StartError{Kind: "nginx"}, lab.NotYet},
		{"postgres", &testbed.StartError{Kind: "postgres"}, lab.Environment},
		{"other", errors.New("no disk"), lab.Environment},
	} {
		err := test.err
		if err != nil {
			err = fmt.Errorf("warm up: %w", err)
		}
		if got := lab.Classify(rig.LearnersFault(err, look)); got != test.want {
			t.Errorf("%s: verdict %s, want %s", test.name, got, test.want)
		}
	}
}
