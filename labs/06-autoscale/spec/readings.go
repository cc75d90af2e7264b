package spec

import (
	"fmt"
	"math"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/window"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

// A policy sees the machine only through its readings. On a busy machine they come late, lack replicas or show
// a load that was not sent. Then the best policy changes nothing, and its number says nothing about it.

const (
	// outSight and inSight are how long readings must agree before a policy that has not acted is to blame: its
	// window, in a calm a cooldown as well, and two readings.
	outSight = outAfter + 2*every
	inSight  = inAfter + cooldown + 2*every

	remedy = "close what else runs on this machine, and check again"
)

// used returns the mean utilisation of the replicas that serve, and their number, as step 4 of the lesson counts
// them: one that is not measured, or has just become ready, counts at the target.
func used(r autoscale.Reading) (mean float64, replicas int) {
	sum := 0.0
	for _, one := range r.Replicas {
		switch {
		case one.ReadySince.IsZero():
			continue
		case one.Measured && r.At.Sub(one.ReadySince) >= warmUp:
			sum += one.Utilisation
		default:
			sum += targetUtilisation
		}
		replicas++
	}
	return sum / float64(max(1, replicas)), replicas
}

// breached reports whether a reading asks for more replicas.
func breached(r autoscale.Reading) bool {
	mean, replicas := used(r)
	return replicas > 0 && mean > breachUtilisation
}

// calmed reports whether a reading asks for the fewest replicas.
func calmed(r autoscale.Reading) bool {
	mean, replicas := used(r)
	return replicas > 0 && mean < lowUtilisation && math.Ceil(float64(replicas)*mean/targetUtilisation) <= fewest
}

// agreed returns when the readings began to agree that still do at that time; zero for not at all. A gap between
// two of them, or after the last one, ends the agreement.
func agreed(readings []autoscale.Reading, until time.Time, agrees func(autoscale.Reading) bool) (since time.Time) {
	last := time.Time{}
	for _, r := range readings {
		switch {
		case r.At.After(until):
			continue
		case !agrees(r):
			since = time.Time{}
		case since.IsZero() || r.At.Sub(last) > window.MaxGap:
			since = r.At
		}
		last = r.At
	}
	if until.Sub(last) > window.MaxGap {
		return time.Time{}
	}
	return since
}

// longest returns the longest time between two times in which readings agreed.
func longest(readings []autoscale.Reading, from, until time.Time, agrees func(autoscale.Reading) bool) (length time.Duration) {
	for _, r := range readings {
		if r.At.Before(from) || r.At.After(until) {
			continue
		}
		if since := agreed(readings, r.At, agrees); !since.IsZero() {
			length = max(length, r.At.Sub(latest(since, from)))
		}
	}
	return length
}

// blindRush returns a doubt when no policy could know of the rush.
func (s liveSeen) blindRush() error {
	saw := longest(s.readings, s.rise, s.fall, breached)
	if saw >= outSight {
		return nil
	}
	return &lab.Doubt{
		Reason: fmt.Sprintf("the rush did not keep the replicas busy: readings above %.0f %% without a gap lasted for %v of the story, "+
			"and a policy waits for %v; see live.txt in %s", 100*breachUtilisation, saw.Round(time.Second), outAfter, evidenceFolder),
		Remedy: remedy,
	}
}

// blindCalm returns a doubt when no policy could know of the calm. A policy that asked for more replicas in the
// calm has no such excuse: a replica that has just become ready counts at the target.
func (s liveSeen) blindCalm() error {
	for i := 1; i < len(s.changes); i++ {
		if c := s.changes[i]; c.Running > s.changes[i-1].Running && c.At.Sub(s.fall) > cooldown {
			return nil
		}
	}
	saw := longest(s.readings, s.fall, s.end, calmed)
	if saw >= inSight {
		return nil
	}
	return &lab.Doubt{
		Reason: fmt.Sprintf("the calm did not look calm: readings that ask for %d replicas, without a gap, lasted for %v of the story; "+
			"see live.txt in %s", fewest, saw.Round(time.Second), evidenceFolder),
		Remedy: remedy,
	}
}

// lastReading returns the mean utilisation of the last reading before a time, and how many of the replicas that
// serve it lacks.
func (s liveSeen) lastReading(before time.Time) (mean float64, missing int) {
	var last autoscale.Reading
	for _, r := range s.readings {
		if r.At.Before(before) {
			last = r
		}
	}
	for _, one := range last.Replicas {
		if !one.ReadySince.IsZero() && !one.Measured {
			missing++
		}
	}
	mean, _ = used(last)
	return mean, missing
}
