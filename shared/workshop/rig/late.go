package rig

import (
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// mailTimeout and noteTimeout bound the sending of a mail, and the note that it is sent, in lab 05's
	// package claim.
	mailTimeout = 5 * time.Second
	noteTimeout = 4 * time.Second
	// soonestRetry is the shortest pause before a worker tries again.
	soonestRetry = 200 * time.Millisecond
)

// LateMail returns the wait that a second mail for an order rests on. A worker that is not told in time
// that the mail is accepted, or that it is noted, sends it again. It is zero when the second mail came
// sooner than a worker tries again: then time is not the cause.
func LateMail(first, second time.Time) lab.Waited {
	if second.Sub(first) < soonestRetry {
		return lab.Waited{}
	}
	return lab.Waited{From: first.Add(-mailTimeout), To: second, Each: noteTimeout}
}

// LateLoad returns the wait that a failure about the failed requests of a load rests on. It is zero
// when none failed, or one failed for another reason than the want of time, see load.Result.Late.
func LateLoad(loads ...load.Result) lab.Waited {
	w := lab.Waited{Each: load.DefaultTimeout}
	failed := false
	for i, r := range loads {
		if r.Failed > 0 && !r.Late() {
			return lab.Waited{}
		}
		failed = failed || r.Failed > 0
		if i == 0 || r.Started.Before(w.From) {
			w.From = r.Started
		}
		if end := r.Started.Add(r.Elapsed); end.After(w.To) {
			w.To = end
		}
	}
	if !failed {
		return lab.Waited{}
	}
	return w
}
