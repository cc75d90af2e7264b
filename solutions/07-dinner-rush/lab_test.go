package rush_test

import (
	"strings"
	"testing"

	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/spec"
	"bytebites.example/workshop/shared/measure/usl"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	wrong02 "bytebites.example/workshop/solutions/02-horizontal/wrong"
	wrong05 "bytebites.example/workshop/solutions/05-queue/wrong"
	rush "bytebites.example/workshop/solutions/07-dinner-rush"
	"bytebites.example/workshop/solutions/07-dinner-rush/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files: rush.Files(), Plan: rush.Plan(), Below: below.Solutions(),
		Capacity: spec.Capacity{
			InFlight: rush.InFlight, Connections: rush.Connections, Replicas: rush.Replicas, Fleet: rush.Fleet,
			Workers: rush.Workers, Memory: rush.Memory, Bill: rush.Bill, PerMillion: rush.PerMillion,
		},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

// but returns the lab on the solution with some calculations changed.
func but(change func(*spec.Capacity)) lab.Lab {
	s := solution()
	change(&s.Capacity)
	return spec.Lab(s)
}

// planned returns the lab on the solution with another text in its plan.
func planned(t *testing.T, old, text string) lab.Lab {
	t.Helper()
	s := solution()
	changed := strings.Replace(string(s.Plan), old, text, 1)
	if changed == string(s.Plan) {
		t.Fatalf("plan.yaml has no %q", old)
	}
	s.Plan = []byte(changed)
	return spec.Lab(s)
}

// onVariant returns the lab on the solution, with a wrong answer of a lab below in the service.
func onVariant(name string) lab.Lab {
	s := solution()
	s.Below.Args = append(s.Below.Args, "--variant", name)
	return spec.Lab(s)
}

const (
	policy    = "type: b1.nano\n  policy: {min: 3, desired: 5, max: 10}"
	twoWorker = "type: b1.micro\n  count: 3"
)

func TestAnswers(t *testing.T) {
	frightened := solution()
	frightened.Plan = wrong.Largest()
	labtest.Answers(t, lab.Answers{
		Wrong: []lab.Wrong{
			// The starter's code of each step, in the solution.
			{Name: "mean-of-the-evening", Flaw: 1, Check: "in flight", Also: []string{"connections"},
				Why: "a dashboard of the evening shows a mean, and the times in milliseconds",
				Lab: but(func(c *spec.Capacity) { c.InFlight, c.Connections = wrong.MeanRate, wrong.AllToEach })},
			{Name: "straight-line", Flaw: 2, Check: "replicas", Also: []string{"no fleet"},
				Why: "one replica carries 20, so five carry 100",
				Lab: but(func(c *spec.Capacity) { c.Replicas, c.Fleet = wrong.Straight, fleetOf(wrong.Straight) })},
			{Name: "just-enough", Flaw: 3, Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.JustEnough }),
				Why: "a replica that is not needed costs money"},
			{Name: "no-arrivals", Flaw: 4, Check: "drain", Also: []string{"memory"},
				Why: "the backlog is the number on the dashboard, and sessions are most of the cache",
				Lab: but(func(c *spec.Capacity) { c.Workers, c.Memory = wrong.NoArrivals, wrong.FirstKind })},
			{Name: "prices-of-an-hour", Flaw: 5, Check: "bill", Also: []string{"cost per million"},
				Why: "the price list is by the hour, and the evening is short",
				Lab: but(func(c *spec.Capacity) { c.Bill, c.PerMillion = wrong.PricesOfAnHour, wrong.OfTheEvening })},
			{Name: "largest-of-everything", Flaw: 6, Check: "ceiling", Lab: spec.Lab(frightened),
				Why: "nothing fails on the largest machines, and the bill comes next month"},

			{Name: "milliseconds", Check: "in flight", Lab: but(func(c *spec.Capacity) { c.InFlight = wrong.Milliseconds }),
				Why: "all times on the dashboard are in milliseconds"},
			{Name: "whole-seconds", Check: "in flight", Lab: but(func(c *spec.Capacity) { c.InFlight = wrong.WholeSeconds }),
				Why: "mean / time.Second looks like a conversion to seconds"},
			{Name: "sorts-the-rates", Check: "in flight", Lab: but(func(c *spec.Capacity) { c.InFlight = wrong.Sorts }),
				Why: "the highest rate is the last one of the sorted rates"},
			{Name: "busy-hour", Check: "in flight", Lab: but(func(c *spec.Capacity) { c.InFlight = wrong.BusyHour }),
				Why: "one slice may be an outlier, and a mean of three is smoother"},
			{Name: "shared-by-all", Check: "connections", Lab: but(func(c *spec.Capacity) { c.Connections = wrong.SharedByAll }),
				Why: "the database sees the connections of all replicas"},
			{Name: "only-the-mean", Check: "connections", Lab: but(func(c *spec.Capacity) { c.Connections = wrong.OnlyTheMean }),
				Why: "Little's law says how many are in use"},
			{Name: "no-connection", Check: "connections", Lab: but(func(c *spec.Capacity) { c.Connections = wrong.NoConnection }),
				Why: "a database without requests needs none"},

			{Name: "amdahl", Check: "replicas", Also: []string{"no fleet", "spare"}, Lab: but(func(c *spec.Capacity) { c.Replicas = wrong.Amdahl }),
				Why: "κ is so small that it looks like nothing"},
			{Name: "stops-before-the-peak", Check: "replicas", Also: []string{"spare"}, Lab: but(func(c *spec.Capacity) { c.Replicas = wrong.StopsBefore }),
				Why: "behind the peak nothing can be found"},
			{Name: "fleet-at-the-peak", Check: "no fleet", Also: []string{"spare"}, Lab: but(func(c *spec.Capacity) { c.Replicas = wrong.AtThePeak }),
				Why: "the best fleet is better than an error"},

			{Name: "one-more", Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.OneMore }),
				Why: "N+1 is the rule for a part that may die"},
			{Name: "only-the-target", Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.OnlyTheTarget }),
				Why: "forty percent are free, so one may die"},
			{Name: "times-the-target", Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.TimesTheTarget }),
				Why: "60 % of the rate looks like a rate at 60 %"},
			{Name: "both-and-one", Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.BothAndOne }),
				Why: "the target with all and the target with one less is the safest of all"},
			{Name: "ignores-the-error", Check: "spare", Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.IgnoresTheError }),
				Why: "the rate was reached when it was calculated the last time"},
			{Name: "one-worker", Check: "two of a kind", Lab: planned(t, twoWorker, "type: b1.small\n  count: 1"),
				Why: "one worker of twice the size does the same work"},
			{Name: "one-at-night", Check: "two of a kind", Lab: planned(t, "{min: 3", "{min: 1"),
				Why: "the policy adds replicas as soon as they are needed"},
			{Name: "typing-error", Check: "plan", Lab: planned(t, "catalogue:", "catalog:"),
				Why: "American and British English differ"},

			{Name: "drain-rounded-down", Check: "drain", Lab: but(func(c *spec.Capacity) { c.Workers = wrong.DrainRoundedDown }),
				Why: "a division to a whole number is rounded down"},
			{Name: "drain-in-whole-seconds", Check: "drain", Lab: but(func(c *spec.Capacity) { c.Workers = wrong.InWholeSeconds }),
				Why: "outage / time.Second looks like a conversion to seconds"},
			{Name: "two-fleets", Check: "drain", Lab: but(func(c *spec.Capacity) { c.Workers = wrong.TwoFleets }),
				Why: "some workers drain the backlog, and others handle what arrives"},
			{Name: "no-reserve", Check: "memory", Lab: but(func(c *spec.Capacity) { c.Memory = wrong.NoReserve }),
				Why: "MEMORY USAGE says how much memory an entry needs"},
			{Name: "memory-rounded-down", Check: "memory", Lab: but(func(c *spec.Capacity) { c.Memory = wrong.RoundedDown }),
				Why: "a conversion to a whole number is rounded down"},
			{Name: "megabytes", Check: "memory", Lab: but(func(c *spec.Capacity) { c.Memory = wrong.Megabytes }),
				Why: "a megabyte is a million bytes, and a little too much memory does no harm"},
			{Name: "small-cache", Check: "working set", Lab: planned(t, "32MiB", "8MiB"),
				Why: "a full cache evicts what is used least"},
			{Name: "whole-machine", Check: "working set", Lab: planned(t, "32MiB", "256MiB"),
				Why: "the memory is paid for"},

			{Name: "whole-hours", Check: "bill", Lab: but(func(c *spec.Capacity) { c.Bill = wrong.WholeHours }),
				Why: "instances were once billed by the hour that has begun"},
			{Name: "whole-dollars", Check: "bill", Lab: but(func(c *spec.Capacity) { c.Bill = wrong.WholeDollars }),
				Why: "the price is a whole number of millionths"},
			{Name: "whole-millions", Check: "cost per million", Lab: but(func(c *spec.Capacity) { c.PerMillion = wrong.WholeMillions }),
				Why: "dollars divided by millions of requests"},
			{Name: "free-without-requests", Check: "cost per million", Lab: but(func(c *spec.Capacity) { c.PerMillion = wrong.FreeWithoutRequests }),
				Why: "a division by zero must be prevented, and 0 is the usual answer"},
			{Name: "large-in-reserve", Check: "ceiling", Lab: planned(t, policy, "type: b1.small\n  policy: {min: 3, desired: 5, max: 10}"),
				Why: "the policy would never start all ten, so their size costs nothing"},

			{Name: "sessions-in-memory", Check: "few failures", Lab: onVariant(wrong02.MemorySessions),
				Why: "a session is a small thing, and a map is the fastest store"},
			{Name: "told-inside-the-request", Check: "effects", Lab: onVariant(wrong05.PublishWithoutOutbox),
				Why: "the broker was never down so far"},
		},
		Right: []lab.Right{
			{Name: "by-poisson", Checks: []string{"connections"}, Lab: but(func(c *spec.Capacity) { c.Connections = wrong.ByPoisson }),
				Why: "It takes a quantile of the Poisson distribution instead of three standard deviations."},
			{Name: "by-formula", Checks: []string{"replicas", "no fleet", "spare"}, Lab: but(func(c *spec.Capacity) { c.Replicas = wrong.ByFormula }),
				Why: "It solves a quadratic equation instead of a search."},
			{Name: "one-loop", Checks: []string{"spare"}, Lab: but(func(c *spec.Capacity) { c.Fleet = wrong.OneLoop }),
				Why: "It asks the curve for both demands at once."},
			{Name: "by-all-messages", Checks: []string{"drain"}, Lab: but(func(c *spec.Capacity) { c.Workers = wrong.ByAllMessages }),
				Why: "It compares numbers of messages instead of rates."},
			{Name: "memory-of-each-kind", Checks: []string{"memory"}, Lab: but(func(c *spec.Capacity) { c.Memory = wrong.EachKind }),
				Why: "It rounds each kind of entry up."},
			{Name: "bill-in-micros", Checks: []string{"bill", "cost per million"},
				Why: "It adds millionths of a dollar, and lets Go divide by zero.",
				Lab: but(func(c *spec.Capacity) { c.Bill, c.PerMillion = wrong.InMicros, wrong.ByQuotient })},
			{Name: "fixed-count", Checks: []string{"plan", "two of a kind", "working set", "ceiling"}, Lab: planned(t, policy, "type: b1.micro\n  count: 4"),
				Why: "It has four replicas of a larger type all evening, and no policy."},
		},
	})
}

// fleetOf is the solution's Fleet over other Replicas.
func fleetOf(replicas func(usl.Curve, float64) (int, error)) func(usl.Curve, float64) (int, error) {
	return func(curve usl.Curve, rate float64) (int, error) {
		all, err := replicas(curve, rate/0.60)
		if err != nil {
			return 0, err
		}
		left, err := replicas(curve, rate/0.85)
		return max(all, left+1), err
	}
}
