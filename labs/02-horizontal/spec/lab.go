// Package spec has the checks and the gain of lab 02. Any replica serves any subscriber. A replica may
// die or be replaced without a failed request. Three replicas hold a rush that one cannot.
package spec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"bytebites.example/workshop/labs/02-horizontal/answer"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab's folder.
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
	// Apply gives a composition the same sessions and lifecycle, for checks that call them in
	// this process.
	Apply func(*service.Composition)
}

const (
	// replicas stand behind nginx.
	replicas = 3
	// floor is the least gain in mean latency. At the rate of the rush, the queue of one replica
	// grows until the rush ends. Three replicas have no queue.
	floor = 4
)

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		// Without step 3 one replica gets all requests, so the checks of steps 4 and 5 need "spread".
		// Without step 2 a subscriber is signed in at one replica only, so those that sign in need
		// "any session". A rolling restart loses a few reads without step 4, so it needs "read again".
		Checks: []lab.Check{
			{Name: "stateless", Kind: lab.Core, Step: 1, Run: l.stateless,
				Proves: "you know which part of the service keeps something that a replica must not"},
			{Name: "session store", Kind: lab.Core, Step: 2, Needs: []string{stageDesk}, Run: l.sessionStore,
				Proves: "sessions.go stores, finds and deletes sessions for all replicas, also after one has started again"},
			{Name: "one clock", Kind: lab.Core, Step: 2, Needs: []string{"session store"}, Run: l.oneClock,
				Proves: "the database's clock decides whether a session has expired"},
			{Name: "old sessions", Kind: lab.Core, Step: 2, Needs: []string{"session store"}, Run: l.oldSessions,
				Proves: "sessions that have expired do not pile up, and no sign-in waits for their removal"},
			{Name: "any session", Kind: lab.Core, Step: 2, Needs: []string{stageFleet}, Run: l.anySession,
				Proves: "any replica serves any session, and refuses a session that has ended"},
			{Name: "contract", Kind: lab.Core, Step: 2, Needs: []string{stageFleet}, Run: l.contract,
				Proves: "a replica still keeps every promise of its API about sessions and orders"},
			{Name: "spread", Kind: lab.Core, Step: 3, Needs: []string{stageProxies}, Run: l.spread,
				Proves: fmt.Sprintf("the busiest replica gets at most %g times the requests of the idlest", maxImbalance)},
			{Name: "listed only", Kind: lab.Core, Step: 3, Needs: []string{"spread"}, Run: l.listed,
				Proves: "nginx sends requests to the replicas on the list, and to no other"},
			{Name: "unchanged", Kind: lab.Core, Step: 3, Needs: []string{stageProxies}, Run: l.unchanged,
				Proves: "requests and answers pass through nginx as they are: host, origin, cookies, bodies, errors"},
			{Name: "private pages", Kind: lab.Core, Step: 3, Needs: []string{stageProxies}, Run: l.privatePages,
				Proves: "visitors do not reach the metrics of the replicas"},
			{Name: "client addresses", Kind: lab.Stretch, Step: 3, Needs: []string{stageFleet}, Run: l.clientAddresses,
				Proves: "replicas learn the address of each client, and a client cannot forge it"},
			{Name: "kept connections", Kind: lab.Stretch, Step: 3, Needs: []string{stageFleet}, Run: l.keptConnections,
				Proves: "connections to replicas stay open for the next request"},
			{Name: "read again", Kind: lab.Core, Step: 4, Needs: []string{"listed only"}, Run: l.readAgain,
				Proves: "a read that a dying replica did not answer is answered by another"},
			{Name: "silent machine", Kind: lab.Core, Step: 4, Needs: []string{"listed only"}, Run: l.silentMachine,
				Proves: fmt.Sprintf("a machine that does not answer at all costs no read, within the %s that a client waits", load.DefaultTimeout)},
			{Name: "bounded waits", Kind: lab.Core, Step: 4, Needs: []string{"listed only"}, Run: l.boundedWaits,
				Proves: fmt.Sprintf("nginx waits %s to %s for the answer of a replica, and under %s for a connection", leastReadTimeout, mostReadTimeout, load.DefaultTimeout)},
			{Name: "sent once", Kind: lab.Core, Step: 4, Needs: []string{"listed only"}, Run: l.sentOnce,
				Proves: "nginx does not send a POST again that a replica may have handled"},
			{Name: "replica killed", Kind: lab.Core, Step: 4, Needs: []string{stageFleet, "any session", "spread"}, Run: l.replicaKilled,
				Proves: "a replica that is killed under load costs no failed read and no order, lost or doubled"},
			{Name: "logins survive", Kind: lab.Core, Step: 4, Needs: []string{stageFleet, "any session", "spread"}, Run: l.loginsSurvive,
				Proves: "a subscriber stays signed in when the replica dies that signed them in"},
			{Name: "readiness", Kind: lab.Core, Step: 5, Run: l.readiness,
				Proves: "a replica is ready while its databases answer, and answers many questions at once"},
			{Name: "drain", Kind: lab.Core, Step: 5, Run: l.drain,
				Proves: "a replica that is told to stop says no, serves on until nginx knows, and then finishes"},
			{Name: "rolling restart", Kind: lab.Core, Step: 5, Needs: []string{stageFleet, "any session", "read again"}, Run: l.rollingRestart,
				Proves: "all replicas are restarted under load, one by one, and no request fails"},
			{Name: "not ready", Kind: lab.Core, Step: 5, Needs: []string{stageFleet, "spread"}, Run: l.notReady,
				Proves: "a replica that is about to stop says so, and then gets no request"},
			// It ends the health checks, so it comes after the checks that restart replicas.
			{Name: "slow replica", Kind: lab.Stretch, Step: 3, Needs: []string{stageFleet, "spread"}, Run: l.slowReplica,
				Proves: "a replica that is slow gets fewer requests"},
			{Name: "ledger", Kind: lab.Core, Step: 4, Needs: []string{"replica killed"}, Run: l.ledger,
				Proves: "after all this the books balance: no order lost, doubled or oversold"},
		},
		Gains: []lab.Gain{{
			Name: "rush latency", Unit: "ms", Floor: floor, Needs: []string{stageFleet, stageBefore}, Timed: true, Measure: l.rush,
			Proves: fmt.Sprintf("mean latency in a rush, one %s behind nginx and %d of them", size().Name, replicas),
		}},
		Starter: []string{"stateless", "session store", "any session", "spread", "client addresses", "kept connections", "drain"},
		Next:    "go tool workshop list",
	}
}

// key is the right answer for each part of the service, as lab 01 left it.
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
			"read shared/bytebites/inmem, and restart.txt of lab 00: what did a restart forget?"},
		{"Orders", want.Orders, got.Orders,
			"read shared/bytebites/postgres/orders.go: what is left in the process when an order is placed?"},
		{"Catalogue", want.Catalogue, got.Catalogue,
			"read facets in shared/bytebites/httpapi/storefront.go: where else is the data that it remembers?"},
		{"Recommendations", want.Recommendations, got.Recommendations,
			"read menuCache in shared/bytebites/recommend/menu.go: where else is the data that it remembers?"},
	} {
		if part.got != part.want {
			return &lab.Failure{
				Expected: fmt.Sprintf("for %s, the kind of part that the code shows, and its reason", part.name),
				Seen:     shown(part.got),
				Look:     lab.Look{File: "answers.go", Func: "Answers", Hint: part.look},
			}
		}
	}
	return nil
}

// shown returns an answer as a failure shows it.
func shown(part answer.Part) string {
	if part.Is == answer.Unanswered && part.Because == answer.Unanswered {
		return quoted(answer.Unanswered)
	}
	return fmt.Sprintf("%s, because: %s", quoted(part.Is), quoted(part.Because))
}

func quoted(word answer.Word) string {
	if word == answer.Unanswered {
		return "no answer yet"
	}
	return fmt.Sprintf("%q", word)
}

// contract runs the API's contract about sessions and orders on one replica. The other checks look for
// faults that need several replicas.
func (l *trial) contract(ctx context.Context, _ *lab.Run) error {
	client, err := l.servers.Client(l.fleet.Replicas[0])
	if err != nil {
		return err
	}
	broken := errors.Join(contract.RunSessions(ctx, client.Target), contract.RunOrders(ctx, client.Target))
	return rig.BrokenPromise(broken, lab.Look{File: "sessions.go", Func: "Sessions.Session"})
}

func (l *trial) ledger(ctx context.Context, _ *lab.Run) error {
	if err := rig.Settle(ctx, l.servers.Pool, postgres.NewOrders(l.servers.Pool), rig.OrphanAge); err != nil {
		return err
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, l.servers.Pool); err != nil {
		return fmt.Errorf("the books do not balance, and no file of this lab is at fault; please report it: %w", err)
	}
	return nil
}
