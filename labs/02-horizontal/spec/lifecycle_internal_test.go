package spec

import (
	"errors"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// One answer of no in a long wait is the machine's fault only when the replica never said yes in it.
func TestOneAnswerOfNo(t *testing.T) {
	began := time.Now()
	seen := func() *stopSeen {
		return &stopSeen{began: began, finishes: 1, finished: began.Add(drainMin() + time.Second)}
	}
	var doubt *lab.Doubt
	if err := seen().judge(&lab.Run{}, heard{noes: 1}, errCutOff); !errors.As(err, &doubt) {
		t.Errorf("asked once: %v, want a doubt", err)
	}
	var failure *lab.Failure
	if err := seen().judge(&lab.Run{}, heard{noes: 1, yeses: 5}, errCutOff); !errors.As(err, &failure) {
		t.Errorf("five times yes, then no: %v, want a failure", err)
	}
}
