package rig

import (
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

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
