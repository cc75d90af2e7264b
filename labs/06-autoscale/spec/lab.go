// Package spec has the checks and the gain of lab 06. Some checks give a policy a history, and judge the
// number that it returns. Others let it run a fleet in a simulation with a fake clock. The live checks let it
// scale real replicas behind nginx.
package spec

import (
	"io/fs"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/answer"
	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab's folder.
const Name = "06-autoscale"

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files   fs.FS // TODO marks are looked for in them
	Answers answer.Sheet
	Policy  autoscale.Policy
	Workers autoscale.WorkerPolicy
	// Bill returns the instance-hours of changes from one time until another.
	Bill func(changes []autoscale.Change, from, until time.Time) float64
	// Steps and Ahead are the deep dives: step scaling, and prediction from yesterday's readings.
	Steps autoscale.Policy
	Ahead func(policy autoscale.Policy, yesterday []autoscale.Reading, startTime time.Duration) autoscale.Policy
}

// What the lesson states. The checks have numbers of their own, because learners edit theirs.
const (
	targetUtilisation = 0.60
	lowUtilisation    = 0.30
	breachUtilisation = targetUtilisation * 1.1 // with the tolerance

	fewest, first, most = 3, 5, 10

	outAfter = 5 * time.Minute
	inAfter  = 10 * time.Minute
	cooldown = 5 * time.Minute
	warmUp   = time.Minute

	// perWorker is the acceptable backlog of a worker, in messages.
	perWorker                  = 120
	fewestWorkers, mostWorkers = 1, 8
)

// hoursFloor is the least factor between the instance-hours of ten replicas all day and those of a
// policy. The true factor is more than 2 on simulate.DinnerDay.
const hoursFloor = 1.5

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		Checks: []lab.Check{
			{Name: "trace", Kind: lab.Core, Step: 1, Run: l.trace,
				Proves: "you can read what a policy did, and say what target tracking asks for"},

			{Name: "target", Kind: lab.Core, Step: 2, Run: l.target,
				Proves: "a steady utilisation leads to the number of replicas that the formula gives"},
			{Name: "bounds", Kind: lab.Core, Step: 2, Run: l.bounds,
				Proves: "there are never fewer than 3 or more than 10 replicas, and 5 at the very first"},
			{Name: "pure", Kind: lab.Core, Step: 2, Run: l.pure,
				Proves: "one history has one answer, and no history stops the policy"},

			{Name: "spike", Kind: lab.Core, Step: 3, Run: l.spike,
				Proves: "a spike of four minutes changes nothing"},
			{Name: "sustained breach", Kind: lab.Core, Step: 3, Run: l.sustainedBreach,
				Proves: "a breach of five minutes adds replicas, no sooner and not much later"},
			{Name: "long calm", Kind: lab.Core, Step: 3, Run: l.longCalm,
				Proves: "a calm of ten minutes removes replicas, no sooner and not much later"},
			{Name: "interrupted calm", Kind: lab.Core, Step: 3, Run: l.interruptedCalm,
				Proves: "a busy minute begins the calm anew"},
			// A settle that moves by one replica leaves numbers that these two accept. The check "target"
			// rejects it, so it runs again in step 3.
			{Name: "highest of the window", Kind: lab.Core, Step: 3, Needs: []string{"target"}, Run: l.highestOfWindow,
				Proves: "a calm leaves as many replicas as its busiest reading asked for"},
			{Name: "lowest of the window", Kind: lab.Core, Step: 3, Needs: []string{"target"}, Run: l.lowestOfWindow,
				Proves: "a breach adds as many replicas as its mildest reading asked for"},
			{Name: "sawtooth", Kind: lab.Core, Step: 3, Run: l.sawtooth,
				Proves: "a load that goes up and down every few minutes does not move the fleet"},
			{Name: "noise", Kind: lab.Core, Step: 3, Run: l.noise,
				Proves: "noise around the target does not move the fleet"},
			{Name: "gaps", Kind: lab.Core, Step: 3, Run: l.gaps,
				Proves: "old readings, gaps and a clock that jumps lead to no change, and one late reading is no gap"},

			{Name: "starting replicas", Kind: lab.Core, Step: 4, Run: l.startingReplicas,
				Proves: "replicas that are starting or just ready neither look idle nor count as serving"},
			{Name: "missing metrics", Kind: lab.Core, Step: 4, Run: l.missingMetrics,
				Proves: "a missing measurement never removes a replica, and one alone does not block"},
			{Name: "cooldown", Kind: lab.Core, Step: 4, Run: l.cooldown,
				Proves: "two changes are at least five minutes apart, whatever the load does"},
			{Name: "all down", Kind: lab.Core, Step: 4, Run: l.allDown,
				Proves: "a fleet that nothing is known of keeps its size"},

			// The live run takes 40 seconds. A policy that a quick check rejects does not get there.
			{Name: "replicas follow", Kind: lab.Core, Step: 4, Needs: liveNeeds(), Timed: true, Run: l.replicasFollow,
				Proves: "real replicas follow a load that rises and falls, and keep the service level"},
			{Name: "no request lost", Kind: lab.Core, Step: 4, Needs: liveNeeds(), Timed: true, Run: l.noRequestLost,
				Proves: "no request is lost while real replicas come, die and go"},
			{Name: "replica killed", Kind: lab.Core, Step: 4, Needs: liveNeeds(), Timed: true, Run: l.replicaKilled,
				Proves: "a replica that is killed during a change is replaced, and the number is what the policy says"},

			{Name: "backlog", Kind: lab.Core, Step: 5, Run: l.backlog,
				Proves: "the number of workers follows the backlog of each worker, from 1 to 8"},
			{Name: "worker patience", Kind: lab.Core, Step: 5, Run: l.workerPatience,
				Proves: "workers have the same windows, cooldown and care for missing metrics"},

			{Name: "bill", Kind: lab.Core, Step: 6, Run: l.bill,
				Proves: "the bill is the time of each size, within the time that is billed"},

			{Name: "steps", Kind: lab.Stretch, Step: 6, Run: l.steps,
				Proves: "no step of step scaling lands beyond the other threshold"},
			{Name: "yesterday", Kind: lab.Stretch, Step: 6, Run: l.yesterday,
				Proves: "replicas are there before a dinner that comes as it did yesterday"},
		},
		Gains: []lab.Gain{{
			Name: "instance-hours", Unit: "instance-hours", Floor: hoursFloor, Measure: l.instanceHours,
			Proves: "instance-hours of a day at the same service level, with ten replicas and with your policy",
		}},
		// The starter's policy keeps nothing between two calls, so it passes "pure". It removes one
		// or adds one replica at a time, so "target" fails, and "highest" and "lowest of the window" are
		// not reached.
		Starter: []string{
			"trace", "target", "bounds", "spike", "sustained breach", "long calm", "interrupted calm",
			"sawtooth", "noise", "gaps", "cooldown", "starting replicas", "missing metrics", "all down", "backlog",
			"worker patience", "bill", "steps", "yesterday",
		},
		Next: "go tool workshop list",
	}
}

// trial is one run of the lab on a subject.
type trial struct {
	subject Subject

	// The live run.
	servers   *rig.Servers
	nginx     *testbed.Nginx
	redis     *testbed.Redis
	generator load.Generator // to nginx
	capacity  float64        // of one replica, in requests a second
	played    bool
	seen      liveSeen
	seenErr   error
}

// liveNeeds are the servers, and every quick check of a policy.
func liveNeeds() []string {
	return []string{
		"target", "bounds", "pure", "spike", "sustained breach", "long calm", "interrupted calm", "lowest of the window",
		"highest of the window", "sawtooth", "noise", "gaps", "cooldown", "starting replicas", "missing metrics", "all down", stageServers,
	}
}
