// Package spec is what lab 02 demands: replicas of which any serves anybody, one that may
// die or be replaced without a request noticing, and a rush that three of them take in
// their stride.
package spec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"bytebites.example/workshop/labs/02-horizontal/answer"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's.
const Name = "02-horizontal"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files   fs.FS // where TODO marks are looked for
	Answers answer.Sheet
	Nginx   []byte // nginx.conf
	// Package and Args start a service with the subject's sessions and lifecycle.
	Package string
	Args    []string
}

const (
	// replicas stand behind nginx.
	replicas = 3
	// floor is the least gain in mean latency. What three replicas take without a queue,
	// one has a queue for that grows until the rush ends.
	floor = 4
	// maxFailures is the share of requests that may fail in the rush with all replicas.
	maxFailures = 0.01
)

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers and your service", Start: l.prepare}},
		Checks: []lab.Check{
			{Name: "stateless", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.stateless,
				Proves: "you know which part of the service keeps something that a replica must not"},
			{Name: "any session", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.anySession,
				Proves: "any replica serves any session, and none serves one that has ended"},
			{Name: "spread", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.spread,
				Proves: fmt.Sprintf("the busiest replica gets at most %g times what the idlest gets", maxImbalance)},
			{Name: "replica killed", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.replicaKilled,
				Proves: "a replica that is killed under load costs no failed read and no order, lost or doubled"},
			{Name: "logins survive", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.loginsSurvive,
				Proves: "who signed in at a replica that is dead is still signed in"},
			{Name: "sent once", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.sentOnce,
				Proves: "what may have been done already is not sent to another replica"},
			{Name: "rolling restart", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.rollingRestart,
				Proves: "all replicas are restarted under load, one by one, and nothing fails"},
			{Name: "not ready", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.notReady,
				Proves: "a replica that is up but about to stop says so, and gets nothing once it has been asked"},
			{Name: "old sessions", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.oldSessions,
				Proves: "sessions that have expired do not pile up"},
			{Name: "slow replica", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.slowReplica,
				Proves: "a replica that is slow gets less"},
			{Name: "client addresses", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.clientAddresses,
				Proves: "replicas learn where a request came from, and nobody can make them believe otherwise"},
			{Name: "kept connections", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.keptConnections,
				Proves: "connections to replicas stay open for the next request"},
			{Name: "contract", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.contract,
				Proves: "a replica still keeps every promise of its API about sessions and orders"},
			{Name: "ledger", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.ledger,
				Proves: "after all this the books balance: no order lost, doubled or oversold"},
		},
		Gains: []lab.Gain{{
			Name: "rush latency", Unit: "ms", Floor: floor, Needs: []string{"servers"}, Timed: true, Measure: l.rush,
			Proves: fmt.Sprintf("mean latency in a rush, one %s behind nginx and %d of them", size().Name, replicas),
		}},
		Starter: []string{
			"stateless", "any session", "spread", "replica killed", "logins survive", "rolling restart", "not ready",
			"old sessions", "slow replica", "client addresses", "kept connections", "rush latency",
		},
		Next: "go tool workshop list",
	}
}

// key is what the parts of the service are, as lab 01 left it.
func key() answer.Sheet {
	return answer.Sheet{
		Authentication:  answer.Part{Is: answer.Stateful, Because: answer.OnlyHere},
		Orders:          answer.Part{Is: answer.Stateless, Because: answer.OnlyInTheDatabase},
		Catalogue:       answer.Part{Is: answer.Stateless, Because: answer.OnlyACopy},
		Recommendations: answer.Part{Is: answer.Stateless, Because: answer.OnlyACopy},
	}
}

func (l *trial) stateless(context.Context, *lab.Run) error {
	want, got := key(), l.subject.Answers
	for _, part := range []struct {
		name      string
		want, got answer.Part
		look      string
	}{
		{"Authentication", want.Authentication, got.Authentication,
			"shared/bytebites/inmem, and your own answer in lab 00: what did a restart forget?"},
		{"Orders", want.Orders, got.Orders,
			"solutions/01-vertical/checkout.go: what is left in the process when PlaceOrder has returned?"},
		{"Catalogue", want.Catalogue, got.Catalogue,
			"facets in shared/bytebites/httpapi/storefront.go: who else has what it remembers?"},
		{"Recommendations", want.Recommendations, got.Recommendations,
			"menuCache in shared/bytebites/recommend/menu.go: who else has what it remembers?"},
	} {
		if part.got != part.want {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s to say whether that part is stateless, and why", part.name),
				Seen:     fmt.Sprintf("%s, because %s", quoted(part.got.Is), quoted(part.got.Because)),
				Look:     lab.Look{Hint: part.look},
			}
		}
	}
	return nil
}

func quoted(word answer.Word) string {
	if word == answer.Unanswered {
		return "no answer yet"
	}
	return fmt.Sprintf("%q", word)
}

// contract holds one replica against what the API promises of sessions, which the subject
// keeps, and of orders. What only several can break is what the other checks are for.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.fleet.Replicas[0])
	if err != nil {
		return err
	}
	if err := errors.Join(contract.RunSessions(ctx, client.Target), contract.RunOrders(ctx, client.Target)); err != nil {
		return &lab.Failure{Expected: "every promise of the API about sessions and orders to be kept", Seen: err.Error(), Look: lab.Look{Hint: "sessions.go"}}
	}
	return nil
}

func (l *trial) ledger(ctx context.Context, _ *lab.Run) error {
	if err := rig.Settle(ctx, l.servers.Pool, l.servers.Pool, rig.OrphanAge); err != nil {
		return err
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, l.servers.Pool); err != nil {
		return &lab.Failure{Expected: "books that balance", Seen: err.Error(), Look: lab.Look{Hint: "shared/bytebites/checkout: this is not your fault, please report it"}}
	}
	return nil
}
