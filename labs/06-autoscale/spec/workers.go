package spec

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

func lookWorkers(hint string) lab.Look {
	return lab.Look{File: "workers.go", Func: "Workers", Hint: hint}
}

// These stand for a backlog that the broker did not tell in time. The field holds 0, or an old number.
const (
	unmeasured = -1
	stale      = -2
)

// backlogs returns half an hour of backlogs until now. That many workers run. The number of
// messages follows from the age.
func backlogs(now time.Time, workers int, messages func(age time.Duration) int) []autoscale.Backlog {
	var all []autoscale.Backlog
	for age := 30 * time.Minute; age >= 0; age -= every {
		b := autoscale.Backlog{At: now.Add(-age), Workers: workers, Messages: messages(age), Measured: true}
		switch b.Messages {
		case unmeasured:
			b.Messages, b.Measured = 0, false
		case stale:
			b.Messages, b.Measured = 900, false
		}
		all = append(all, b)
	}
	return all
}

// workersBetween demands an answer from low to high, and returns it.
func (l *trial) workersBetween(history []autoscale.Backlog, state autoscale.State, low, high int, what string, look lab.Look) (got int, err error) {
	defer rescue(&err, look)
	kept := slices.Clone(history)
	got = l.subject.Workers(history, five(), state)
	if !slices.Equal(history, kept) {
		return got, &lab.Failure{Expected: "a history that is the same after the call", Seen: "a changed one", Look: look}
	}
	if got >= low && got <= high {
		return got, nil
	}
	expected := fromTo(low, high)
	switch {
	case high == math.MaxInt:
		expected = fmt.Sprintf("at least %d", low)
	case low == math.MinInt:
		expected = fmt.Sprintf("at most %d", high)
	}
	return got, &lab.Failure{Expected: fmt.Sprintf("%s workers where %d run, %s", expected, state.Running, what), Seen: fmt.Sprintf("%d", got), Look: look}
}

func (l *trial) backlog(_ context.Context, run *lab.Run) error {
	for i, test := range []struct{ workers, messages, want int }{
		{2, 500, 5}, {3, 350, 3}, {8, 700, 6}, {1, 100, 1}, {1, 121, 2}, {3, 240, 2}, {5, 20, fewestWorkers}, {4, 2000, mostWorkers},
	} {
		history := backlogs(five(), test.workers, func(time.Duration) int { return test.messages })
		look := lookWorkers(fmt.Sprintf("how many workers are enough, when each may have a backlog of %d messages?", perWorker))
		what := fmt.Sprintf("with a backlog of %d messages", test.messages)
		got, err := l.workersBetween(history, autoscale.State{Running: test.workers}, test.want, test.want, what, look)
		if err != nil {
			return err
		}
		if i == 0 { // the one that the lesson shows
			run.Report("workers for a backlog of 500", float64(got), "")
		}
	}
	_, err := l.workersBetween(nil, autoscale.State{}, fewestWorkers, mostWorkers, "without a history", lookWorkers("which numbers may it return?"))
	return err
}

func (l *trial) workerPatience(context.Context, *lab.Run) error {
	now := five()
	const minute = time.Minute
	// then returns one number of messages, and another from that age on.
	then := func(before int, age time.Duration, after int) func(time.Duration) int {
		return func(a time.Duration) int {
			if a < age {
				return after
			}
			return before
		}
	}
	silent := backlogs(now, 3, then(400, 15*minute, unmeasured)) // the fourth worker is not connected yet
	once := func(age time.Duration) int {
		if age == 5*minute {
			return unmeasured
		}
		return 10
	}
	old := backlogs(now.Add(-10*minute), 2, then(900, 0, 0))
	for _, test := range []struct {
		what      string
		history   []autoscale.Backlog
		state     autoscale.State
		low, high int
		hint      string
	}{
		{"in the fourth minute of a backlog of 900", backlogs(now, 2, then(200, 4*minute, 900)), autoscale.State{Running: 2}, 2, 2,
			"what does settle do with a short breach?"},
		{"after seven minutes of a backlog of 900", backlogs(now, 2, then(200, 7*minute, 900)), autoscale.State{Running: 2}, 3, math.MaxInt,
			"what does settle do with a breach of five minutes?"},
		{"in the eighth minute of a backlog of 10", backlogs(now, 4, then(400, 8*minute, 10)), autoscale.State{Running: 4}, 4, 4,
			"what does settle do with a short calm?"},
		{"after twelve minutes of a backlog of 10", backlogs(now, 4, then(400, 12*minute, 10)), autoscale.State{Running: 4}, math.MinInt, 3,
			"what does settle do with a calm of ten minutes?"},
		{"three minutes after the last change, when one is not connected yet", backlogs(now, 2, then(900, 0, 0)), autoscale.State{Running: 3, LastOut: now.Add(-3 * minute)}, 3, 3,
			"does it pass the state on to settle?"},
		{"when the broker has not answered for fifteen minutes", silent, autoscale.State{Running: 4}, 4, 4,
			"is a queue empty that was not measured?"},
		{"when the broker has not answered since a backlog of 900", backlogs(now, 2, then(900, 15*minute, stale)), autoscale.State{Running: 2}, 2, 2,
			"what does a backlog ask for that was not measured?"},
		{"after a backlog of 10 that was not measured once", backlogs(now, 4, once), autoscale.State{Running: 4}, 4, 4,
			"what does a backlog ask for that was not measured?"},
		{"when the controller has just been started again and has no history", nil, autoscale.State{Running: 5}, 5, 5,
			"what does settle do without a history?"},
		{"when the last backlog is ten minutes old", old, autoscale.State{Running: 2}, 2, 2,
			"does it pass the time of each backlog on to settle?"},
	} {
		if _, err := l.workersBetween(test.history, test.state, test.low, test.high, test.what, lookWorkers(test.hint)); err != nil {
			return err
		}
	}
	return nil
}
