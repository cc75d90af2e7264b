package spec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
)

func lookStep(hint string) lab.Look {
	return lab.Look{File: "stretch_steps.go", Func: "step", Hint: hint}
}

func lookAhead(hint string) lab.Look {
	return lab.Look{File: "stretch_predict.go", Func: "Ahead", Hint: hint}
}

// steps tries each size of the fleet at each utilisation. The same load on the fleet after the step
// must be between the thresholds, as far as 3 and 10 replicas allow.
func (l *trial) steps(_ context.Context, run *lab.Run) error {
	now := five()
	for running := fewest; running <= most; running++ {
		for percent := 5; percent <= 99; percent++ {
			utilisation := float64(percent) / 100
			look := lookStep("what is the utilisation after the step?")
			q := question{steady(now, group{running, serving, utilisation}), now, autoscale.State{Running: running}}
			got, err := ask(l.subject.Steps, q, look)
			if err != nil {
				return err
			}
			at := fmt.Sprintf("%d replicas at %d %%", running, percent)
			after := utilisation * float64(running) / float64(max(1, got))
			problem := ""
			switch {
			case got < fewest || got > most:
				problem = "3 to 10 replicas for " + at
			case utilisation > breachUtilisation+0.01 && got <= running && running < most:
				problem = "more replicas for " + at
			case utilisation < lowUtilisation-0.01 && got >= running && running > fewest:
				problem = "fewer replicas for " + at
			case got > running && after < lowUtilisation:
				problem = fmt.Sprintf("a step out for %s that does not lead below 30 %%", at)
			case got < running && after > breachUtilisation:
				problem = fmt.Sprintf("a step in for %s that does not lead above 66 %%", at)
			case got != running && utilisation > lowUtilisation+0.01 && utilisation < targetUtilisation-0.01:
				problem = "no step for " + at
			case percent == 95 && running == 6 && got < running+2:
				problem = "a larger step for a larger breach: at least 8 replicas for " + at
			}
			if problem != "" {
				return &lab.Failure{Expected: problem, Seen: fmt.Sprintf("%d replicas, which are then at %.0f %%", got, 100*after), Look: look}
			}
		}
	}
	day := simulate.DinnerDay()
	played, err := play(day, l.subject.Steps, lookStep("how does it behave over a day?"))
	if err != nil {
		return err
	}
	run.Report("changes in the day, step scaling", float64(len(played.Changes)-1), "")
	return nil
}

// rush is a dinner day on which the load rises within four minutes.
func rush() simulate.Scene {
	day := simulate.DinnerDay()
	day.Load = simulate.Curve(simulate.Point{0, 80}, simulate.Point{6, 80}, simulate.Point{9, 150}, simulate.Point{17, 150}, simulate.Point{17.0 + 4.0/60, 560}, simulate.Point{19, 560}, simulate.Point{21, 150}, simulate.Point{23, 80})
	return day
}

const (
	// mostAheadCost is how many times as many instance-hours a prediction may take.
	mostAheadCost = 1.4
	// aheadQuestions is how many random histories the prediction is compared in.
	aheadQuestions = 200
)

// yesterday plays one day twice: with the policy alone, and with the readings of the day before.
func (l *trial) yesterday(_ context.Context, run *lab.Run) error {
	today := rush()
	past := rush()
	past.Begin, past.Running, past.Seed = past.Begin.Add(-24*time.Hour), most, 18
	readings := past.Play(simulate.Fixed(most)).Readings

	look := lookAhead("when must a replica be started that serves at the time of the rise?")
	reacting, err := play(today, l.subject.Policy, look)
	if err != nil {
		return err
	}
	ahead, err := l.ahead(readings, today.StartTime, look)
	if err != nil {
		return err
	}
	played, err := play(today, ahead, look)
	if err != nil {
		return err
	}
	run.Report("overloaded in a sudden rush", reacting.Overloaded.Seconds(), "s")
	run.Report("overloaded in it, first policy", today.Play(firstPolicy).Overloaded.Seconds(), "s")
	run.Report("overloaded, with yesterday's readings", played.Overloaded.Seconds(), "s")
	if played.Overloaded > mostOverloaded {
		return &lab.Failure{
			Expected: fmt.Sprintf("replicas that are overloaded for at most %v, when yesterday had the same rush", mostOverloaded),
			Seen:     fmt.Sprintf("%v; without a prediction it is %v", played.Overloaded, reacting.Overloaded), Look: look,
		}
	}
	if times := played.InstanceHours / reacting.InstanceHours; times > mostAheadCost {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %.1f times the instance-hours of the policy alone", mostAheadCost), Seen: fmt.Sprintf("%.1f times", times),
			Look: lookAhead("how long before the rise must the replicas run?"),
		}
	}
	return l.neverFewer(readings)
}

// ahead returns the learner's policy with those readings of yesterday.
func (l *trial) ahead(yesterday []autoscale.Reading, startTime time.Duration, look lab.Look) (policy autoscale.Policy, err error) {
	defer rescue(&err, look)
	return l.subject.Ahead(l.subject.Policy, copied(yesterday), startTime), nil
}

// neverFewer compares the prediction with the policy alone on random histories, with yesterday's
// readings and without.
func (l *trial) neverFewer(readings []autoscale.Reading) error {
	look := lookAhead("what if today is busier than yesterday, or yesterday has no readings?")
	for _, yesterday := range [][]autoscale.Reading{readings, nil} {
		ahead, err := l.ahead(yesterday, 2*time.Minute, look)
		if err != nil {
			return err
		}
		random := rand.New(rand.NewPCG(19, 3))
		for range aheadQuestions {
			q := odd(random)
			alone, err := ask(l.subject.Policy, q, look)
			if err != nil {
				return err
			}
			got, err := ask(ahead, q, look)
			if err != nil {
				return err
			}
			if got < alone || got > max(alone, most) || yesterday == nil && got != alone {
				return &lab.Failure{
					Expected: fmt.Sprintf("at least the %d replicas of Desired, at most 10, and exactly as many without readings of yesterday", alone),
					Seen:     fmt.Sprintf("%d, with %d readings of yesterday", got, len(yesterday)), Look: look,
				}
			}
		}
	}
	return nil
}
