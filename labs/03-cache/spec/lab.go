// Package spec holds the checks of lab 03: a cache that keeps most reads away from the
// database, that never shows an old price, and that may be slow, full, empty or dead
// without a failed request.
package spec

import (
	"io/fs"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab.
const Name = "03-cache"

// evidenceFolder holds what the checks measured. The path starts at the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files     fs.FS  // the files that may carry TODO marks
	RedisConf string // redis.conf
	// Package and Args start a service with the subject's cache. Apply puts the same cache into a
	// composition in this process.
	Package string
	Args    []string
	Apply   func(*service.Composition)
}

const (
	// wantedShare is the least share of the catalogue's queries that the cache must keep away
	// from the database. queriesFloor is the same bound as a ratio, without over with.
	wantedShare  = 0.70
	queriesFloor = 1 / (1 - wantedShare)
	// goodputFloor is the least gain in browsing while the database is on its quota.
	goodputFloor = 3
)

// Lab returns the checks and gains of the lab for a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		// Step 1 bounds the memory (redis.conf). Step 2 bounds the waiting and falls back to the
		// database (options in redis.go, reader.get in through.go). Step 3 makes an entry say what it
		// is (through.go, pageName in catalogue.go). Step 4 loads once for a crowd (reader.loadOnce in
		// through.go). Step 5 invalidates after the commit (catalogue.go). Step 6 writes sessions
		// through (sessions.go). The starter has one flaw for each step; the checks of a step
		// judge that step alone.
		//
		// A cache that keeps nothing never shows an old answer and never misses Redis. So the
		// checks that it would pass need "read-through", or "kept" where no server is used, which show
		// that something is kept.
		Checks: []lab.Check{
			{Name: "memory", Kind: lab.Core, Step: 1, Needs: []string{stageRedis}, Run: l.memory,
				Proves: "Redis takes less memory than its machine has, and evicts keys when that is full"},

			{Name: "kept", Kind: lab.Core, Step: 3, Run: l.onSeam((*seam).kept),
				Proves: "a second read of a meal, a page, a rating or the popular meals does not reach the database"},

			{Name: "without redis", Kind: lab.Core, Step: 2, Needs: []string{"kept"}, Run: l.onSeam((*seam).withoutRedis),
				Proves: "reads, changes, sign-ins and sign-outs are right while Redis refuses, fails or hangs, and Redis is used again afterwards"},
			{Name: "late redis", Kind: lab.Core, Step: 2, Needs: []string{"kept"}, Run: l.onSeam((*seam).lateRedis),
				Proves: "a Redis that takes 15 ms to answer is waited for"},
			{Name: "start without redis", Kind: lab.Core, Step: 2, Needs: []string{"kept"}, Run: l.startsWithoutRedis,
				Proves: "a replica starts and answers while Redis is away, and uses Redis when it is there"},

			{Name: "entries", Kind: lab.Core, Step: 3, Needs: []string{"kept"}, Run: l.onSeam((*seam).entries),
				Proves: "a key names the version of its value, and a value that cannot be read is loaded anew"},
			{Name: "own pages", Kind: lab.Core, Step: 3, Needs: []string{"kept"}, Run: l.onSeam((*seam).ownPages),
				Proves: "each filter, search and cursor gets its own page, and the pages of the menu end"},
			{Name: "absences", Kind: lab.Core, Step: 3, Needs: []string{"kept"}, Run: l.onSeam((*seam).absences),
				Proves: "that a meal does not exist is kept in Redis, for a minute at most"},
			{Name: "store errors", Kind: lab.Core, Step: 3, Needs: []string{"kept"}, Run: l.onSeam((*seam).errorsOfStores),
				Proves: "an error of the database is an error of meals, ratings and popular meals, and is not cached"},

			{Name: "own answers", Kind: lab.Core, Step: 4, Needs: []string{"kept"}, Run: l.onSeam((*seam).ownAnswers),
				Proves: "callers that ask for different things at the same time get their own answers"},
			{Name: "shared load", Kind: lab.Core, Step: 4, Needs: []string{"kept"}, Run: l.onSeam((*seam).sharedLoads),
				Proves: "callers that miss the same key share one load, which has a context and a time limit of its own"},
			{Name: "shared page", Kind: lab.Core, Step: 4, Needs: []string{"kept"}, Run: l.onSeam((*seam).sharedPages),
				Proves: "callers that miss the same page share one load, and an error of the database is not cached as a page"},

			{Name: "every page", Kind: lab.Core, Step: 5, Needs: []string{"kept"}, Run: l.onSeam((*seam).everyPage),
				Proves: "a new price, name or rating is on every page and in every search as soon as the change is answered"},
			{Name: "oldest answers", Kind: lab.Core, Step: 5, Needs: []string{"kept"}, Run: l.onSeam((*seam).expiredAnswers),
				Proves: "an answer whose deletion was lost expires: popular meals within 5 minutes, all others within 2 hours"},

			{Name: "sign-in and sign-out", Kind: lab.Core, Step: 6, Run: l.onSeam((*seam).signInAndOut),
				Proves: "a session is written to the database and then to Redis, belongs to one subscriber, and ends on every replica"},
			{Name: "lost sign-out", Kind: lab.Stretch, Step: 6, Needs: []string{"sign-in and sign-out"}, Run: l.onSeam((*seam).lostSignOut),
				Proves: "a subscriber who signed out while Redis was unreachable stays signed out when Redis is back"},

			{Name: "read-through", Kind: lab.Core, Step: 3, Needs: []string{stageReplicas}, Run: l.readThrough,
				Proves: "a meal and the popular meals are read from the database once, and then from Redis"},
			{Name: "hot keys", Kind: lab.Core, Step: 1, Needs: []string{"memory", "read-through"}, Run: l.hotKeys,
				Proves: "with a tenth of the memory that it needs, the cache still answers half of the reads"},
			{Name: "expiry", Kind: lab.Core, Step: 3, Needs: []string{"read-through"}, Run: l.expiry,
				Proves: "every key has a time to live"},
			{Name: "jitter", Kind: lab.Stretch, Step: 3, Needs: []string{"read-through"}, Run: l.jitter,
				Proves: "keys that were set together do not expire together"},
			{Name: "unknown meals", Kind: lab.Core, Step: 3, Needs: []string{stageReplicas}, Run: l.unknownMeals,
				Proves: "repeated reads of a meal that does not exist do not reach the database"},
			{Name: "errors", Kind: lab.Core, Step: 3, Needs: []string{"read-through"}, Run: l.errors,
				Proves: "an error of the database is not cached as an answer"},

			{Name: "stampede", Kind: lab.Core, Step: 4, Needs: []string{stageReplicas}, Run: l.stampede,
				Proves: "200 clients that miss the same key at the same time cost one query on each replica"},
			{Name: "one query for all", Kind: lab.Stretch, Step: 4, Needs: []string{"stampede"}, Run: l.oneForAll,
				Proves: "200 clients on each of two replicas that miss the same key cost one query, not two"},

			{Name: "price change", Kind: lab.Core, Step: 5, Needs: []string{"read-through"}, Run: l.priceChange,
				Proves: "after a change of a price, no page on any replica shows the old one"},
			{Name: "contract", Kind: lab.Core, Step: 5, Needs: []string{stageReplicas}, Run: l.contract,
				Proves: "the service still keeps every promise of its API"},
			{Name: "few queries", Kind: lab.Core, Step: 5, Whole: true, Needs: []string{stagePeople, stageBefore}, Run: l.fewQueries,
				Proves: "70 % of the queries for meals, ratings and popular meals do not reach the database, cold start included"},
			{Name: "slow reader", Kind: lab.Stretch, Step: 5, Whole: true, Needs: []string{"price change"}, Run: l.slowReader,
				Proves: "a replica that read a price before its change does not put it back into the cache"},

			{Name: "sessions", Kind: lab.Core, Step: 6, Needs: []string{stageReplicas}, Run: l.sessions,
				Proves: "sessions are read from Redis, survive its loss, end at sign-out and are never mixed up"},

			{Name: "redis gone", Kind: lab.Core, Step: 2, Needs: []string{"read-through", stagePeople}, Run: l.redisGone,
				Proves: "Redis is paused, killed and flushed under load, and no request fails"},
			{Name: "breaker", Kind: lab.Stretch, Step: 2, Needs: []string{"redis gone"}, Run: l.breaker,
				Proves: "the service stops calling a Redis that hangs"},
			{Name: "lost deletion", Kind: lab.Stretch, Step: 5, Whole: true, Needs: []string{"price change"}, Run: l.lostDeletion,
				Proves: "a price that changed while Redis was unreachable is shown soon after Redis is back"},
		},
		Gains: []lab.Gain{
			{Name: "queries saved", Unit: "queries/request", Floor: queriesFloor, Needs: []string{"few queries"}, Measure: l.queriesSaved,
				Proves: "queries per request for meals, ratings and popular meals, without and with the cache, from a cold start"},
			{Name: "browse goodput", Unit: "requests/s", Floor: goodputFloor, Needs: []string{stagePeople, stageBefore}, Timed: true, Measure: l.goodput,
				Proves: "right answers per second to people who browse, without and with the cache, with the database on " + database().Name},
		},
		// The starter keeps what it loads, so the checks that count hits and queries pass.
		Starter: []string{
			"memory", "without redis", "start without redis", "entries", "own pages", "absences", "shared load", "shared page",
			"every page", "oldest answers", "sign-in and sign-out", "unknown meals", "stampede", "price change", "redis gone", "jitter",
		},
		Next: "go tool workshop list",
	}
}
