// Package spec has the checks and the gain of lab 05. An order must not wait for its effects. Each
// effect must come once, also when a worker, the relay or the broker fails.
package spec

import (
	"io/fs"
	"time"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's name.
const Name = "05-queue"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files fs.FS // where TODO marks are looked for
	// Package and Args start the service. With the option --role they start its relay, its
	// workers and its replay.
	Package string
	Args    []string
	// Apply puts the subject's part into a service, as Package does. The checks without servers
	// call its parts in their own process.
	Apply func(*service.Composition)
}

// latencyFloor is the least gain in the latency of placing an order in a rush.
const latencyFloor = 5

// The names of the checks that other checks need.
const (
	doesNotWait  = "does not wait"
	newConsumer  = "new consumer"
	effects      = "effects"
	workerKilled = "worker killed"
	brokerDown   = "broker down"
	// Quick checks, which need no server.
	queuesKept     = "queues"
	orderAndEvents = "order and events"
	confirmed      = "confirms"
	acknowledged   = "acknowledgements"
	handlersOnce   = "handlers"
	mailClaimed    = "mail claim"
	retried        = "retries"
)

// Lab returns the lab's demands on a subject.
//
// The steps of the lesson are:
//
//  1. Checkout.PlaceOrder and Payments.Receive in publisher.go
//  2. Declare in topology.go
//  3. NewPublisher in publisher.go
//  4. Serve and Consumers in consumers.go
//  5. the handlers in consumers.go
//  6. worker.failed in consumers.go
//
// A check judges one step. It accepts the starter's code of all others, or it needs checks of those
// steps and is then not reached. The checks on real servers of later steps need the two checks that
// show a queue. In "does not wait" workers do the effects, and not replicas. In "new consumer" the
// events of each order pass the broker.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject, crowd: smallCrowd()}
	byQueue := []string{doesNotWait, newConsumer}
	after := func(check string) []string { return append([]string{check}, byQueue...) }
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: l.stages(),
		Checks: []lab.Check{
			// These need no server, so a learner has their verdict within seconds.
			{Name: orderAndEvents, Kind: lab.Core, Step: 1, Run: l.toldWithTheOrder,
				Proves: "an order and its events are stored in one transaction, or neither is, whatever fails"},
			{Name: "payment and event", Kind: lab.Core, Step: 1, Run: l.toldWithThePayment,
				Proves: "a payment and its event are stored in one transaction, or neither is"},
			{Name: queuesKept, Kind: lab.Core, Step: 2, Run: l.declares,
				Proves: "each event gets to the queues of its topic and to the log, and dead letters to parked queues, also after the broker has restarted"},
			{Name: confirmed, Kind: lab.Core, Step: 3, Run: l.publishes,
				Proves: "the relay deletes only events that the broker has stored, and sends a whole batch before it waits"},
			{Name: acknowledged, Kind: lab.Core, Step: 4, Run: l.acknowledges,
				Proves: "a worker acknowledges a message when its work is done or the broker has confirmed it elsewhere, and holds no more than its prefetch"},
			{Name: "told to stop", Kind: lab.Core, Step: 4, Run: l.stops,
				Proves: "a worker that is told to stop finishes and acknowledges the messages that it holds, and loses none"},
			{Name: handlersOnce, Kind: lab.Core, Step: 5, Run: l.handlesOnce,
				Proves: "a handler does its work and notes it in one transaction, once, when an event comes again or to two workers at once"},
			{Name: mailClaimed, Kind: lab.Core, Step: 5, Run: l.mailsOnce,
				Proves: "one worker at a time sends a mail, under a claim that outlasts a slow mail server"},
			{Name: retried, Kind: lab.Core, Step: 6, Needs: []string{queuesKept, acknowledged}, Run: l.retries,
				Proves: "a message that fails waits longer each time and is parked after five tries; a busy server does not count"},
			{Name: "mail server away", Kind: lab.Core, Step: 6, Needs: []string{queuesKept, acknowledged}, Run: l.mailServerAway,
				Proves: "a mail waits for as long as the mail server is away, and is parked when the mail server refuses it for good"},
			{Name: "whole log", Kind: lab.Stretch, Step: 6, Run: l.replaysTheLog,
				Proves: "a replay handles each event of its queue's topic once, to the one that was last when it began"},

			{Name: "contract", Kind: lab.Core, Step: 1, Whole: true, Needs: []string{jobsStage}, Run: l.contract,
				Proves: "the service still keeps every promise of its API"},
			{Name: doesNotWait, Kind: lab.Core, Step: 1, Needs: []string{peopleStage, jobsStage}, Run: l.doesNotWait,
				Proves: "an order is answered before the mail server accepts its mail, and workers do what follows, not replicas"},
			{Name: newConsumer, Kind: lab.Core, Step: 1, Needs: []string{peopleStage, jobsStage}, Run: l.newConsumer,
				Proves: "a new queue that the publisher does not know gets the events of every order, whichever server the order is on"},
			{Name: "outbox fails", Kind: lab.Core, Step: 1, Needs: []string{doesNotWait}, Run: l.outboxFails,
				Proves: "without its event no order and no payment is stored or accepted, also when a replica is killed between"},
			{Name: "payments", Kind: lab.Core, Step: 1, Needs: []string{peopleStage, jobsStage}, Run: l.payments,
				Proves: "a payment whose webhook comes ten times, one after another or at once, is applied once"},
			{Name: brokerDown, Kind: lab.Core, Step: 1, Whole: true, Needs: byQueue, Run: l.brokerDown,
				Proves: "while the broker is down orders are accepted, and all their effects come when it is back"},
			{Name: "lost on the way", Kind: lab.Core, Step: 3, Needs: byQueue, Run: l.lostOnTheWay,
				Proves: "the relay sends an event again when the broker did not get it"},
			{Name: workerKilled, Kind: lab.Core, Step: 4, Needs: byQueue, Run: l.workerKilled,
				Proves: "messages that a worker had when it was killed are delivered again, and their effects are done"},
			{Name: effects, Kind: lab.Core, Step: 5, Whole: true, Needs: byQueue, Run: l.effects,
				Proves: "each order gets exactly one mail, one booking in the suppliers' ledger, and a week planned after it"},
			{Name: "duplicates", Kind: lab.Core, Step: 5, Needs: byQueue, Run: l.duplicates,
				Proves: "two workers get each event twice at once, and a third time later, and no effect is done twice"},
			// Replay comes before "poison", whose unreadable messages are in the stream ever after.
			{Name: "replay", Kind: lab.Stretch, Step: 6, Whole: true, Needs: []string{effects}, Run: l.replay,
				Proves: "lost ledger entries come back from the stream, once, and no other effect is done again"},
			{Name: "poison", Kind: lab.Core, Step: 6, Needs: append([]string{queuesKept, acknowledged, handlersOnce}, byQueue...), Run: l.poison,
				Proves: "a message that cannot be read or always fails is parked after some tries, and delays no other message"},
			{Name: "mail begun", Kind: lab.Core, Step: 6, Whole: true, Needs: []string{workerKilled, handlersOnce, mailClaimed, retried}, Run: l.mailBegun,
				Proves: "the effects that a worker had begun when it was killed are done once, and its mails are sent by another worker"},
			{Name: "broker killed", Kind: lab.Core, Step: 6, Whole: true, Needs: []string{orderAndEvents, confirmed, handlersOnce, mailClaimed, retried, brokerDown}, Run: l.brokerKilled,
				Proves: "no effect is lost and none is doubled of orders whose events were on their way when the broker was killed"},
			{Name: "unroutable", Kind: lab.Stretch, Step: 3, Whole: true, Needs: byQueue, Run: l.unroutable,
				Proves: "an event that no queue takes stays in the outbox, is counted in the metrics, and arrives when a queue is bound"},
			// It judges a count. Timed, because the rates that it reports need the machine.
			{Name: "two workers", Kind: lab.Stretch, Step: 6, Whole: true, Needs: byQueue, Timed: true, Run: l.twoWorkers,
				Proves: "two workers share a backlog: each makes at least a quarter of its plans"},
		},
		Gains: []lab.Gain{
			{Name: "placement latency", Unit: "ms", Floor: latencyFloor, Needs: after(withoutStage), Timed: true, Measure: l.rush,
				Proves: "mean latency of placing an order in a rush that the service of lab 04 cannot keep up with"},
		},
		Starter: []string{
			orderAndEvents, "payment and event", queuesKept, confirmed, acknowledged, "told to stop", handlersOnce, mailClaimed,
			"outbox fails", brokerDown, workerKilled, "duplicates", "unroutable",
		},
		Next: "go tool workshop list",
	}
}

// Full returns the long run: ten thousand orders, while workers and the broker are killed.
func Full(subject Subject) lab.Lab {
	l := &trial{subject: subject, crowd: largeCrowd()}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: l.stages(),
		Checks: []lab.Check{
			{Name: "ten thousand orders", Kind: lab.Core, Step: 1, Needs: []string{peopleStage, jobsStage}, Timeout: 30 * time.Minute, Run: l.tenThousand,
				Proves: "of 10,000 orders, placed while workers and the broker are killed, no effect is lost and none is doubled"},
			{Name: "publish rate", Kind: lab.Core, Step: 1, Needs: []string{peopleStage, jobsStage}, Timeout: 10 * time.Minute, Run: l.publishRate,
				Proves: "a backlog of events is published without loss; its rate is reported beside that of a bare loop with confirms"},
		},
	}
}
