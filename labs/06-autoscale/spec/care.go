package spec

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

func lookLoad(hint string) lab.Look {
	return lab.Look{File: "policy.go", Func: "load", Hint: hint}
}

// wildEvenings is how many evenings of random load the cooldown is watched in.
const wildEvenings = 20

// cooldown demands of single histories that a recent change holds the fleet, and an old one does not.
// Then it watches fleets under wild loads.
func (l *trial) cooldown(_ context.Context, run *lab.Run) error {
	look := lookSettle("how long before now was the last change, in either direction?")
	now := five()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const minute = time.Minute
	for _, test := range []struct {
		what        string
		running     int
		utilisation float64
		state       autoscale.State
		low, high   int
	}{
		{"at 95 %, two minutes after replicas were added", 6, 0.95, autoscale.State{LastOut: ago(2 * minute)}, 6, 6},
		{"at 95 %, four and a half minutes after replicas were added", 6, 0.95, autoscale.State{LastOut: ago(270 * time.Second)}, 6, 6},
		{"at 95 %, three minutes after replicas were removed", 6, 0.95, autoscale.State{LastOut: ago(50 * minute), LastIn: ago(3 * minute)}, 6, 6},
		{"at 10 %, three minutes after replicas were added", 8, 0.10, autoscale.State{LastOut: ago(3 * minute), LastIn: ago(50 * minute)}, 8, 8},
		{"at 10 %, three minutes after replicas were removed", 8, 0.10, autoscale.State{LastIn: ago(3 * minute)}, 8, 8},
		{"at 95 %, six minutes after replicas were added", 6, 0.95, autoscale.State{LastOut: ago(6 * minute)}, 7, math.MaxInt},
		{"at 95 %, six minutes after replicas were removed", 6, 0.95, autoscale.State{LastIn: ago(6 * minute)}, 7, math.MaxInt},
		{"at 10 %, an hour after replicas were added", 8, 0.10, autoscale.State{LastOut: ago(60 * minute)}, math.MinInt, 7},
	} {
		test.state.Running = test.running
		q := question{steady(now, group{test.running, serving, test.utilisation}), now, test.state}
		if err := l.between(q, test.low, test.high, test.what, look); err != nil {
			return err
		}
	}
	q := question{steady(ago(minute), group{6, serving, 0.95}), now, autoscale.State{Running: 6, LastOut: ago(330 * time.Second)}}
	if err := l.between(q, 7, math.MaxInt, "at 95 %, five and a half minutes after replicas were added, when the last reading is a minute old",
		lookSettle("is the last change compared with now, or with a reading?")); err != nil {
		return err
	}
	changes := 0
	for seed := range uint64(wildEvenings) {
		s := scene(5, 3*time.Hour)
		s.Noise, s.MissingShare, s.Seed = 0.05, 0.02, seed
		random := rand.New(rand.NewPCG(seed, 4))
		levels := make([]float64, int(s.Length/(11*minute))+1)
		for i := range levels {
			levels[i] = 1100 * random.Float64()
		}
		s.Load = func(since time.Duration) float64 { return levels[since/(11*minute)] }
		played, err := play(s, l.subject.Policy, look)
		if err != nil {
			return err
		}
		for i := 2; i < len(played.Changes); i++ {
			changes++
			if apart := played.Changes[i].At.Sub(played.Changes[i-1].At); apart < cooldown {
				return &lab.Failure{
					Expected: "at least " + clock(cooldown) + " minutes between two changes of an evening with a wild load",
					Seen: fmt.Sprintf("%s minutes between the change to %d replicas and the one to %d",
						clock(apart), played.Changes[i-1].Running, played.Changes[i].Running),
					Look: look,
				}
			}
		}
	}
	run.Report("changes in 20 wild evenings", float64(changes), "")
	return nil
}

// between demands an answer from low to high.
func (l *trial) between(q question, low, high int, what string, look lab.Look) error {
	got, err := ask(l.subject.Policy, q, look)
	if err != nil {
		return err
	}
	if got >= low && got <= high {
		return nil
	}
	expected := fromTo(low, high) + " replicas"
	switch {
	case high == math.MaxInt:
		expected = fmt.Sprintf("at least %d replicas", low)
	case low == math.MinInt:
		expected = fmt.Sprintf("at most %d replicas", high)
	}
	return &lab.Failure{Expected: fmt.Sprintf("%s of %d that run, %s", expected, q.state.Running, what), Seen: fmt.Sprintf("%d", got), Look: look}
}

// startingReplicas has fleets in which most replicas do not serve yet. An image that is pulled slowly,
// or a cache that is filled at the start, makes that last.
func (l *trial) startingReplicas(context.Context, *lab.Run) error {
	now := five()
	if err := l.between(question{steady(now, group{3, serving, 0.80}, group{6, starting, 0}), now, autoscale.State{Running: 9}}, 9, math.MaxInt,
		"when 3 serve at 80 % and 6 are starting",
		lookLoad("is a replica idle that takes no requests yet? And does a busy fleet ever ask for fewer?")); err != nil {
		return err
	}
	// Eight are enough: 5 × 0.95 / 0.60 = 7.9. One more than that is no overshoot.
	if err := l.between(question{steady(now, group{5, serving, 0.95}, group{3, starting, 0}), now, autoscale.State{Running: 8}}, 8, 9,
		"when 5 serve at 95 % and 3 are starting",
		lookLoad("which replicas have the utilisation that the formula multiplies?")); err != nil {
		return err
	}
	for _, test := range []struct {
		what   string
		groups []group
		low    int
		high   int
		hint   string
	}{
		{"when 2 serve at 80 %, and 6 crash each minute and are ready again for half a minute, at 5 %",
			[]group{{2, serving, 0.80}, {6, restarting, 0.05}}, 8, math.MaxInt,
			"over which time was the utilisation of a replica measured that has just become ready? Count from ReadySince until reading.At"},
		{"when 2 serve at 20 %, and 6 crash each minute and are ready again for half a minute, at 5 %",
			[]group{{2, serving, 0.20}, {6, restarting, 0.05}}, 8, 8,
			"may the six be busy soon? Count them at the target"},
		{"when 8 are at 10 %, and are ready for a minute in each reading", []group{{8, warmed, 0.10}}, math.MinInt, 7,
			"does a utilisation count when the warm-up is over?"},
	} {
		if err := l.between(question{steady(now, test.groups...), now, autoscale.State{Running: 8}}, test.low, test.high, test.what, lookLoad(test.hint)); err != nil {
			return err
		}
	}
	return nil
}

func (l *trial) missingMetrics(context.Context, *lab.Run) error {
	now := five()
	// Four at the target and six at 2 % need five: 10 × 0.252 / 0.60 = 4.2.
	if err := l.between(question{steady(now, group{4, missing, 0}, group{6, serving, 0.02}), now, autoscale.State{Running: 10}}, 5, math.MaxInt,
		"when 4 were not measured and 6 are at 2 %", lookLoad("does a replica serve that was not measured?")); err != nil {
		return err
	}
	state := autoscale.State{Running: 6}
	for _, test := range []struct {
		what   string
		groups []group
		low    int
		high   int
		hint   string
	}{
		{"when none was measured", []group{{6, missing, 0}}, 6, 6, "is a replica idle that was not measured?"},
		{"when none was measured, and the old utilisation of 10 % is still there", []group{{6, missing, 0.10}}, 6, 6, "what does Utilisation say while Measured is false?"},
		{"when all were measured, at 0 %", []group{{6, serving, 0}}, math.MinInt, 5, "is it Measured that says whether a replica was measured?"},
		{"when 4 were not measured and 2 are at 70 %", []group{{4, missing, 0}, {2, serving, 0.70}}, 6, math.MaxInt, "is a replica idle that was not measured?"},
		{"when 3 were not measured and 3 are at 20 %", []group{{3, missing, 0}, {3, serving, 0.20}}, 6, math.MaxInt, "may the other three be busy?"},
		{"when 1 was not measured and 5 are at 95 %", []group{{1, missing, 0}, {5, serving, 0.95}}, 7, math.MaxInt, "five of six agree: does one that is silent block them?"},
	} {
		q, hint := question{steady(now, test.groups...), now, state}, test.hint
		got, err := ask(l.subject.Policy, q, lookLoad(hint))
		if err != nil {
			return err
		}
		if got > max(test.high, state.Running) {
			hint = "does a replica that was not measured ask for more? Count it at the target"
		}
		if err := l.between(q, test.low, test.high, test.what, lookLoad(hint)); err != nil {
			return err
		}
	}
	return nil
}

func (l *trial) allDown(context.Context, *lab.Run) error {
	now := five()
	if err := l.between(question{steady(now, group{6, down, 0}), now, autoscale.State{Running: 6}}, 6, 6,
		"when none is ready or measured", lookLoad("what does it return when no replica serves?")); err != nil {
		return err
	}
	return l.between(question{steady(now), now, autoscale.State{Running: 6}}, 6, 6,
		"when the readings have no replicas", lookLoad("what does it return for a reading without replicas?"))
}
