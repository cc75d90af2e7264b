package scaler

import (
	"errors"
	"fmt"
	"time"
)

// Clock converts the time of a run into the time of the story, which passes faster.
type Clock struct {
	Start  time.Time // at which both clocks show the same
	Factor float64   // story seconds in a second of the run
}

// shownSpan is the span of the story that String converts: the story scales out after five minutes.
const shownSpan = 5 * time.Minute

// String says how fast the story passes: "10s of this run are 5m0s of the story".
func (k Clock) String() string {
	return fmt.Sprintf("%v of this run are %v of the story", k.Real(shownSpan).Round(time.Millisecond), shownSpan)
}

// Story returns the story time at a time of the run. The zero time stays zero.
func (k Clock) Story(run time.Time) time.Time {
	if run.IsZero() {
		return time.Time{}
	}
	// Round removes the monotonic reading, which counts the seconds of the run.
	return k.Start.Add(k.Span(run.Sub(k.Start))).Round(0)
}

// Span returns how much of the story passes while d of the run passes.
func (k Clock) Span(d time.Duration) time.Duration { return time.Duration(float64(d) * k.Factor) }

// Real returns how much of the run passes while d of the story passes.
func (k Clock) Real(d time.Duration) time.Duration { return time.Duration(float64(d) / k.Factor) }

// maxFactor keeps story times far from the overflow of a time.Duration, which is 292 years. With it
// a run of a day has 27 years of the story.
const maxFactor = 10_000

func (k Clock) validate() error {
	if k.Start.IsZero() {
		return errors.New("clock: no start")
	}
	if !(k.Factor > 0 && k.Factor <= maxFactor) {
		return fmt.Errorf("clock: factor %v: want more than 0, at most %d", k.Factor, maxFactor)
	}
	return nil
}
