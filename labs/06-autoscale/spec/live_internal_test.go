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
	return s
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
