package spec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

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
		running     int
		utilisation float64
		want        int
		hint        string
	}{
		// No result of the formula is near a whole number, so integer arithmetic gives the same.
		{5, 0.90, 8, formula}, // 7.5; the first is reported
		{4, 0.85, 6, formula},
		{3, 0.97, 5, formula},
		{6, 0.82, 9, formula},
		{9, 0.25, 4, formula},
		{10, 0.28, 5, formula},
		{6, 0.68, 7, "the tolerance is a share of the target: where does it end?"}, // 6.8
		{5, 0.62, 5, "is the utilisation within the tolerance of the target?"},
		{6, 0.45, 6, "is there anything to do between low and the target?"},
		{7, 0.32, 7, "is there anything to do between low and the target?"},
		{4, 0.56, 4, "is there anything to do between low and the target?"},
	} {
		look := lookRecommend(test.hint)
		q := question{steady(five(), group{test.running, serving, test.utilisation}), five(), autoscale.State{Running: test.running}}
		got, err := ask(l.subject.Policy, q, look)
		if err != nil {
			return err
		}
		if got != test.want {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d replicas, when %d have been at %s for half an hour", test.want, test.running, seenPercent(test.utilisation)),
				Seen:     fmt.Sprintf("%d", got),
				Look:     look,
			}
		}
		if i == 0 {
			run.Report("replicas for 5 at 90 %", float64(got), "")
		}
	}
	now := five()
	// The mean is 74 %: 5 × 0.74 / 0.60 = 6.2.
	if err := l.between(question{steady(now, group{3, serving, 0.90}, group{2, serving, 0.50}), now, autoscale.State{Running: 5}}, 7, 7,
		"when 3 are at 90 % and 2 at 50 %", lookLoad("is it the mean of all replicas that serve?")); err != nil {
		return err
	}
	// The formula asks for four, and nine run.
	if err := l.between(question{steady(now, group{3, serving, 0.80}), now, autoscale.State{Running: 9}}, 9, 9,
		"when 3 serve at 80 % and no other is in the readings yet", lookRecommend("what does a busy fleet ask for, when more run than the formula gives?")); err != nil {
		return err
	}
	// The formula asks for five, and four run.
	return l.between(question{steady(now, group{10, serving, 0.28}), now, autoscale.State{Running: 4}}, 4, 4,
		"when 10 serve at 28 % and 6 of them drain", lookRecommend("does an idle fleet ever ask for more replicas than run?"))
}

func (l *trial) bounds(_ context.Context, run *lab.Run) error {
	look := lookDesired("which numbers may it return, whatever the readings say?")
	now := five()
	for _, test := range []struct {
		what     string
		question question
		low      int
		high     int
	}{
		{"9 replicas at 95 %", question{steady(now, group{9, serving, 0.95}), now, autoscale.State{Running: 9}}, most, most},
		{"10 replicas at 95 %", question{steady(now, group{10, serving, 0.95}), now, autoscale.State{Running: 10}}, most, most},
		{"4 replicas at 10 %", question{steady(now, group{4, serving, 0.10}), now, autoscale.State{Running: 4}}, fewest, fewest},
		{"3 replicas at 5 %", question{steady(now, group{3, serving, 0.05}), now, autoscale.State{Running: 3}}, fewest, fewest},
		{"2 replicas at 50 %", question{steady(now, group{2, serving, 0.50}), now, autoscale.State{Running: 2}}, fewest, most},
		{"12 replicas at 50 %", question{steady(now, group{12, serving, 0.50}), now, autoscale.State{Running: 12}}, fewest, most},
		{"readings without a replica, and none that runs", question{steady(now), now, autoscale.State{}}, fewest, most},
		{"no readings at all, and no replica that runs", question{nil, now, autoscale.State{}}, first, first},
	} {
		got, err := ask(l.subject.Policy, test.question, look)
		if err != nil {
			return err
		}
		if got < test.low || got > test.high {
			return &lab.Failure{Expected: fmt.Sprintf("%s for %s", fromTo(test.low, test.high), test.what), Seen: fmt.Sprintf("%d", got), Look: look}
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
	return nil
}

// copied returns a copy of a history that shares nothing with it.
func copied(history []autoscale.Reading) []autoscale.Reading {
	all := slices.Clone(history)
	for i := range all {
		all[i].Replicas = slices.Clone(all[i].Replicas)
	}
	return all
}
