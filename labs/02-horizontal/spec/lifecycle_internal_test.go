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

// A replica that says yes again and again after SIGTERM does so on any machine. One that was hardly asked may have had no
// chance to say no.
func TestNeverNo(t *testing.T) {
	told := time.Now()
	for yeses, isWait := range map[int]bool{0: true, sureYeses - 1: true, sureYeses: false} {
		var failure *lab.Failure
		err := goer{name: "replica-1", yeses: yeses, told: told, took: 4 * time.Second}.neverNo()
		if !errors.As(err, &failure) {
			t.Fatalf("%d times yes: %v, want a failure", yeses, err)
		}
		want := lab.Waited{}
		if isWait {
			want = lab.Between(told, told.Add(4*time.Second))
		}
		if failure.Waited != want {
			t.Errorf("%d times yes: waited %+v, want %+v", yeses, failure.Waited, want)
		}
	}
}
