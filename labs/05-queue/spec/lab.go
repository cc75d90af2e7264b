// Package spec is what lab 05 demands: orders that wait for nobody, and effects that come all
// the same, once, whatever dies between the order and them.
package spec

import (
	"io/fs"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's.
const Name = "05-queue"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files fs.FS // where TODO marks are looked for
	// Package and Args start the service. With a role behind them they start its relay, its
	// workers and its replay.
	Package string
	Args    []string
}

// rushFloor is the least gain in the latency of placing an order in a rush.
const rushFloor = 5

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject, crowd: smallCrowd()}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers and your service", Start: l.prepare}},
		Checks: []lab.Check{
			{Name: "contract", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.contract,
				Proves: "the service still keeps every promise of its API"},
			{Name: "does not wait", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.doesNotWait,
				Proves: "whoever orders has the answer before the mail server has the mail, and no replica does what can be done later"},
			{Name: "effects", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.effects,
				Proves: "each order gets exactly one mail, one booking in the suppliers' ledger, and a week planned after it"},
			{Name: "new consumer", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.newConsumer,
				Proves: "whoever binds a queue of their own hears of every order, on whichever server it is, and the publisher knows nothing of them"},
			{Name: "payments", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.payments,
				Proves: "a payment's webhook that comes ten times, one after another or at once, is applied once"},
			{Name: "replay", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.replay,
				Proves: "ledger entries that were lost come back from the stream, once, and nothing else is done again"},
			{Name: "lost on the way", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.lostOnTheWay,
				Proves: "what the relay has sent and the broker never got is sent again"},
			{Name: "broker down", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.brokerDown,
				Proves: "the broker is killed in the middle of a load: orders are accepted all the while, and all effects come when it is back"},
			{Name: "worker killed", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.workerKilled,
				Proves: "what a worker had in hand when it was killed is delivered again, and done once"},
			{Name: "duplicates", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.duplicates,
				Proves: "every event comes twice at once and a third time later, to two workers, and nothing is done twice"},
			{Name: "poison", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.poison,
				Proves: "a message that cannot be read or always fails is parked after some tries, and all others flow meanwhile"},
			{Name: "mail begun", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.mailBegun,
				Proves: "a mail that a worker had begun when it was killed is sent by another"},
			{Name: "unroutable", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.unroutable,
				Proves: "an event that no queue wants stays in the outbox, is seen in the metrics, and arrives when a queue is bound"},
			{Name: "two workers", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Timed: true, Run: l.twoWorkers,
				Proves: "two workers drain a backlog at least 1.4 times as fast as one"},
		},
		Gains: []lab.Gain{
			{Name: "placement latency", Unit: "ms", Floor: rushFloor, Needs: []string{"servers"}, Timed: true, Measure: l.rush,
				Proves: "mean latency of placing an order in a rush of orders that is too much for the service of the labs before"},
		},
		Starter: []string{
			"does not wait", "new consumer", "payments", "replay", "lost on the way", "broker down", "worker killed", "duplicates", "poison",
			"mail begun", "unroutable", "two workers", "placement latency",
		},
		Next: "go tool workshop list",
	}
}
