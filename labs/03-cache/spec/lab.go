// Package spec is what lab 03 demands: a cache that spares the database its reads, that
// never shows an old price, and that may be slow, full, empty or dead without anybody
// noticing.
package spec

import (
	"io/fs"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the lab's.
const Name = "03-cache"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files     fs.FS  // where TODO marks are looked for
	RedisConf string // redis.conf
	// Package and Args start a service with the subject's cache.
	Package string
	Args    []string
}

const (
	// wantedShare is the share of the catalogue's queries that must not reach the database, and
	// queriesFloor the same as a ratio.
	wantedShare  = 0.70
	queriesFloor = 1 / (1 - wantedShare)
	// goodputFloor is the least gain in browsing with the database on its quota.
	goodputFloor = 3
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
			{Name: "contract", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.contract,
				Proves: "the service still keeps every promise of its API"},
			{Name: "few queries", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.fewQueries,
				Proves: "70 % of the queries for meals, ratings and popular meals do not reach the database, cold start included"},
			{Name: "price change", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.priceChange,
				Proves: "when a price has been changed nobody sees the old one, on no page and no replica"},
			{Name: "stampede", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.stampede,
				Proves: "200 people who miss the same at the same time cost one query on each replica"},
			{Name: "unknown meals", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.unknownMeals,
				Proves: "a meal that does not exist does not reach the database again and again"},
			{Name: "errors", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.errors,
				Proves: "a database that fails for a moment is not remembered as an answer"},
			{Name: "sessions", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.sessions,
				Proves: "sign-ins come from Redis and survive its loss, end when they should, and are nobody else's"},
			{Name: "expiry", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.expiry,
				Proves: "every key has a time to live"},
			{Name: "jitter", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.jitter,
				Proves: "what came together does not expire together"},
			{Name: "memory", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.memory,
				Proves: "Redis may take less than its machine has, and makes room when that is full"},
			{Name: "hot keys", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.hotKeys,
				Proves: "with a tenth of the memory it needs, the cache still answers half of the reads"},
			{Name: "redis gone", Kind: lab.Core, Step: 1, Needs: []string{"servers"}, Run: l.redisGone,
				Proves: "Redis is paused, killed and flushed under load, and no request fails"},
			{Name: "breaker", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.breaker,
				Proves: "a Redis that hangs is left alone"},
			{Name: "one for all", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.oneForAll,
				Proves: "200 people on each of two replicas who miss the same cost one query, not two"},
			{Name: "slow reader", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.slowReader,
				Proves: "who read a price before it was changed does not put it back afterwards"},
			{Name: "lost deletion", Kind: lab.Stretch, Step: 1, Needs: []string{"servers"}, Run: l.lostDeletion,
				Proves: "a price that was changed while Redis could not be reached is not old for long when it can"},
		},
		Gains: []lab.Gain{
			{Name: "queries saved", Unit: "queries/request", Floor: queriesFloor, Needs: []string{"servers"}, Measure: l.queriesSaved,
				Proves: "queries for meals, ratings and popular meals a request, without and with the cache, from cold"},
			{Name: "browse goodput", Unit: "requests/s", Floor: goodputFloor, Needs: []string{"servers"}, Timed: true, Measure: l.goodput,
				Proves: "right answers a second to people who browse, without and with the cache, the database on " + database().Name},
		},
		Starter: []string{
			"few queries", "stampede", "unknown meals", "sessions", "expiry", "jitter", "memory", "hot keys", "one for all",
			"queries saved", "browse goodput",
		},
		Next: "go tool workshop list",
	}
}
