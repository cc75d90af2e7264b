package spec

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

// oddQuestions is how many random histories a policy must answer.
const oddQuestions = 400

func lookRecommend(hint string) lab.Look {
	return lab.Look{File: "policy.go", Func: "recommend", Hint: hint}
}

func lookDesired(hint string) lab.Look {
	return lab.Look{File: "policy.go", Func: "Desired", Hint: hint}
}

// seenPercent is a utilisation in words.
func seenPercent(utilisation float64) string { return fmt.Sprintf("%.0f %%", 100*utilisation) }

func (l *trial) target(_ context.Context, run *lab.Run) error {
	formula := "ceil(replicas × utilisation / 0.60), with all replicas that serve"
	for i, test := range []struct {
		replicas    int // in each reading; all serve
		utilisation float64
		running     int
		want        int
		hint        string
	}{
		// No result of the formula is near a whole number, so integer arithmetic gives the same.
		{5, 0.90, 5, 8, formula}, // 7.5; the first is reported
		{4, 0.85, 4, 6, formula},
		{3, 0.97, 3, 5, formula},
		{6, 0.82, 6, 9, formula},
		{9, 0.25, 9, 4, formula},
		{10, 0.28, 10, 5, formula},
		{6, 0.68, 6, 7, "the tolerance is a share of the target: where does it end?"}, // 6.8
		{5, 0.62, 5, 5, "is the utilisation within the tolerance of the target?"},
		{6, 0.45, 6, 6, "is there anything to do between low and the target?"},
		{7, 0.32, 7, 7, "is there anything to do between low and the target?"},
		{4, 0.56, 4, 4, "is there anything to do between low and the target?"},
		// The readings know other replicas than those that run: some were just started, or are gone.
		{5, 0.95, 8, 8, "does it multiply the replicas of load, or all that run?"}, // 7.9
		{3, 0.80, 9, 9, "may a busy reading ask for fewer than run?"},              // 4
		{10, 0.28, 4, 4, "may a calm reading ask for more than run?"},              // 4.7
		// The mean of two equal numbers has no rounding error, so this is low and not nearly low.
		{2, 0.30, 5, 5, "does the dead band begin at low, or above it?"}, // 1
	} {
		look := lookRecommend(test.hint)
		q := question{steady(five(), group{test.replicas, serving, test.utilisation}), five(), autoscale.State{Running: test.running}}
		got, err := ask(l.subject.Policy, q, look)
		if err != nil {
			return err
		}
		if got != test.want {
			what := fmt.Sprintf("%d have been at %s for half an hour", test.replicas, seenPercent(test.utilisation))
			if test.running != test.replicas {
				what += fmt.Sprintf(", and %d run now", test.running)
			}
			return &lab.Failure{Expected: fmt.Sprintf("%d replicas, when %s", test.want, what), Seen: fmt.Sprintf("%d", got), Look: look}
		}
		if i == 0 {
			run.Report("replicas for 5 at 90 %", float64(got), "")
		}
	}
	// The mean is 74 %: 5 × 0.74 / 0.60 = 6.2.
	now := five()
	return l.between(question{steady(now, group{3, serving, 0.90}, group{2, serving, 0.50}), now, autoscale.State{Running: 5}}, 7, 7,
		"when 3 are at 90 % and 2 at 50 %", lookLoad("is it the mean of all replicas that serve?"))
}

func (l *trial) bounds(_ context.Context, run *lab.Run) error {
	look := lookDesired("which numbers may it return, whatever the readings say?")
	begin := lookDesired("return startReplicas only when the history is empty and nothing runs: is it both?")
	now := five()
	for _, test := range []struct {
		what     string
		question question
		low      int
		high     int
		look     lab.Look
	}{
		{"9 replicas at 95 %", question{steady(now, group{9, serving, 0.95}), now, autoscale.State{Running: 9}}, most, most, look},
		{"10 replicas at 95 %", question{steady(now, group{10, serving, 0.95}), now, autoscale.State{Running: 10}}, most, most, look},
		{"4 replicas at 10 %", question{steady(now, group{4, serving, 0.10}), now, autoscale.State{Running: 4}}, fewest, fewest, look},
		{"3 replicas at 5 %", question{steady(now, group{3, serving, 0.05}), now, autoscale.State{Running: 3}}, fewest, fewest, look},
		{"2 replicas at 50 %", question{steady(now, group{2, serving, 0.50}), now, autoscale.State{Running: 2}}, fewest, most, look},
		{"12 replicas at 50 %", question{steady(now, group{12, serving, 0.50}), now, autoscale.State{Running: 12}}, fewest, most, look},
		{"readings without a replica, and none that runs", question{steady(now), now, autoscale.State{}}, fewest, fewest, begin},
		{"no readings at all, and no replica that runs", question{nil, now, autoscale.State{}}, first, first, begin},
		{"no readings, when 8 replicas run and the controller has just been started again", question{nil, now, autoscale.State{Running: 8}}, 8, 8, begin},
		{"no readings, when 3 replicas run and the controller has just been started again", question{nil, now, autoscale.State{Running: 3}}, 3, 3, begin},
	} {
		got, err := ask(l.subject.Policy, test.question, test.look)
		if err != nil {
			return err
		}
		if got < test.low || got > test.high {
			return &lab.Failure{Expected: fmt.Sprintf("%s for %s", fromTo(test.low, test.high), test.what), Seen: fmt.Sprintf("%d", got), Look: test.look}
		}
	}
	random := rand.New(rand.NewPCG(19, 2))
	for i := range oddQuestions {
		got, err := ask(l.subject.Policy, odd(random), look)
		if err != nil {
			return err
		}
		if got < fewest || got > most {
			return &lab.Failure{Expected: fromTo(fewest, most) + fmt.Sprintf(" for random history %d", i+1), Seen: fmt.Sprintf("%d", got), Look: look}
		}
	}
	run.Report("random histories within the bounds", oddQuestions, "")
	return nil
}

// fromTo is a number, or two.
func fromTo(low, high int) string {
	if low == high {
		return fmt.Sprintf("%d", low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// pure asks each question twice, with another question between. So it finds a policy that remembers.
func (l *trial) pure(context.Context, *lab.Run) error {
	look := lookDesired("does it use a variable outside the function, the clock of the machine, or the history's own memory?")
	random := rand.New(rand.NewPCG(19, 1))
	var last question
	for range oddQuestions {
		q := odd(random)
		kept := copied(q.history)
		before, err := ask(l.subject.Policy, q, look)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(q.history, kept) {
			return &lab.Failure{Expected: "a history that is the same after the call", Seen: "a changed one", Look: look}
		}
		if _, err := ask(l.subject.Policy, last, look); err != nil {
			return err
		}
		again, err := ask(l.subject.Policy, q, look)
		if err != nil {
			return err
		}
		if before != again {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d for the same history, time and state as before", before),
				Seen:     fmt.Sprintf("%d", again), Look: look,
			}
		}
		last = q
	}
	if err := l.anyClock(); err != nil {
		return err
	}
	return l.together()
}

const (
	// togetherFor is how long the long one of two calls takes at least, when it runs alone. The scheduler of Go
	// changes from one goroutine to another every 10 ms, so the other call runs in the middle of it several times.
	togetherFor = 40 * time.Millisecond
	// mostReadings bounds the history of the long call.
	mostReadings = 1 << 20
	// overlaps is how often the short call must have run in the middle of the long one, and mostRounds bounds
	// the tries.
	overlaps, mostRounds = 3, 12
)

// oneProcessor guards the number of processors, which belongs to the whole program.
var oneProcessor sync.Mutex

// together asks two questions at the same time, as two controllers in one process do. Each must get the answer
// that it gets alone. So it finds a buffer that calls share, also one whose every use holds a lock.
func (l *trial) together() error {
	look := lookDesired("do two calls share a variable, such as a buffer? Two controllers may ask at the same time")
	now := five()
	short := question{steady(now, group{8, serving, 0.10}), now, autoscale.State{Running: 8}}
	aloneShort, err := ask(l.subject.Policy, short, look)
	if err != nil {
		return err
	}
	oneProcessor.Lock()
	defer oneProcessor.Unlock()
	// With several processors, a policy that shares memory between calls could end the program.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var long question
	var aloneLong int
	for n := 1000; n <= mostReadings; n *= 2 {
		long = question{dense(now, n, group{5, serving, 0.95}), now, autoscale.State{Running: 5}}
		quickest := time.Duration(math.MaxInt64)
		for range 3 { // another program may have had the CPU
			began := time.Now()
			if aloneLong, err = ask(l.subject.Policy, long, look); err != nil {
				return err
			}
			if quickest = min(quickest, time.Since(began)); quickest < togetherFor {
				break
			}
		}
		if quickest >= togetherFor {
			break
		}
	}
	for rounds, overlapped := 0, 0; overlapped < overlaps && rounds < mostRounds; rounds++ {
		gotLong, gotShort, inside, err := l.beside(long, short, aloneShort, look)
		switch {
		case err != nil:
			return err
		case gotShort != aloneShort:
			return mixedUp(aloneShort, gotShort, look)
		case gotLong != aloneLong:
			return mixedUp(aloneLong, gotLong, look)
		case inside:
			overlapped++
		}
	}
	return nil
}

// beside asks a long question, and a short one again and again until the long one is answered, or until the
// short one gets another answer than alone. Inside reports whether a short call began and ended within the long one.
func (l *trial) beside(long, short question, aloneShort int, look lab.Look) (gotLong, gotShort int, inside bool, err error) {
	var began, ended atomic.Bool
	var longErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		began.Store(true)
		gotLong, longErr = ask(l.subject.Policy, long, look)
		ended.Store(true)
	}()
	for gotShort = aloneShort; err == nil && gotShort == aloneShort && !ended.Load(); {
		within := began.Load()
		gotShort, err = ask(l.subject.Policy, short, look)
		inside = inside || within && !ended.Load()
	}
	<-done
	return gotLong, gotShort, inside, cmp.Or(err, longErr)
}

// mixedUp is the failure of an answer that differs while another call runs.
func mixedUp(alone, got int, look lab.Look) error {
	return &lab.Failure{
		Expected: fmt.Sprintf("%d for the same history, also while another call with its own history runs", alone),
		Seen:     fmt.Sprintf("%d", got), Look: look,
	}
}

// dense returns half an hour of n readings that are all alike.
func dense(now time.Time, n int, groups ...group) []autoscale.Reading {
	const length = 30 * time.Minute
	one := reading(now, length, groups...)
	all := make([]autoscale.Reading, n)
	for i := range all {
		all[i] = autoscale.Reading{At: now.Add(-length * time.Duration(n-1-i) / time.Duration(n-1)), Replicas: one.Replicas}
	}
	return all
}

// anyClock asks the same questions twice. In the second, all times are moved, so that now is the time of
// this machine. A policy that reads the clock of the machine finds all of the first history old.
func (l *trial) anyClock() error {
	look := lookDesired("does any part of it use time.Now or time.Since? Measure from now, and in load from reading.At")
	now := five()
	for _, test := range []struct {
		what     string
		question question
	}{
		{"5 replicas at 95 %", question{steady(now, group{5, serving, 0.95}), now, autoscale.State{Running: 5}}},
		{"6 replicas at 95 %, two minutes after a change", question{steady(now, group{6, serving, 0.95}), now,
			autoscale.State{Running: 6, LastOut: now.Add(-2 * time.Minute)}}},
		{"2 replicas at 80 %, and 6 that crash each minute", question{steady(now, group{2, serving, 0.80}, group{6, restarting, 0.05}), now,
			autoscale.State{Running: 8}}},
	} {
		before, err := ask(l.subject.Policy, test.question, look)
		if err != nil {
			return err
		}
		again, err := ask(l.subject.Policy, moved(test.question, time.Since(now)), look)
		if err != nil {
			return err
		}
		if before != again {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d for %s, whatever day it is", before, test.what),
				Seen:     fmt.Sprintf("%d, when all times are those of today", again), Look: look,
			}
		}
	}
	return nil
}

// moved returns a question with all times later by that long. Times that are zero stay zero.
func moved(q question, by time.Duration) question {
	later := func(at time.Time) time.Time {
		if at.IsZero() {
			return at
		}
		return at.Add(by)
	}
	all := copied(q.history)
	for i := range all {
		all[i].At = later(all[i].At)
		for j := range all[i].Replicas {
			all[i].Replicas[j].ReadySince = later(all[i].Replicas[j].ReadySince)
		}
	}
	state := autoscale.State{Running: q.state.Running, LastOut: later(q.state.LastOut), LastIn: later(q.state.LastIn)}
	return question{all, later(q.now), state}
}

// copied returns a copy of a history that shares nothing with it.
func copied(history []autoscale.Reading) []autoscale.Reading {
	all := slices.Clone(history)
	for i := range all {
		all[i].Replicas = slices.Clone(all[i].Replicas)
	}
	return all
}
