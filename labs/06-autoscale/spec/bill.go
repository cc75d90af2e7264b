package spec

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

func lookBill(hint string) lab.Look {
	return lab.Look{File: "bill.go", Func: "InstanceHours", Hint: hint}
}

// billed demands the instance-hours of changes.
func (l *trial) billed(changes []autoscale.Change, from, until time.Time, want float64, what, hint string) (err error) {
	look := lookBill(hint)
	defer rescue(&err, look)
	kept := slices.Clone(changes)
	got := l.subject.Bill(changes, from, until)
	if !slices.Equal(changes, kept) {
		return &lab.Failure{Expected: "changes that are the same after the call", Seen: "other ones", Look: look}
	}
	if math.Abs(got-want) <= 1e-6*max(1, want) {
		return nil
	}
	return &lab.Failure{Expected: fmt.Sprintf("%.2f instance-hours for %s", want, what), Seen: fmt.Sprintf("%.2f", got), Look: look}
}

func (l *trial) bill(_ context.Context, run *lab.Run) error {
	midnight := time.Date(2026, time.May, 7, 0, 0, 0, 0, time.UTC)
	at := func(hours float64, running int) autoscale.Change {
		return autoscale.Change{At: midnight.Add(time.Duration(hours * float64(time.Hour))), Running: running}
	}
	tomorrow := midnight.Add(24 * time.Hour)
	for _, test := range []struct {
		what    string
		changes []autoscale.Change
		want    float64
		hint    string
	}{
		{"3 replicas all day", []autoscale.Change{at(0, 3)}, 72, "how long does the last size last?"},
		{"3 replicas, and 10 from 17:00 until 20:00", []autoscale.Change{at(0, 3), at(17, 10), at(20, 3)}, 93, "how long did each size last?"},
		{"3 replicas, and 10 for six minutes", []autoscale.Change{at(0, 3), at(17, 10), at(17.1, 3)}, 72.7, "how long did each size last?"},
		{"4 replicas since the evening before", []autoscale.Change{at(-5, 4)}, 96, "which part of its time is in the bill?"},
		{"4 replicas since the evening before, and 6 from noon", []autoscale.Change{at(-9, 2), at(-5, 4), at(12, 6)}, 120, "which part of its time is in the bill?"},
		{"3 replicas, and a change on the next day", []autoscale.Change{at(0, 3), at(30, 10)}, 72, "which part of its time is in the bill?"},
		{"6 replicas, and none from 20:00", []autoscale.Change{at(0, 6), at(20, 0)}, 120, "what does a size of zero cost?"},
		{"5 replicas from 18:00, and none before", []autoscale.Change{at(18, 5)}, 30, "does it cost anything before the first change?"},
		{"a day without a replica", nil, 0, "what does a list without changes cost?"},
	} {
		if err := l.billed(test.changes, midnight, tomorrow, test.want, test.what, test.hint); err != nil {
			return err
		}
	}
	// A day of the spec's own: the bill is what the simulation counted at each reading.
	day := simulate.DinnerDay()
	played := day.Play(firstPolicy)
	if err := l.billed(played.Changes, day.Begin, day.Begin.Add(day.Length), played.InstanceHours,
		fmt.Sprintf("a day with %d changes", len(played.Changes)-1), "how long did each size last?"); err != nil {
		return err
	}
	run.Report("bill of the first policy", played.InstanceHours, "instance-hours")
	run.Report("changes of the first policy", float64(len(played.Changes)-1), "")
	return nil
}
