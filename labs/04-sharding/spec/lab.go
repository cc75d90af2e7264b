// Package spec has the checks and gains of lab 04: user data is moved from one server to four
// while subscribers write. No write may be lost, even when the mover is killed on the way.
package spec

import (
	"context"
	"io/fs"
	"slices"

	given "bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's name.
const Name = "04-sharding"

// evidenceFolder is the folder of evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's code, the solution or a wrong answer.
type Subject struct {
	Name  string // of the answer; empty for the code under test. No two subjects of a test binary share one
	Files fs.FS  // the files that may carry TODO marks
	// Router is the router of the service. The checks call it in this process too.
	Router shard.Router
	// Stores returns the subject's stores. The checks call them too, on servers that are on paper.
	Stores func(shardstore.Parts) shardstore.Access
	// HandOver is the subject's part of the mover that changes homes. The checks call it too.
	HandOver given.HandOver
	// Settle is the subject's part of the mover that makes the copies whose marks are ahead. The checks
	// call it too, on servers that are on paper.
	Settle func(ctx context.Context, rows *given.Rows, m shard.Map) error
	// Apply puts the subject's stores and mover into a service. Checks call these in this process.
	Apply func(*service.Composition)
	// Package and Args start a service with the subject's router, stores and mover.
	Package string
	Args    []string
}

const (
	// busiestFloor is the least gain in statements that write, on the busiest server.
	// rushFloor is the least gain in latency. Four servers of one size gain four times at most.
	busiestFloor = 2.8
	rushFloor    = 2.5
)

// The stages.
const (
	databases   = "databases"
	servers     = "servers"
	replicas    = "replicas"
	links       = "links"
	subscribers = "subscribers"
	onShards    = "on shards"
	fifthServer = "fifth server"
	labBefore   = "lab before"
)

// routed returns the checks of a router that answers correctly, and more needs. Behind a wrong router
// every other check would fail for that reason alone. A plan that moves too much is none of them.
func routed(more ...string) []string {
	return slices.Concat([]string{"buckets", "places", "ids"}, more)
}

// copiesRight returns the checks that a mover builds on: those of its parts, and of the stores with a
// single subscriber.
func copiesRight() []string {
	return []string{"closed fences", "failed copies", "uncopied copies", "one transaction", "late copies", "hand over"}
}

// Lab returns the checks and gains for a subject.
//
// The steps are those of the lesson. The order of the checks lets them share
// servers: first checks without a server, then those in this process, then those on replicas. The
// move of step 6 starts on the old server, so it comes before the checks on shards.
func Lab(subject Subject) lab.Lab {
	answerAndExit(subject)
	l := newTrial(subject, early())
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: l.stages(),
		Checks: slices.Concat(l.quickChecks(), l.checksInProcess(), l.checksOnReplicas()),
		Gains: []lab.Gain{
			{Name: "writes on the busiest server", Unit: "statements/request", Floor: busiestFloor,
				Needs: routed(onShards, labBefore), Measure: l.busiest,
				Proves: "statements that write, for each request that writes user data: on one server, and on the busiest of four"},
			{Name: "rush latency", Unit: "ms", Floor: rushFloor, Timed: true,
				Needs: routed(onShards, labBefore), Measure: l.rush,
				Proves: "mean latency in a rush of writes that overloads one " + userDataType().Name + ": on one, and on four of them"},
		},
		Starter: []string{"plan", "gathering", "refused writes", "marked writes", "hand over", "enough answers", "closed fences", "double writes", "uncopied copies", "late copies"},
		Next:    "go tool workshop list",
	}
}

// quickChecks need no server.
func (l *trial) quickChecks() []lab.Check {
	return []lab.Check{
		{Name: "buckets", Kind: lab.Core, Step: 1, Run: l.buckets,
			Proves: "ids of every form are spread evenly over the buckets, and the bucket of an id never changes"},
		{Name: "ids", Kind: lab.Core, Step: 1, Run: l.ids,
			Proves: "no two orders get the same id, and each id names the bucket of its subscriber"},
		{Name: "plan", Kind: lab.Core, Step: 1, Run: l.plan,
			Proves: "four servers get 256 buckets each; a fifth takes its share from them, and no other bucket moves"},
		{Name: "processes", Kind: lab.Core, Step: 1, Needs: []string{"buckets", "ids"}, Run: l.processes,
			Proves: "processes that start at the same moment draw different ids, and agree on buckets and plan"},
		{Name: "hot shard", Kind: lab.Core, Step: 1, Run: l.hotShard,
			Proves: "the next 500 subscribers who join are not all on one shard"},
		{Name: "places", Kind: lab.Core, Step: 1, Run: l.places,
			Proves: "in each phase of a move every subscriber has one home, and a mirror where one is needed"},
		{Name: "gathering", Kind: lab.Core, Step: 2, Run: l.gathers,
			Proves: "questions about all subscribers reach each source of the map side by side, and half of the answers are enough"},
		{Name: "refused writes", Kind: lab.Core, Step: 3, Needs: []string{"places"}, Run: l.refusedWrites,
			Proves: "a write that a fence refuses reads the map again, and is made at the new home; any other error is returned at once"},
		{Name: "marked writes", Kind: lab.Core, Step: 4, Needs: []string{"places"}, Run: l.markedWrites,
			Proves: "a write has its mark in its transaction, and stands when its copy fails or its client leaves; settle makes each copy whose mark is ahead"},
		{Name: "one transaction", Kind: lab.Core, Step: 5, Needs: []string{"places"}, Run: l.oneTransaction,
			Proves: "a copy compares versions and replaces rows in one transaction"},
		{Name: "hand over", Kind: lab.Core, Step: 6, Run: l.handOver,
			Proves: "homes change behind closed fences, after the last copy, and not after an error"},
	}
}

// checksInProcess call the subject's code in this process, on databases of one server.
func (l *trial) checksInProcess() []lab.Check {
	byGiven, byOwn := inProcess{l, givenMover}, inProcess{l, ownMover}
	return []lab.Check{
		{Name: "home answers", Kind: lab.Core, Step: 2, Needs: routed(databases), Run: l.homeAnswers,
			Proves: "in each phase of a move a read shows what the subscriber's home has"},
		{Name: "home that hangs", Kind: lab.Core, Step: 2, Needs: routed(databases), Run: l.hungHome,
			Proves: "while a server hangs, its subscribers are told that it is busy, and all others are served"},
		{Name: "everybody once", Kind: lab.Core, Step: 2, Needs: routed(databases), Run: l.everybodyOnce,
			Proves: "in each phase of a move, questions about all subscribers count each of them once"},
		{Name: "enough answers", Kind: lab.Core, Step: 2, Needs: routed(databases, "everybody once"), Run: l.enoughAnswers,
			Proves: "questions about all subscribers are answered without one server of four, and refused without most of them"},
		{Name: "dark reads", Kind: lab.Core, Step: 2, Needs: routed(databases), Run: l.darkReadsCompare,
			Proves: "in phase dark-reads reads are made on both servers and compared, and no subscriber waits for that"},
		{Name: "closed fences", Kind: lab.Core, Step: 3, Needs: routed(databases), Run: l.closedFence,
			Proves: "a write that meets a change of homes is made at the new home, or refused as busy"},
		{Name: "double writes", Kind: lab.Core, Step: 4, Needs: routed(databases), Run: l.doubleWrites,
			Proves: "in each phase of a move a write reaches the home and its mirror, and no other server"},
		{Name: "marks", Kind: lab.Core, Step: 4, Needs: routed(databases, "double writes"), Run: l.marksWithRows,
			Proves: "a write and its mark are there together or not at all"},
		{Name: "failed copies", Kind: lab.Core, Step: 4, Needs: routed(databases, "double writes"), Run: l.failedCopies,
			Proves: "a write whose copy fails is answered as stored, and its mark, a count and the log tell of it"},
		{Name: "client leaves", Kind: lab.Core, Step: 4, Needs: routed(databases, "double writes"), Run: l.clientLeaves,
			Proves: "a copy does not end when its client disconnects"},
		{Name: "uncopied copies", Kind: lab.Core, Step: 4, Needs: routed(databases), Run: byGiven.uncopied,
			Proves: "the mover makes the copy that a replica could not make, before homes change"},
		{Name: "late copies", Kind: lab.Core, Step: 5, Needs: routed(databases), Run: l.lateCopy,
			Proves: "an older copy that arrives late replaces nothing newer"},
		// The longest check that no other needs begins first, so that it does not run alone in the end.
		{Name: "maps of a move", Kind: lab.Core, Step: 6, Needs: routed(databases), Guards: copiesRight(), Run: byGiven.wholeMove,
			Proves: "homes change behind closed fences, with all copies made, and old homes stay mirrors while replicas may read them"},
		{Name: "verify stops", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(databases), Guards: copiesRight(), Run: byGiven.verifyStops,
			Proves: "a difference between home and mirror stops the move before the flip, each time that it is verified"},
		{Name: "dark reads stop", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(databases, "dark reads"), Guards: copiesRight(), Run: byGiven.darkReadsStop,
			Proves: "without dark reads, or when one of them differs, the move does not flip"},
		{Name: "backfill resumes", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(databases), Guards: copiesRight(), Run: byGiven.backfillResumes,
			Proves: "a backfill goes batch by batch, and goes on where a mover was killed"},
		{Name: "closing ends", Kind: lab.Core, Step: 6, Needs: routed(databases), Guards: copiesRight(), Run: byGiven.closingEnds,
			Proves: "a switch that cannot settle lets subscribers write again"},
		{Name: "nothing left", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(databases, "plan"), Guards: copiesRight(), Run: byGiven.nothingLeft,
			Proves: "a subscriber who moves to a fifth shard is counted once all the time, and is on one shard in the end"},
		{Name: "own mover", Kind: lab.Stretch, Step: 6, Whole: true, Needs: routed(databases), Guards: copiesRight(), Run: byOwn.wholeMove,
			Proves: "the mover of your own moves all subscribers there, back and there again, and loses no write"},
		{Name: "own fifth shard", Kind: lab.Stretch, Step: 6, Whole: true, Needs: routed(databases, "own mover", "nothing left"), Guards: copiesRight(), Run: byOwn.nothingLeft,
			Proves: "the mover of your own counts each subscriber once while a fifth shard is filled, and leaves no rows"},
		{Name: "own verify", Kind: lab.Stretch, Step: 6, Whole: true, Needs: routed(databases, "own mover"), Guards: copiesRight(), Run: byOwn.verifyStops,
			Proves: "the mover of your own stops before the flip when home and mirror differ"},
		{Name: "own backfill", Kind: lab.Stretch, Step: 6, Whole: true, Needs: routed(databases, "own mover"), Guards: copiesRight(), Run: byOwn.backfillResumes,
			Proves: "the mover of your own goes on where another was killed"},
	}
}

// checksOnReplicas use real replicas and six database servers.
func (l *trial) checksOnReplicas() []lab.Check {
	return []lab.Check{
		{Name: "contract", Kind: lab.Core, Step: 2, Whole: true, Needs: []string{replicas}, Run: l.contract,
			Proves: "the service still keeps its API contract"},
		{Name: "ids on replicas", Kind: lab.Core, Step: 3, Whole: true, Needs: routed(subscribers, "closed fences"), Run: l.idsOnReplicas,
			Proves: "two replicas never give two orders the same id"},
		{Name: "preflight", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(subscribers), Guards: copiesRight(), Run: l.preflight,
			Proves: "the mover moves no subscriber while an index is missing"},
		{Name: "migration", Kind: lab.Core, Step: 6, Whole: true, Needs: routed(subscribers, links), Guards: copiesRight(), Timeout: l.scale.checkTime, Run: l.migration,
			Proves: "all subscribers are moved while they write; the mover is killed in every phase and a replica inside a double write, and no write is lost"},
		{Name: "placement", Kind: lab.Core, Step: 6, Whole: true, Needs: []string{"migration"}, Run: l.placement,
			Proves: "after the move all rows of a subscriber are on one shard, the shard of their bucket"},
		{Name: "even", Kind: lab.Core, Step: 6, Whole: true, Needs: []string{"migration"}, Run: l.even,
			Proves: "after the move each shard has a quarter of the subscribers"},
		{Name: "newest subscribers", Kind: lab.Core, Step: 6, Whole: true, Needs: []string{"migration"}, Run: l.newestSubscribers,
			Proves: "after the move the subscribers who joined last, and order most, are spread over the shards"},
		{Name: "contract on shards", Kind: lab.Core, Step: 2, Whole: true, Needs: routed(onShards, "enough answers"), Run: l.contract,
			Proves: "the service keeps its API contract when all subscribers are on shards"},
		{Name: "by user", Kind: lab.Core, Step: 2, Whole: true, Needs: routed(subscribers, onShards, "enough answers"), Run: l.byUser,
			Proves: "the requests of a subscriber reach their shard alone, questions about all subscribers reach no old server, and every other statement names its subscriber"},
		{Name: "one shard down", Kind: lab.Core, Step: 2, Whole: true, Needs: routed(subscribers, onShards, "enough answers"), Run: l.oneShardDown,
			Proves: "while a shard hangs, its subscribers get status 503 quickly, and all others notice nothing"},
		{Name: "stock", Kind: lab.Core, Step: 3, Whole: true, Needs: routed(subscribers, onShards, "closed fences"), Run: l.stock,
			Proves: "a shard dies while meals sell out, and no portion is sold twice or stays reserved"},
		// Straight after a move the old server has the same totals, so the shards must be the
		// ones that are asked.
		{Name: "totals", Kind: lab.Stretch, Step: 2, Whole: true, Needs: []string{"by user"}, Run: l.totals,
			Proves: "popular meals and ratings are the sums of all shards"},
		{Name: "way back", Kind: lab.Core, Step: 6, Whole: true, Needs: routed("plan", subscribers, onShards, fifthServer), Guards: copiesRight(), Run: l.wayBack,
			Proves: "the share of a fifth shard is moved there and back again, and no write is lost either way"},
		{Name: "fifth shard", Kind: lab.Stretch, Step: 6, Whole: true, Needs: routed("plan", subscribers, onShards, fifthServer), Guards: copiesRight(), Run: l.fifthShard,
			Proves: "a fifth shard is filled for good while subscribers write, and only its share is moved"},
	}
}

// stages returns what the checks share. Sign-in and the move to the shards run side by side.
func (l *trial) stages() []lab.Stage {
	return []lab.Stage{
		{Name: databases, Separate: true, Starts: "a PostgreSQL server, on which databases stand for servers of user data", Start: l.startDatabases},
		{Name: servers, Alone: true, Starts: "six PostgreSQL servers, Redis, a mail server, and the build of your service", Timeout: l.scale.startTime, Start: l.startServers},
		{Name: replicas, Starts: "two replicas of your service", Needs: []string{servers}, Start: l.startReplicas},
		{Name: links, Starts: "slow links between the mover and its servers", Needs: []string{servers}, Start: l.startLinks},
		{Name: subscribers, Starts: "sessions of the subscribers who write", Needs: []string{replicas}, Start: l.signIn},
		{Name: onShards, Starts: "the shards, filled with all subscribers by the workshop's own mover", Needs: []string{replicas}, Start: l.moveToShards},
		{Name: fifthServer, Starts: "a fifth shard, empty", Needs: []string{servers}, Start: l.startFifth},
		{Name: labBefore, Starts: "the service of lab " + before + ", on the old server", Needs: []string{servers}, Start: l.startWithout},
	}
}
