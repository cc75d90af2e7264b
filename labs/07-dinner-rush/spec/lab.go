// Package spec has the checks and the gain of lab 07. The checks of steps 1 to 5 call the learner's
// calculations and read the plan. Those of step 6 play the dinner rush with the plan on real servers.
package spec

import (
	"io/fs"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/measure/usl"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab's folder.
const Name = "07-dinner-rush"

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files    fs.FS // TODO marks are looked for in them
	Plan     []byte
	Capacity Capacity
	Below    below.Labs // what the rush runs on
}

// Capacity are the functions of capacity.go.
type Capacity struct {
	InFlight    func(rates []float64, mean time.Duration) float64
	Connections func(rates []float64, held time.Duration, replicas int) int
	Replicas    func(curve usl.Curve, rate float64) (int, error)
	Fleet       func(curve usl.Curve, rate float64) (int, error)
	Workers     func(arrivals, perWorker float64, outage, within time.Duration) int
	Memory      func(entries []plan.Entries) int
	Bill        func(items []plan.Item) float64
	PerMillion  func(dollars float64, requests int) float64
}

// What the lesson states. The checks have numbers of their own, because learners edit theirs.
const (
	targetUtilisation   = 0.60
	degradedUtilisation = 0.85
	mostReplicas        = 100
	memoryReserve       = 0.25
	bytesPerMiB         = 1 << 20

	// fewestOfAKind is the least number of replicas, and of workers: one of them is killed.
	fewestOfAKind = 2
	// cacheShare is the share of its machine's memory that Redis' maxmemory may have.
	cacheShare = 0.75

	// evening is the time from 4 to 7 PM, in story time.
	evening = 3 * time.Hour
	// ceilingDollars is the most that an evening may cost with the largest number of replicas that
	// the plan allows. The largest of everything costs more than five times as much.
	ceilingDollars = 0.75
)

// workingSet returns what Redis holds on a busy evening. The bytes are those that MEMORY USAGE says.
func workingSet() []plan.Entries {
	return []plan.Entries{
		{Name: "sessions", Count: 50_000, Bytes: 392},
		{Name: "meals", Count: 500, Bytes: 1_096},
		{Name: "ratings", Count: 500, Bytes: 120},
		{Name: "pages", Count: 500, Bytes: 280},
	}
}

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		Checks: append([]lab.Check{
			{Name: "in flight", Kind: lab.Core, Step: 1, Run: l.inFlight,
				Proves: "the requests in flight are those of the busiest time"},
			{Name: "connections", Kind: lab.Core, Step: 1, Run: l.connections,
				Proves: "each replica has the connections that it needs, and few more"},

			{Name: "replicas", Kind: lab.Core, Step: 2, Run: l.replicas,
				Proves: "the fleet is the smallest whose curve carries the rate"},
			{Name: "no fleet", Kind: lab.Core, Step: 2, Run: l.noFleet,
				Proves: "a rate above the peak of the curve is an error"},

			{Name: "spare", Kind: lab.Core, Step: 3, Run: l.spare,
				Proves: "the fleet keeps its target, and one replica may die at the peak"},
			{Name: "plan", Kind: lab.Core, Step: 3, Run: l.parses,
				Proves: "plan.yaml has no mistakes"},
			{Name: "two of a kind", Kind: lab.Core, Step: 3, Needs: []string{"plan"}, Run: l.twoOfAKind,
				Proves: "the plan has two replicas and two workers at any time"},

			{Name: "drain", Kind: lab.Core, Step: 4, Run: l.drain,
				Proves: "the workers drain the backlog of an outage while orders keep coming"},
			{Name: "memory", Kind: lab.Core, Step: 4, Run: l.memory,
				Proves: "the memory holds all entries and a reserve"},
			{Name: "working set", Kind: lab.Core, Step: 4, Needs: []string{"plan"}, Run: l.workingSet,
				Proves: "the cache of the plan holds the working set, and its machine has room beside it"},

			{Name: "bill", Kind: lab.Core, Step: 5, Run: l.bill,
				Proves: "the bill is the price of each server times the hours that it ran"},
			{Name: "cost per million", Kind: lab.Core, Step: 5, Run: l.perMillion,
				Proves: "the cost of a million requests follows from the bill"},

			{Name: "ceiling", Kind: lab.Core, Step: 6, Needs: []string{"plan"}, Run: l.ceiling,
				Proves: "the evening costs less than the ceiling, whatever the policy does"},
		}, l.liveChecks()...),
		Gains:   l.liveGains(),
		Starter: []string{"in flight", "connections", "replicas", "no fleet", "spare", "drain", "memory", "bill", "cost per million", "ceiling"},
		Next:    "go tool workshop check 07 --mine   (the rush on your own labs)",
	}
}

// trial is one run of the lab.
type trial struct {
	subject Subject
	live    live
}
