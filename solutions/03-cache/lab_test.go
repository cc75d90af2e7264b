package cache_test

import (
	"testing"

	"bytebites.example/workshop/labs/03-cache/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/03-cache/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:     cache.Files(),
		RedisConf: cache.RedisConf(),
		Package:   "./solutions/service",
		Args:      []string{"--through", "03"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestAnswers(t *testing.T) {
	// variant returns a wrong answer that is a variant of the service. All variants are simple:
	// they have no leases, no breaker and no list of lost deletions, so they fail those stretch
	// checks too.
	variant := func(name, check, why string, also ...string) frame.Wrong {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		return frame.Wrong{
			Name: name, Check: check, Why: why, Lab: spec.Lab(s),
			Also: append(also, "one query for all", "slow reader", "breaker", "lost deletion"),
		}
	}
	noEviction := solution()
	noEviction.RedisConf = "maxmemory 384mb\nmaxmemory-policy noeviction\nsave \"\"\nappendonly no\n"
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		variant(wrong.NeverForgets, "price change", "the new price is there after an hour, and an hour is not long", "contract"),
		variant(wrong.ForgetsFirst, "price change", "delete the key first, because after the change a client could see the old price for a moment"),
		variant(wrong.KeepsPages, "price change", "the meal has changed, so the meal's key is deleted"),
		variant(wrong.CachesErrors, "errors", "the store found nothing, so the meal does not exist, whatever the error was"),
		variant(wrong.NeverExpires, "expiry", "a change deletes its keys, so no key needs to expire", "jitter"),
		variant(wrong.NoSingleFlight, "stampede", "each request that misses loads for itself, and the database has answered those for years"),
		variant(wrong.FirstOnesLoad, "stampede", "a load needs a context, and the request has one"),
		variant(wrong.NeedsRedis, "redis gone", "errors are returned, as everywhere else"),
		variant(wrong.WriteBack, "sessions", "a sign-in need not wait for the database: Redis has the session, and a batch writes it a second later"),
		variant(wrong.SignedOutStays, "sessions", "the session is deleted in the database, and its copy expires by itself", "contract"),
		{
			Name: "no-eviction", Check: "memory", Lab: spec.Lab(noEviction),
			Why: "maxmemory is set, and data must not be lost",
		},
	}})
}
