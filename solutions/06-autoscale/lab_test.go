package scaling_test

import (
	"testing"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/answer"
	"bytebites.example/workshop/labs/06-autoscale/spec"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	scaling "bytebites.example/workshop/solutions/06-autoscale"
	"bytebites.example/workshop/solutions/06-autoscale/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files: scaling.Files(), Answers: scaling.Answers(), Policy: scaling.Desired, Workers: scaling.Workers,
		Bill: scaling.InstanceHours, Steps: scaling.StepScaling, Ahead: scaling.Ahead,
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

// but returns the lab on the solution with one part changed.
func but(change func(*spec.Subject)) lab.Lab {
	s := solution()
	change(&s)
	return spec.Lab(s)
}

// policy returns the lab on the solution with a policy that has one other rule.
func policy(change func(*wrong.Rules)) lab.Lab {
	return but(func(s *spec.Subject) { s.Policy = wrong.But(change) })
}

// workers is policy for a worker policy.
func workers(change func(*wrong.WorkerRules)) lab.Lab {
	return but(func(s *spec.Subject) { s.Workers = wrong.WorkersBut(change) })
}

// billed returns the lab on the solution with another bill.
func billed(bill func([]autoscale.Change, time.Time, time.Time) float64) lab.Lab {
	return but(func(s *spec.Subject) { s.Bill = bill })
}

func TestAnswers(t *testing.T) {
	labtest.Answers(t, lab.Answers{
		Wrong: []lab.Wrong{
			// The starter's code of each step, in the solution.
			{Name: "unanswered", Flaw: 1, Check: "trace", Lab: but(func(s *spec.Subject) { s.Answers = answer.Sheet{} }),
				Why: "the trace is not read yet"},
			{Name: "one-at-a-time", Flaw: 2, Check: "target", Also: []string{"bounds"},
				Why: "one more is a careful answer to a busy fleet, and the next reading can add another",
				Lab: policy(func(r *wrong.Rules) {
					r.Recommend = wrong.OneAtATime
					r.Bound = func(n int) int { return n }
					r.Begin = func(running int) int { return running }
				})},
			{Name: "acts-at-once", Flaw: 3, Check: "spike", Also: []string{"sustained breach", "long calm", "interrupted calm", "highest of the window", "lowest of the window", "sawtooth", "noise", "gaps"},
				Why: "the last reading is the newest, and a fast policy seems to be a good one",
				Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.AtOnce })},
			{Name: "mean-of-all", Flaw: 4, Check: "starting replicas", Also: []string{"cooldown", "missing metrics", "all down"},
				Why: "the mean of all replicas is the figure that every dashboard shows",
				Lab: policy(func(r *wrong.Rules) { r.Load, r.Cooling = wrong.OfAll, wrong.Never })},
			{Name: "absolute-backlog", Flaw: 5, Check: "backlog", Also: []string{"worker patience"},
				Why: "an alert on 500 messages is there already, so its threshold is at hand",
				Lab: but(func(s *spec.Subject) { s.Workers = wrong.AbsoluteBacklog })},
			{Name: "mean-of-sizes", Flaw: 6, Check: "bill", Lab: billed(wrong.MeanOfSizes),
				Why: "the mean size times the hours is the bill, if the mean is over time"},

			{Name: "counts-running", Check: "trace", Lab: but(func(s *spec.Subject) { s.Answers.Changes = 60 }),
				Why: "the trace has sixty rows with a decision"},
			{Name: "needed-rounded-down", Check: "trace", Lab: but(func(s *spec.Subject) { s.Answers.Needed = 3 }),
				Why: "3.45 is nearly 3"},
			{Name: "load-is-the-cause", Check: "trace", Lab: but(func(s *spec.Subject) { s.Answers.Cause = answer.Load }),
				Why: "a busy reading looks like more load"},
			{Name: "most-within-bounds", Check: "trace", Lab: but(func(s *spec.Subject) { s.Answers.Most = 10 }),
				Why: "the story says that there are at most ten"},

			{Name: "rounded-down", Check: "target", Also: []string{"cooldown", "starting replicas", "highest of the window", "lowest of the window", "missing metrics"}, Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.RoundedDown }),
				Why: "whole numbers in Go are rounded down, and one replica fewer saves money"},
			{Name: "no-tolerance", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.NoTolerance }),
				Why: "above the target is above the target"},
			{Name: "no-dead-band", Check: "target", Also: []string{"spike", "sustained breach", "long calm", "interrupted calm", "starting replicas", "missing metrics"}, Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.NoDeadBand }),
				Why: "a fleet at 45 % is too large for a target of 60 %"},
			{Name: "low-is-calm", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.LowIsCalm }),
				Why: "a comparison with or without equality makes no difference to a measured share"},
			{Name: "running-as-factor", Check: "target", Also: []string{"starting replicas"}, Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.RunningAsFactor }),
				Why: "current is the number of replicas that run, says the formula"},
			{Name: "calm-asks-for-more", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.CalmAsksForMore }),
				Why: "the formula is right when the load is low"},
			{Name: "wide-tolerance", Check: "target", Also: []string{"lowest of the window"}, Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.WideTolerance }),
				Why: "a tolerance of 0.10 looks like ten points of utilisation"},
			{Name: "median", Check: "target", Also: []string{"missing metrics"}, Lab: policy(func(r *wrong.Rules) { r.Load = wrong.Median }),
				Why: "one replica that hangs should not decide for all"},
			{Name: "breach-adds-one", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.OneMore }),
				Why: "a breach needs more replicas, or it would be no breach"},
			{Name: "no-clamp", Check: "bounds", Lab: policy(func(r *wrong.Rules) { r.Bound = func(n int) int { return n } }),
				Why: "the formula knows how many are needed"},
			{Name: "no-maximum", Check: "bounds", Lab: policy(func(r *wrong.Rules) { r.Bound = func(n int) int { return max(3, n) } }),
				Why: "a fleet must be large enough for whatever comes, and the bill comes later"},
			{Name: "begins-with-three", Check: "bounds", Lab: policy(func(r *wrong.Rules) { r.Begin = func(running int) int { return running } }),
				Why: "the minimum is a modest beginning"},
			{Name: "five-after-restart", Check: "bounds", Lab: policy(func(r *wrong.Rules) { r.Begin = func(int) int { return 5 } }),
				Why: "five is the number for a policy without a history"},
			{Name: "five-at-least", Check: "bounds", Lab: policy(func(r *wrong.Rules) { r.Begin = func(running int) int { return max(5, running) } }),
				Why: "without a history it is safe to begin with five"},
			{Name: "five-when-none-runs", Check: "bounds", Lab: but(func(s *spec.Subject) { s.Policy = wrong.FiveWhenNoneRuns }),
				Why: "five is the number to begin with, and a fleet without a replica begins again"},
			{Name: "remembers", Check: "pure", Also: []string{"target", "bounds", "sustained breach", "highest of the window", "lowest of the window", "gaps", "cooldown", "missing metrics", "long calm", "starting replicas"}, Lab: but(func(s *spec.Subject) { s.Policy = wrong.Remembers() }),
				Why: "a counter of breaches is easier than a window, and works as long as one process lives"},
			{Name: "shared-buffer", Check: "pure", Lab: but(func(s *spec.Subject) { s.Policy = wrong.SharedBuffer() }),
				Why: "a buffer that is kept saves an allocation in each call, and a lock makes it safe"},
			{Name: "tidies-the-history", Check: "pure", Lab: but(func(s *spec.Subject) { s.Policy = wrong.Tidies }),
				Why: "replicas that are not ready are of no use in the history"},
			{Name: "machine-clock-in-load", Check: "pure", Also: []string{"starting replicas"}, Lab: policy(func(r *wrong.Rules) { r.Load = wrong.SinceReady }),
				Why: "time.Since is the usual way to ask how long ago something was"},
			{Name: "machine-clock-in-cooldown", Check: "pure", Also: []string{"cooldown"}, Lab: policy(func(r *wrong.Rules) { r.Cooling = wrong.SinceChange }),
				Why: "time.Since is the usual way to ask how long ago something was"},

			{Name: "mean-of-window", Check: "spike", Also: []string{"sustained breach", "long calm", "interrupted calm", "highest of the window", "lowest of the window", "sawtooth"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.MeanOfWindow }),
				Why: "a mean over five minutes smooths short spikes"},
			{Name: "in-at-once", Check: "interrupted calm", Also: []string{"long calm", "highest of the window", "sawtooth", "gaps"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.InAtOnce }),
				Why: "each minute of an idle replica costs money"},
			{Name: "same-window", Check: "long calm", Also: []string{"interrupted calm", "highest of the window"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.Windows(5*time.Minute, 5*time.Minute) }),
				Why: "one window is simpler than two"},
			{Name: "short-window", Check: "sustained breach", Also: []string{"spike", "sawtooth", "gaps", "lowest of the window"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.Windows(2*time.Minute, 10*time.Minute) }),
				Why: "dinner does not wait for five minutes"},
			{Name: "half-an-hour", Check: "long calm", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.Windows(5*time.Minute, 30*time.Minute) }),
				Why: "it is safe to keep what may be needed again"},
			{Name: "all-but-one", Check: "spike", Also: []string{"interrupted calm", "sustained breach", "long calm", "highest of the window"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.AllButOne }),
				Why: "one reading may be wrong, and ten others agree"},
			{Name: "last-of-window", Check: "highest of the window", Also: []string{"lowest of the window"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.LastOfWindow }),
				Why: "the last reading knows best what is needed now"},
			{Name: "highest-on-the-way-out", Check: "lowest of the window", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.HighestOut }),
				Why: "a replica too few costs orders, so the busiest reading counts in both directions"},
			{Name: "one-by-one", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.OneByOne }),
				Why: "the window makes the policy patient, and one replica at a time is careful"},
			{Name: "one-by-one-in", Check: "target", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.OneByOneIn }),
				Why: "replicas are added fast and removed gradually, says the documentation of target tracking"},
			{Name: "mean-of-calm", Check: "highest of the window", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.MeanOfCalm }),
				Why: "the window is calm all the time, and its mean is fair"},
			{Name: "counts-readings", Check: "gaps", Also: []string{"sustained breach", "long calm"}, Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.ByCount }),
				Why: "ten readings at every thirty seconds are five minutes"},
			{Name: "believes-gaps", Check: "gaps", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.Uncovered }),
				Why: "all readings in the window agree, however few there are"},
			{Name: "from-the-last-reading", Check: "gaps", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.ByTheHistory }),
				Why: "the history has all times that a policy needs, so now is of no use"},

			{Name: "no-reading-late", Check: "gaps", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.NoReadingLate }),
				Why: "a window with a hole in it proves nothing"},
			{Name: "future-blocks", Check: "gaps", Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.FutureBlocks }),
				Why: "a history with readings of the future proves nothing"},

			{Name: "no-cooldown", Check: "cooldown", Lab: policy(func(r *wrong.Rules) { r.Cooling = wrong.Never }),
				Why: "the windows already make the policy slow"},
			{Name: "cooldown-after-out", Check: "cooldown", Lab: policy(func(r *wrong.Rules) { r.Cooling = wrong.AfterOut }),
				Why: "only a new replica needs time to show its effect"},
			{Name: "short-cooldown", Check: "cooldown", Lab: policy(func(r *wrong.Rules) { r.Cooling = wrong.OneMinute }),
				Why: "a minute seems long enough for a replica to start"},
			{Name: "long-after-in", Check: "cooldown", Lab: policy(func(r *wrong.Rules) { r.Cooling = wrong.LongAfterIn }),
				Why: "replicas that were just removed should not come back at once"},
			{Name: "cooldown-by-reading", Check: "cooldown", Lab: but(func(s *spec.Subject) { s.Policy = wrong.CooldownByReading }),
				Why: "the effect of a change is seen in the readings, so their time counts"},
			{Name: "starting-is-idle", Check: "starting replicas", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.StartingAsIdle }),
				Why: "a replica that runs is paid for, so it counts"},
			{Name: "starting-serves", Check: "starting replicas", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.AllServe }),
				Why: "current is the number of replicas that run, says the formula"},
			{Name: "fresh-left-out", Check: "starting replicas", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.FreshLeftOut }),
				Why: "a replica that just started says nothing about the load"},
			{Name: "long-warm-up", Check: "starting replicas", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.LongWarmUp }),
				Why: "a minute is over when more than a minute has passed"},
			{Name: "no-warm-up", Check: "starting replicas", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.FreshCounts }),
				Why: "a replica that is ready serves, so its utilisation is real"},
			{Name: "busy-asks-for-fewer", Check: "target", Also: []string{"starting replicas"}, Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.BusyAsksForFewer }),
				Why: "the formula is right whatever the direction"},
			{Name: "missing-as-idle", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.SilentAsIdle }),
				Why: "the field is 0 when there is no measurement"},
			{Name: "missing-left-out", Check: "missing metrics", Also: []string{"starting replicas"}, Lab: policy(func(r *wrong.Rules) { r.Load = wrong.MeasuredOnly }),
				Why: "the mean of those that were measured is the best guess for the others"},
			{Name: "missing-blocks", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.SilentBlocks }),
				Why: "without all metrics it is safest to do nothing"},
			{Name: "missing-as-busy", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.SilentAsBusy }),
				Why: "it is safest to expect the worst of a replica that does not answer"},
			{Name: "missing-do-not-serve", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.SilentDoNotServe }),
				Why: "the formula multiplies the replicas that a measurement is known of"},
			{Name: "old-value-counts", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.OldValueCounts }),
				Why: "the last known utilisation is better than none"},
			{Name: "zero-is-missing", Check: "missing metrics", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.ZeroIsMissing }),
				Why: "a replica that serves is never at exactly 0 %"},
			{Name: "all-down-is-idle", Check: "all down", Lab: policy(func(r *wrong.Rules) { r.Load = wrong.DownIsIdle }),
				Why: "no replica takes a request, so none is needed"},

			{Name: "absolute-in-windows", Check: "backlog", Lab: workers(func(r *wrong.WorkerRules) { r.Needed = wrong.AbsoluteInWindows }),
				Why: "windows cure the flapping, so the threshold can stay"},
			{Name: "workers-rounded-down", Check: "backlog", Also: []string{"worker patience"}, Lab: workers(func(r *wrong.WorkerRules) { r.Needed = wrong.WorkersRoundedDown }),
				Why: "a division of whole numbers is rounded down"},
			{Name: "workers-without-limit", Check: "backlog", Lab: workers(func(r *wrong.WorkerRules) { r.NoBound = true }),
				Why: "a backlog of thousands must go, whatever it costs"},
			{Name: "silent-queue-is-empty", Check: "worker patience", Lab: workers(func(r *wrong.WorkerRules) { r.Needed = wrong.SilentQueueIsEmpty }),
				Why: "the field is 0 when there is no measurement"},
			{Name: "newest-first", Check: "backlog", Also: []string{"worker patience"}, Lab: but(func(s *spec.Subject) { s.Workers = wrong.NewestFirst }),
				Why: "the newest backlog matters most, so it should be the first"},
			{Name: "old-backlog-counts", Check: "worker patience", Lab: workers(func(r *wrong.WorkerRules) { r.Needed = wrong.OldBacklogCounts }),
				Why: "a number above zero was measured at some time"},
			{Name: "silent-asks-for-connected", Check: "worker patience", Lab: workers(func(r *wrong.WorkerRules) { r.Needed = wrong.SilentAsksForConnected }),
				Why: "the workers of the queue are those that run"},
			{Name: "silent-left-out", Check: "worker patience", Lab: but(func(s *spec.Subject) { s.Workers = wrong.SilentLeftOut }),
				Why: "a backlog that was not measured says nothing"},
			{Name: "last-known-backlog", Check: "worker patience", Lab: but(func(s *spec.Subject) { s.Workers = wrong.LastKnownBacklog }),
				Why: "the backlog before is the best guess"},
			{Name: "one-without-history", Check: "worker patience", Lab: but(func(s *spec.Subject) { s.Workers = wrong.OneWithoutHistory }),
				Why: "nothing is known of the queue, so the minimum is enough"},
			{Name: "connected-are-running", Check: "worker patience", Lab: but(func(s *spec.Subject) { s.Workers = wrong.ConnectedAreRunning }),
				Why: "the broker knows best how many workers there are"},
			{Name: "workers-at-once", Check: "worker patience", Lab: workers(func(r *wrong.WorkerRules) { r.Settle = wrong.AtOnce }),
				Why: "a worker starts quickly, so it may come and go"},
			{Name: "workers-without-cooldown", Check: "worker patience", Lab: workers(func(r *wrong.WorkerRules) { r.NoCooldown = true }),
				Why: "the windows already make the policy slow"},

			{Name: "without-last", Check: "bill", Lab: billed(wrong.WithoutLast),
				Why: "each change ends the size before it, and nothing ends the last one"},
			{Name: "since-first-change", Check: "bill", Lab: billed(wrong.SinceFirst),
				Why: "the list begins where the bill begins, as long as one looks at a day alone"},
			{Name: "whole-hours", Check: "bill", Lab: billed(wrong.WholeHours),
				Why: "instances were once billed by the hour that has begun"},
			{Name: "never-zero", Check: "bill", Lab: billed(wrong.NeverZero),
				Why: "there are always three replicas, so a size of zero is a mistake of the list"},
			{Name: "cut-in-place", Check: "bill", Lab: billed(wrong.CutInPlace),
				Why: "the loop is simpler when no change is before the bill"},

			{Name: "same-steps", Check: "steps", Lab: but(func(s *spec.Subject) { s.Steps = wrong.SameSteps }),
				Why: "a table with numbers of replicas is easy to read"},
			{Name: "steps-of-one", Check: "steps", Lab: but(func(s *spec.Subject) { s.Steps = wrong.StepsOfOne }),
				Why: "a step of one replica never overshoots"},
			{Name: "only-yesterday", Check: "yesterday", Lab: but(func(s *spec.Subject) { s.Ahead = wrong.OnlyYesterday }),
				Why: "every dinner is like the one before"},
			{Name: "too-late", Check: "yesterday", Lab: but(func(s *spec.Subject) { s.Ahead = wrong.TooLate }),
				Why: "yesterday at this time the load was like this"},
			{Name: "all-evening", Check: "yesterday", Lab: but(func(s *spec.Subject) { s.Ahead = wrong.AllEvening }),
				Why: "it is safest to be ready hours before"},
		},
		Right: []lab.Right{
			{Name: "per-mille", Checks: []string{"target", "bounds", "pure", "highest of the window", "starting replicas", "missing metrics", "cooldown"},
				Why: "The formula is in whole numbers, and its result is within the bounds.",
				Lab: policy(func(r *wrong.Rules) { r.Recommend = wrong.PerMille })},
			{Name: "streak", Checks: []string{"spike", "sustained breach", "long calm", "interrupted calm", "highest of the window", "lowest of the window", "sawtooth", "noise", "gaps"},
				Why: "It counts back from the last reading, and keeps no window.",
				Lab: policy(func(r *wrong.Rules) { r.Settle = wrong.Streak })},
			{Name: "measured-and-careful", Checks: []string{"target", "starting replicas", "missing metrics", "all down", "cooldown"},
				Why: "The measured replicas stand for all, and no replica is removed while one is silent.",
				Lab: policy(func(r *wrong.Rules) { r.Load = wrong.MeasuredAndCareful })},
			{Name: "like-kubernetes", Checks: []string{"target", "bounds", "pure", "starting replicas", "missing metrics", "all down", "cooldown"},
				Why: "On the way out silent and starting replicas count as idle. On the way in silent ones, and those just ready, count as at the target.",
				Lab: policy(func(r *wrong.Rules) { r.Load = wrong.LikeKubernetes })},
			{Name: "workers-by-float", Checks: []string{"backlog", "worker patience"},
				Why: "The division is in floating point, and the windows are its own.",
				Lab: workers(func(r *wrong.WorkerRules) { r.Settle = wrong.Streak })},
			{Name: "bill-by-steps", Checks: []string{"bill"}, Lab: billed(wrong.BySteps),
				Why: "It adds up the differences between two sizes, each until the end of the bill."},
		},
	})
}
