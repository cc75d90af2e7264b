package lab

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"
)

// Machine knows when the machine of a run had no idle time.
type Machine interface {
	// Busiest looks between two times at every span of that length. It returns the idle CPU
	// time in the busiest of them, in cores. Saturated says that this is too little to finish work
	// in time.
	Busiest(from, to time.Time, length time.Duration) (idleCores float64, saturated bool)
}

// Waited says how long a check waited in vain. The zero value says that it did not.
type Waited struct {
	// From and To are zero for the begin and the end of the check.
	From, To time.Time
	// Each is the length of one wait. Several may lie between From and To.
	Each time.Duration
}

// answerWait stands for the wait for an answer whose length is not known: a client gives up
// after two seconds, and a service sooner.
const answerWait = 2 * time.Second

// Since returns a wait that began at that time and ended now.
func Since(began time.Time) Waited { return Between(began, time.Now()) }

// Between returns a wait between two times.
func Between(began, ended time.Time) Waited {
	return Waited{From: began, To: ended, Each: max(ended.Sub(began), 1)}
}

// Last returns a wait of that length that ended now.
func Last(d time.Duration) Waited { return Since(time.Now().Add(-d)) }

// All returns the wait that a failure about several mistakes rests on: it covers all of theirs. It is
// zero when one of them does not rest on time.
func All(waits ...Waited) Waited {
	var all Waited
	for i, w := range waits {
		switch {
		case w.Each <= 0:
			return Waited{}
		case i == 0:
			all = w
			continue
		}
		all.Each = min(all.Each, w.Each)
		if w.From.IsZero() || !all.From.IsZero() && w.From.Before(all.From) {
			all.From = w.From
		}
		if w.To.IsZero() || !all.To.IsZero() && w.To.After(all.To) {
			all.To = w.To
		}
	}
	return all
}

// RequestError is an error of a request with the time at which the request began.
type RequestError struct {
	Began time.Time
	Ended time.Time
	Err   error
}

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// Late returns the wait that an error rests on: a time limit, a refused connection, or an answer
// with a status of LateStatus. It is zero for every other error. Joined errors rest on a wait
// when each of them does.
func Late(err error) Waited {
	var timed *RequestError
	if errors.As(err, &timed) && late(timed.Err) {
		return Between(timed.Began, timed.Ended)
	}
	if late(err) {
		return Waited{Each: answerWait}
	}
	return Waited{}
}

// LateStatus reports whether a status says that the service, or the server that it needs, had no
// time: 502, 503 and 504.
func LateStatus(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// late looks for what Late names. An error that joins others is late when all of them are.
func late(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if lateItself(err) {
			return true
		}
		joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the loop unwraps
		if !ok {
			continue
		}
		for _, part := range joined.Unwrap() {
			if !late(part) {
				return false
			}
		}
		return len(joined.Unwrap()) > 0
	}
	return false
}

func lateItself(err error) bool {
	switch e := err.(type) { //nolint:errorlint // the caller unwraps
	case interface{ StatusCode() int }:
		return LateStatus(e.StatusCode())
	case syscall.Errno:
		return e == syscall.ECONNREFUSED || e.Timeout()
	case interface{ Timeout() bool }: // a net.Error; context.DeadlineExceeded is one
		return e.Timeout()
	default:
		return false
	}
}

// bench judges the result of a check, stage or gain that began at a time. A failure that rests on
// time says nothing of the code when the machine had no idle time.
type bench struct {
	machine Machine // nil is never busy
	began   time.Time
}

// busy returns a doubt when the machine had no idle time in a wait; else nil.
func (b bench) busy(w Waited, what string) *Doubt {
	if b.machine == nil || w.Each <= 0 {
		return nil
	}
	if w.To.IsZero() {
		w.To = time.Now()
	}
	if w.From.IsZero() {
		w.From = b.began
	}
	idle, saturated := b.machine.Busiest(w.From, w.To, w.Each)
	if !saturated {
		return nil
	}
	return &Doubt{
		Reason: fmt.Sprintf("%s; but this machine had no idle time then (%.2f cores), so nothing follows for the code", what, idle),
		Remedy: "close what else runs on this machine, and check again",
	}
}
