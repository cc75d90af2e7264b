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

func TestWrong(t *testing.T) {
	// variant returns a wrong answer that is a part of the service. All of them are simple, and
	// fail the stretch checks that ask for leases, a breaker and a memory of what is owed.
	variant := func(name, check, why string, also ...string) frame.Wrong {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		return frame.Wrong{
			Name: name, Check: check, Why: why, Lab: spec.Lab(s),
			Also: append(also, "one for all", "slow reader", "breaker", "lost deletion"),
		}
	}
	noEviction := solution()
	noEviction.RedisConf = "maxmemory 384mb\nmaxmemory-policy noeviction\nsave \"\"\nappendonly no\n"
	labtest.Wrong(t,
		variant(wrong.NeverForgets, "price change", "an hour is not long, and then the new price is there", "contract"),
		variant(wrong.ForgetsFirst, "price change", "first clear the cache, then change the database: the other way round somebody might see the old price for a moment"),
		variant(wrong.KeepsPages, "price change", "the meal has changed, so the meal's key is deleted"),
		variant(wrong.CachesErrors, "errors", "the store found nothing, so there is nothing: who looks at which error it was?"),
		variant(wrong.NeverExpires, "expiry", "everything is deleted when it changes, so nothing needs to expire", "jitter"),
		variant(wrong.NoSingleFlight, "stampede", "who misses loads: the database has answered that for years"),
		variant(wrong.FirstOnesLoad, "stampede", "every load has a context, and the request's is at hand"),
		variant(wrong.NeedsRedis, "redis gone", "an error is an error and is returned, as everywhere else"),
		variant(wrong.WriteBack, "sessions", "a sign-in need not wait for the database: Redis has it, and a batch writes it a second later"),
		variant(wrong.SignedOutStays, "sessions", "the session is deleted where it is stored, and the copy expires by itself", "contract"),
		frame.Wrong{
			Name: "no-eviction", Check: "memory", Lab: spec.Lab(noEviction), Also: []string{"hot keys"},
			Why: "maxmemory is set, and nobody wants to lose data",
		},
	)
}
