// Package spec is what lab 04 demands: user data on four servers in place of one, moved there
// while people write, with nothing lost on the way, however often the mover dies.
package spec

import (
	"io/fs"

	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's.
const Name = "04-sharding"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files fs.FS // where TODO marks are looked for
	// Router is asked here for what is arithmetic. It is the one that the service has.
	Router shard.Router
	// Package and Args start a service with the subject's router, stores and mover.
	Package string
	Args    []string
}

const (
	// busiestFloor is the least gain in writes that the busiest server has to do, and
	// rushFloor in latency in a rush. Four servers of the same size gain four times at most.
	busiestFloor = 2.8
	rushFloor    = 2.5
)

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject, scale: early()}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.ClaimAlone,
		Stages: []lab.Stage{{Name: "servers", Starts: "the servers and your service", Start: l.prepare}},
		Checks: []lab.Check{
			{Name: "contract", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.contract,
				Proves: "the service still keeps every promise of its API"},
			{Name: "buckets", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.buckets,
				Proves: "whatever ids look like, they are spread evenly over the buckets, and nobody's ever changes"},
			{Name: "plan", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.plan,
				Proves: "four servers get 256 buckets each, and a fifth takes its share from them and moves nothing else"},
			{Name: "places", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.places,
				Proves: "in each phase of a move everybody has one home, and a mirror when they need one"},
			{Name: "ids", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.ids,
				Proves: "no two orders have the same id, whatever replica they are from, and each id names its bucket"},
			{Name: "preflight", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.preflight,
				Proves: "while an index is missing nothing is moved"},
			{Name: "migration", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.migration,
				Proves: "everybody is moved while they write, the mover is killed in every phase and a replica inside a double write, and nothing is lost"},
			{Name: "placement", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.placement,
				Proves: "all rows of a subscriber are on one shard, the one of their bucket"},
			{Name: "even", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.even,
				Proves: "each shard has a quarter of the subscribers"},
			{Name: "hot shard", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.hotShard,
				Proves: "those who joined last, and order most, are not all on one shard"},
			{Name: "contract on shards", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.contractOnShards,
				Proves: "the service keeps every promise of its API with everybody on a shard"},
			{Name: "by user", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.byUser,
				Proves: "what somebody asks for themself reaches their shard alone, what they ask about everybody the shards alone, and every statement says whose rows it wants"},
			{Name: "one shard down", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.oneShardDown,
				Proves: "while a shard hangs, its subscribers are told so quickly and nobody else notices"},
			{Name: "stock", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.stock,
				Proves: "a shard dies while meals sell out, and none is sold twice or kept for nobody"},
			{Name: "way back", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.wayBack,
				Proves: "when a fifth shard has its share there is still a way back, and nothing is lost on either"},
			{Name: "totals", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.totals,
				Proves: "what is said about everybody is the sum of what the shards have"},
			{Name: "fifth shard", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.fifthShard,
				Proves: "a fifth shard is filled for good while people write, and only what it takes over is moved"},
		},
		Gains: []lab.Gain{
			{Name: "writes on the busiest server", Unit: "statements/request", Floor: busiestFloor, Needs: []string{"servers"}, Measure: l.busiest,
				Proves: "statements that write, a request of what people write of themselves, on one server and on the busiest of four"},
			{Name: "rush latency", Unit: "ms", Floor: rushFloor, Needs: []string{"servers"}, Timed: true, Measure: l.rush,
				Proves: "mean latency in a rush of writes that is too much for one " + userDataType().Name + ", on one and on four of them"},
		},
		Starter: []string{
			"buckets", "plan", "places", "ids", "migration", "placement", "even", "hot shard",
			"contract on shards", "by user", "one shard down", "stock", "way back", "totals", "fifth shard",
			"writes on the busiest server", "rush latency",
		},
		Next: "go tool workshop list",
	}
}
