package spec

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// goodRun is a live run that all checks accept: latencies are high until ten minutes after the rise.
func goodRun() liveSeen {
	begin := five()
	s := liveSeen{
		begin: begin, rise: begin.Add(10 * time.Minute), fall: begin.Add(30 * time.Minute), end: begin.Add(50 * time.Minute),
		out: 8, victim: "replica-1", replaced: 3 * time.Minute, afterKill: 8, wantedThen: 8, back: 13 * time.Minute, left: 3,
		changes: []autoscale.Change{{At: begin, Running: 5}, {At: begin.Add(15 * time.Minute), Running: 8}, {At: begin.Add(42 * time.Minute), Running: 3}},
	}
	for at := begin; at.Before(s.end); at = at.Add(time.Minute) {
		latency := 20 * time.Millisecond
		if since := at.Sub(s.rise); since >= 0 && since < 10*time.Minute {
			latency = time.Second
		}
		r := load.Result{Sent: 1, Completed: 1, Window: time.Second, Latency: load.NewHistogram(), Lateness: load.NewHistogram(), Failures: map[string]int{}}
		r.Latency.Record(latency)
		s.slices = append(s.slices, slice{at: at, result: r})
	}
	for at := begin; at.Before(s.end); at = at.Add(every) {
		s.readings = append(s.readings, reading(at, 0, fleetAt(s, at)))
	}
	return s
}

// fleetAt is the fleet of a good run at one time.
func fleetAt(s liveSeen, at time.Time) group {
	since := at.Sub(s.rise)
	switch {
	case since < 0:
		return group{5, serving, 0.40}
	case since < 10*time.Minute:
		return group{5, serving, 0.88}
	case at.Before(s.fall):
		return group{8, serving, 0.55}
	case at.Before(s.fall.Add(12 * time.Minute)):
		return group{8, serving, 0.075}
	default:
		return group{3, serving, 0.20}
	}
}

func TestLiveChecks(t *testing.T) {
	type check func(*trial, context.Context, *lab.Run) error
	follow, lose, kill := (*trial).replicasFollow, (*trial).noRequestLost, (*trial).replicaKilled
	for name, test := range map[string]struct {
		change func(*liveSeen)
		reject []check
		accept []check
	}{
		"a good run":        {func(*liveSeen) {}, nil, []check{follow, lose, kill}},
		"no scale-out":      {func(s *liveSeen) { s.out = 0 }, []check{follow, lose, kill}, nil},
		"no scale-in":       {func(s *liveSeen) { s.back = 0 }, []check{follow}, []check{lose, kill}},
		"nothing came back": {func(s *liveSeen) { s.replaced = 0 }, []check{kill}, []check{follow, lose}},
		"slow at the end of the rush": {func(s *liveSeen) {
			for i := 25; i < 30; i++ {
				s.slices[i].result.Latency.Record(time.Second)
			}
		}, []check{follow}, []check{lose, kill}},
		"slow in the calm": {func(s *liveSeen) { s.slices[31].result.Latency.Record(time.Second) }, nil, []check{follow, lose, kill}},
		"a request was reset": {func(s *liveSeen) {
			s.slices[45].result.Failures["connection"], s.slices[45].result.Failed = 1, 1
		}, []check{lose}, []check{follow, kill}},
		"a status 502 in the rush": {func(s *liveSeen) {
			s.slices[12].result.Failures["status 502"], s.slices[12].result.Failed = 1, 1
		}, []check{lose}, []check{follow, kill}},
		"a timeout in the rush": {func(s *liveSeen) {
			s.slices[12].result.Failures[load.CauseTimeout], s.slices[12].result.Failed = 1, 1
		}, nil, []check{follow, lose, kill}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &trial{played: true, seen: goodRun()}
			test.change(&l.seen)
			for i, c := range test.reject {
				var failure *lab.Failure
				if err := c(l, t.Context(), &lab.Run{}); !errors.As(err, &failure) {
					t.Errorf("check %d of those that reject it: %v", i, err)
				}
			}
			for i, c := range test.accept {
				if err := c(l, t.Context(), &lab.Run{}); err != nil {
					t.Errorf("check %d of those that accept it: %v", i, err)
				}
			}
		})
	}
}

// TestBlindReadings: what a policy could not know is a doubt, and what it could know is the learner's to mend.
func TestBlindReadings(t *testing.T) {
	busy := func(s *liveSeen, from time.Time, n int) {
		for i := range s.readings {
			if since := s.readings[i].At.Sub(from); since >= 0 && since < time.Duration(n)*every {
				for j := range s.readings[i].Replicas {
					s.readings[i].Replicas[j].Utilisation = 0.5
				}
			}
		}
	}
	gap := func(s *liveSeen, from time.Time, length time.Duration) {
		s.readings = slices.DeleteFunc(s.readings, func(r autoscale.Reading) bool { return r.At.After(from) && r.At.Before(from.Add(length)) })
	}
	noOut, noIn := func(s *liveSeen) { s.out = 0 }, func(s *liveSeen) { s.back = 0 }
	for name, test := range map[string]struct {
		change func(*liveSeen)
		doubt  bool
	}{
		"the rush was seen":          {noOut, false},
		"a rush of four minutes":     {func(s *liveSeen) { noOut(s); busy(s, s.rise.Add(4*time.Minute), 40) }, true},
		"gaps in the rush":           {func(s *liveSeen) { noOut(s); gap(s, s.rise.Add(4*time.Minute), 2*time.Minute) }, true},
		"one late reading":           {func(s *liveSeen) { noOut(s); gap(s, s.rise.Add(4*time.Minute), time.Minute) }, false},
		"the calm was seen":          {noIn, false},
		"a busy moment in the calm":  {func(s *liveSeen) { noIn(s); busy(s, s.fall.Add(12*time.Minute), 1) }, true},
		"a busy moment at its begin": {func(s *liveSeen) { noIn(s); busy(s, s.fall, 1) }, false},
		"a gap in the calm":          {func(s *liveSeen) { noIn(s); gap(s, s.fall.Add(10*time.Minute), 2*time.Minute) }, true},
		"added replicas in the calm": {func(s *liveSeen) {
			noIn(s)
			gap(s, s.fall.Add(10*time.Minute), 2*time.Minute)
			s.changes = append(s.changes, autoscale.Change{At: s.fall.Add(15 * time.Minute), Running: 6})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := &trial{played: true, seen: goodRun()}
			test.change(&l.seen)
			err := l.replicasFollow(t.Context(), &lab.Run{})
			var failure *lab.Failure
			var doubt *lab.Doubt
			if errors.As(err, &doubt) != test.doubt || errors.As(err, &failure) == test.doubt {
				t.Errorf("%v; want a doubt: %v", err, test.doubt)
			}
		})
	}
}

// TestAgreed: a replica that is not measured, or has just become ready, counts at the target, so it ends a calm.
func TestAgreed(t *testing.T) {
	now := five()
	idle := group{3, serving, 0.10}
	for name, test := range map[string]struct {
		at5  []group // five minutes ago
		want time.Duration
	}{
		"all calm":           {[]group{idle}, 20 * time.Minute},
		"one is missing":     {[]group{{2, serving, 0.10}, {1, missing, 0.10}}, 20 * time.Minute},
		"two are missing":    {[]group{{1, serving, 0.10}, {2, missing, 0.10}}, 5*time.Minute - every},
		"all are fresh":      {[]group{{3, restarting, 0.10}}, 5*time.Minute - every},
		"one is starting":    {[]group{idle, {1, starting, 0}}, 20 * time.Minute},
		"nobody serves":      {[]group{{3, down, 0}}, 5*time.Minute - every},
		"asks for four":      {[]group{{8, serving, 0.25}}, 5*time.Minute - every},
		"asks for three":     {[]group{{8, serving, 0.20}}, 20 * time.Minute},
		"between the bounds": {[]group{{3, serving, 0.40}}, 5*time.Minute - every},
	} {
		readings := history(now, 20*time.Minute, func(age time.Duration) []group {
			if age == 5*time.Minute {
				return test.at5
			}
			return []group{idle}
		})
		if since := agreed(readings, now, calmed); !since.Equal(now.Add(-test.want)) {
			t.Errorf("%s: since %v, want since %v", name, since, now.Add(-test.want))
		}
	}
	if since := agreed(steady(now, idle), now.Add(2*time.Minute), calmed); !since.IsZero() {
		t.Errorf("two minutes after the last reading: since %v, want never", since)
	}
}

// TestLostRestsOnTheRush: on a machine without idle time in the rush a lost request says nothing, whatever lost it.
func TestLostRestsOnTheRush(t *testing.T) {
	l := &trial{played: true, seen: goodRun()}
	l.seen.slices[45].result.Failures["connection"], l.seen.slices[45].result.Failed = 1, 1
	var failure *lab.Failure
	if err := l.noRequestLost(t.Context(), &lab.Run{}); !errors.As(err, &failure) || failure.Waited != l.seen.inRush() {
		t.Errorf("%v, want a failure that rests on the rush", err)
	}
}

func TestRestored(t *testing.T) {
	s := goodRun()
	if got := s.restored(); got != 10*time.Minute {
		t.Errorf("restored after %v, want 10m0s", got)
	}
	s.slices[29].result.Latency.Record(time.Second)
	if got := s.restored(); got != rushLength {
		t.Errorf("never restored: %v, want %v", got, rushLength)
	}
	s.slices = slices.DeleteFunc(s.slices, func(part slice) bool { return !keeps(part.result) })
	if got := s.restored(); got != 0 {
		t.Errorf("never missed: %v, want 0", got)
	}
}

func TestPaid(t *testing.T) {
	s := goodRun()
	// 5 for 15 minutes, 8 for 27 and 3 for 8.
	if got, want := paid(s.changes, s.begin, s.end), (5*15+8*27+3*8)/60.0; got < want-1e-9 || got > want+1e-9 {
		t.Errorf("%v instance-hours, want %v", got, want)
	}
}

func TestSteadySince(t *testing.T) {
	from := five()
	// ended returns slices that begin a minute after one another, from slice 10 on. Some are slow.
	ended := func(n int, slow ...int) []slice {
		s := goodRun().slices[:n]
		for i := range s {
			s[i].number, s[i].at = 10+i, from.Add(time.Duration(i)*time.Minute)
			if slices.Contains(slow, i) {
				s[i].result.Latency.Record(time.Second)
			}
		}
		return s
	}
	after := func(minutes int) time.Time { return from.Add(time.Duration(minutes) * time.Minute) }
	reversed := ended(5)
	slices.Reverse(reversed)
	for name, test := range map[string]struct {
		ended []slice
		from  time.Time
		want  time.Time
	}{
		"nothing yet":               {nil, from, time.Time{}},
		"two minutes":               {ended(2), from, time.Time{}},
		"three minutes":             {ended(3), from, from},
		"the last three of five":    {ended(5), from, after(2)},
		"not in order":              {reversed, from, after(2)},
		"a slow minute before":      {ended(5, 1), from, after(2)},
		"a slow minute":             {ended(5, 2), from, time.Time{}},
		"a slow last minute":        {ended(5, 4), from, time.Time{}},
		"one is still under way":    {slices.Delete(ended(5), 3, 4), from, time.Time{}},
		"the first began too early": {ended(3), after(0).Add(time.Second), time.Time{}},
	} {
		if got := steadySince(test.ended, test.from); !got.Equal(test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A rush that ended early is judged by its end, and not by what comes after restoredWithin.
func TestJudged(t *testing.T) {
	s := goodRun()
	if got, want := s.judged().Sent, 5; got != want {
		t.Errorf("%d requests of the full rush are judged, want %d", got, want)
	}
	s.steady, s.fall = s.rise.Add(10*time.Minute), s.rise.Add(13*time.Minute)
	if got, want := s.judged().Sent, 3; got != want {
		t.Errorf("%d requests of the short rush are judged, want %d", got, want)
	}
}
