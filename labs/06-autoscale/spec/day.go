package spec

import (
	"context"
	"fmt"
	"io"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

// mostOverloaded is the service level of a day: for how long the replicas may be overloaded.
const mostOverloaded = time.Minute

// firstPolicy is the policy that the team began with, as in the starter. The spec has its own, because
// learners edit theirs. It never goes below one replica, so that its trace goes on.
func firstPolicy(history []autoscale.Reading, _ time.Time, state autoscale.State) int {
	replicas := history[len(history)-1].Replicas
	sum := 0.0
	for _, replica := range replicas {
		sum += replica.Utilisation
	}
	switch mean := sum / float64(len(replicas)); {
	case mean > targetUtilisation:
		return state.Running + 1
	case mean < lowUtilisation:
		return max(1, state.Running-1)
	}
	return state.Running
}

// dayText lists the changes of a day.
func dayText(played simulate.Played) []byte {
	head := fmt.Sprintf("What your policy did in a day: %d changes, %.1f instance-hours, overloaded for %v.\n\n",
		len(played.Changes)-1, played.InstanceHours, played.Overloaded)
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "time\trequests/s\tready\tCPU of ready\trunning\trunning then\t")
		for _, row := range played.Rows {
			if row.Decision != row.Running {
				fmt.Fprintf(w, "%s\t%.0f\t%d\t%.0f %%\t%d\t%d\t\n", row.At.Format("15:04:05"), row.Load, row.Ready, 100*row.OfReady, row.Running, row.Decision)
			}
		}
	})
}

// instanceHours is a count in a simulation, so it has no interval. Both sides serve the same day.
func (l *trial) instanceHours(_ context.Context, run *lab.Run) (lab.Measured, error) {
	day := simulate.DinnerDay()
	always := day
	always.Running = most
	before := always.Play(simulate.Fixed(most))
	look := lookSettle("how long do the replicas wait for others that are starting, or is the target too high?")
	after, err := play(day, l.subject.Policy, look)
	if err != nil {
		return lab.Measured{}, err
	}
	if before.Overloaded > 0 {
		return lab.Measured{}, fmt.Errorf("ten replicas are overloaded for %v on the day of the check; please report it", before.Overloaded)
	}
	if run.Mode == lab.ModeCheck {
		run.Evidence(evidenceFolder)
		if err := evidence.Keep(Name, "day.txt", dayText(after)); err != nil {
			return lab.Measured{}, err
		}
	}
	run.Chart(dayChart(after))
	run.Chart(dayCost(after))
	run.Report("changes in the day", float64(len(after.Changes)-1), "")
	run.Report("overloaded in the day", after.Overloaded.Seconds(), "s")
	if after.Overloaded > mostOverloaded {
		return lab.Measured{}, &lab.Failure{
			Expected: fmt.Sprintf("replicas that are overloaded for at most %v of a day", mostOverloaded),
			Seen:     after.Overloaded.String(), Look: look,
		}
	}
	return lab.Measured{
		Before: before.InstanceHours, After: after.InstanceHours, Ratio: before.InstanceHours / after.InstanceHours,
		BeforeCost: costOf(day, before), AfterCost: costOf(day, after),
	}, nil
}

// costOf returns the cost of the replicas of a day, at the day's mean load.
func costOf(day simulate.Scene, played simulate.Played) *lab.Cost {
	load, steps := 0.0, 0
	for since := time.Duration(0); since < day.Length; since += day.Every {
		load += day.Load(since)
		steps++
	}
	return lab.CostOf(load/float64(steps), map[instance.Type]float64{replicaSize(): played.InstanceHours / day.Length.Hours()})
}
