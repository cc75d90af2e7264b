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
		Apply:     cache.Apply,
	}
}

// variant is a subject whose cache is one of package wrong.
func variant(name string) spec.Subject {
	s := solution()
	s.Args, s.Apply = append(s.Args, "--variant", name), wrong.Variants()[name]
	return s
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestAnswers(t *testing.T) {
	generated(t)
	stretch := []string{"one query for all", "slow reader", "breaker", "lost deletion", "lost sign-out", "jitter"}
	// A flaw is the solution's core with the starter's code of one step, and without deep dives.
	flaw := func(step int, name, check, why string, also ...string) frame.Wrong {
		return frame.Wrong{Name: name, Check: check, Why: why, Flaw: step, Lab: spec.Lab(variant(name)), Also: append(also, stretch...)}
	}
	noMemory := variant(wrong.CoreOnly)
	noMemory.RedisConf = "maxmemory 0\nsave \"\"\nappendonly no\n"
	// All variants are simple: they have no leases, no breaker and no list of lost deletions, so they
	// fail those stretch checks too.
	no := func(name, check, why string, also ...string) frame.Wrong {
		return frame.Wrong{
			Name: name, Check: check, Why: why, Lab: spec.Lab(variant(name)),
			Also: append(also, "one query for all", "slow reader", "breaker", "lost deletion", "lost sign-out"),
		}
	}
	yes := func(name, why string, checks ...string) frame.Right {
		return frame.Right{Name: name, Why: why, Lab: spec.Lab(variant(name)), Checks: checks}
	}
	noEviction := solution()
	noEviction.RedisConf = "maxmemory 384mb\nmaxmemory-policy noeviction\nsave \"\"\nappendonly no\n"
	keepsLog := solution()
	keepsLog.RedisConf = "maxmemory 384mb\nmaxmemory-policy allkeys-lfu\nsave \"\"\nappendonly yes\n"
	wrongs := []frame.Wrong{
		{
			Name: "flaw-memory", Check: "memory", Flaw: 1, Lab: spec.Lab(noMemory), Also: append([]string{"hot keys"}, stretch...),
			Why: "Redis needs no configuration to start",
		},
		flaw(2, wrong.FlawWaiting, "without redis", "the client's defaults are well chosen, and errors are returned as everywhere else", "start without redis", "redis gone"),
		flaw(3, wrong.FlawEntries, "entries", "kind and id tell two entries apart, and there is nothing to keep of what does not exist", "own pages", "absences", "unknown meals"),
		flaw(4, wrong.FlawLoads, "shared load", "each request that misses loads for itself, and the database has answered those for years", "shared page", "stampede"),
		flaw(5, wrong.FlawPages, "every page", "a page is kept as it is shown, and its meal is deleted before the change so that nobody sees an old price afterwards", "price change", "contract", "oldest answers"),
		flaw(6, wrong.FlawSessions, "sign-in and sign-out", "the next request comes at once, so Redis is told first"),

		{
			Name: "no-eviction", Check: "memory", Lab: spec.Lab(noEviction),
			Why: "maxmemory is set, and data must not be lost",
		},
		{
			Name: "keeps-log", Check: "memory", Lab: spec.Lab(keepsLog),
			Why: "with a log Redis is warm again after a restart",
		},

		no(wrong.PutsNothing, "kept", "the value has been found, and the caller has it", "oldest answers", "sign-in and sign-out", "without redis", "start without redis", "read-through", "unknown meals", "few queries", "sessions"),
		no(wrong.ShortIsNone, "kept", "a page has room for ten meals, so a shorter list is not there yet", "own answers", "own pages", "oldest answers"),
		no(wrong.PageMealsLoad, "kept", "the page is in Redis, and its meals are one query", "few queries"),
		no(wrong.NoVersion, "entries", "kind and id tell two entries apart"),
		no(wrong.TrustsEntries, "entries", "what the cache has written the cache can read"),
		no(wrong.IgnoresCase, "own answers", "an id is not meant to differ from another by case alone"),
		no(wrong.NoLimitInKey, "own answers", "there is one list of popular meals, and a limit only cuts it", "oldest answers"),
		no(wrong.OneFlight, "own answers", "one load at a time for each kind spares the database most", "sign-in and sign-out", "without redis", "few queries", "sessions", "redis gone"),
		no(wrong.FirstIDLoads, "own answers", "a name of all ids is long, and the first one is rarely that of another list"),
		no(wrong.EndsNameLoad, "own answers", "a name of all ids is long, and lists with the same ends are rarely different"),
		no(wrong.UnquotedNames, "own answers", "ids are words without a comma"),
		no(wrong.JoinedKeys, "own answers", "each key begins alike, so that one can see where the next begins"),
		no(wrong.NeverExpires, "expiry", "a change deletes its keys, so no key needs to expire", "oldest answers", "jitter"),

		no(wrong.GapsUnkept, "absences", "a list with a gap may soon be whole"),
		no(wrong.LoadsUnknown, "absences", "there is nothing to keep of a meal that does not exist", "unknown meals"),
		no(wrong.CachesErrors, "errors", "the store found nothing, so the meal does not exist, whatever the error was", "store errors", "shared page", "sign-in and sign-out"),
		no(wrong.SkipsErrors, "store errors", "a page with most of its meals is better than an error", "shared load"),
		no(wrong.HidesErrors, "store errors", "the text of an error says all, and callers do not care about its cause", "shared page", "sign-in and sign-out"),
		no(wrong.NoSingleFlight, "stampede", "each request that misses loads for itself, and the database has answered those for years", "shared load", "shared page"),
		no(wrong.FirstOnesLoad, "shared load", "a load needs a context, and the request has one", "stampede", "shared page"),
		no(wrong.CarriesRequest, "shared load", "context.WithoutCancel keeps the load alive, and its values may be of use", "shared page"),
		no(wrong.LeavesLater, "shared load", "the answer comes soon, and then the caller is gone", "shared page"),
		no(wrong.LeaverNone, "shared load", "a caller that has left reads no answer"),
		no(wrong.LeaverForgets, "shared load", "the load that a caller leaves may be stuck, so the next one had better load anew"),
		no(wrong.AwayEachLoads, "shared load", "without Redis the database is asked directly"),
		no(wrong.EachOnError, "shared load", "the load of another caller failed, and the next may succeed"),
		no(wrong.IDByID, "shared load", "a list of meals is read as each of its meals is", "few queries"),
		no(wrong.EndlessLoad, "shared load", "the load belongs to no request, so its context is the background", "shared page"),

		no(wrong.PageNoCursor, "own pages", "a page is told by its filter", "every page", "oldest answers", "contract", "people"),
		no(wrong.PageNoDiet, "own pages", "a diet is chosen less often than a cuisine, and was added later", "every page", "oldest answers", "contract"),
		no(wrong.PageUnquoted, "own pages", "cuisines and diets are words without a colon"),
		no(wrong.PageHalfQuoted, "own pages", "only the first part could be mistaken for another"),
		no(wrong.PageEachLoads, "shared page", "pages are many, so few people miss the same one"),
		no(wrong.NeverForgets, "every page", "the new price is there after an hour, and an hour is not long", "price change", "contract"),
		no(wrong.ForgetsFirst, "price change", "delete the key first, because after the change a client could see the old price for a moment", "every page"),
		no(wrong.KeepsPages, "every page", "the meal has changed, so the meal's key is deleted", "price change"),
		no(wrong.ForgetsLeaving, "every page", "the deletion belongs to the request"),
		no(wrong.NewNameWaits, "every page", "a price must be right, and a name changes hardly ever"),
		no(wrong.NewTextWaits, "every page", "a price and a name must be right, and a description hardly matters"),
		no(wrong.ForgetsLater, "every page", "the answer need not wait for Redis", "price change", "contract"),
		no(wrong.EachSearch, "every page", "people search for the same words again and again"),
		no(wrong.KeepsPrices, "every page", "a highest price is one filter more, like a diet"),
		no(wrong.OnlyOnSuccess, "every page", "a change that failed has changed nothing"),
		no(wrong.RatingStays, "every page", "one rating more moves an average of hundreds by nothing", "contract"),
		no(wrong.DayLong, "oldest answers", "deletions keep the cache right, and a day saves most queries", "jitter"),
		no(wrong.SecondsLong, "oldest answers", "a short time to live makes up for every deletion that is lost", "jitter"),
		no(wrong.PopularHour, "oldest answers", "one time to live for all kinds is simple"),
		no(wrong.AbsentNoUnit, "absences", "the constant is half a minute, and so is the number 30", "unknown meals"),
		no(wrong.Absent, "absences", "that there is none is an answer as good as any"),
		no(wrong.OutlivesSession, "sign-in and sign-out", "whoever reads the entry compares the expiry"),
		no(wrong.SessionForLife, "sign-in and sign-out", "the copy of a session lives as long as the session"),

		no(wrong.WriteBack, "sessions", "a sign-in need not wait for the database: Redis has the session, and a batch writes it a second later", "sign-in and sign-out", "without redis"),
		no(wrong.SignedOutStays, "sign-in and sign-out", "the session is deleted in the database, and its copy expires by itself", "sessions", "contract"),
		no(wrong.SessionHour, "sign-in and sign-out", "a session lasts for twelve hours, so an hour is short"),
		no(wrong.TrustsTTL, "sign-in and sign-out", "the entry expires with its session"),
		no(wrong.OutOnSuccess, "sign-in and sign-out", "a sign-out that failed has deleted nothing"),
		no(wrong.WritesMeal, "every page", "the new meal is at hand, and the next reader need not load it"),
		no(wrong.OutLater, "sign-in and sign-out", "the answer need not wait for Redis", "sessions", "contract"),
		no(wrong.KeepsLater, "sign-in and sign-out", "the answer need not wait for Redis", "sessions"),
		no(wrong.SignInHides, "sign-in and sign-out", "the text of an error says all"),
		no(wrong.WriteAround, "sign-in and sign-out", "the first read puts the session into Redis anyway"),
		no(wrong.RedisFirst, "sign-in and sign-out", "the next request comes at once, so Redis is told first"),
		no(wrong.ShortHash, "sign-in and sign-out", "eight bytes of a hash are enough to tell sessions apart"),
		no(wrong.ExpiredCounts, "sign-in and sign-out", "Redis expires what is old"),
		no(wrong.ErrorSignsOut, "sign-in and sign-out", "without a session that can be loaded nobody is signed in"),
		no(wrong.DeleteFirst, "sign-in and sign-out", "first the copy, then the session, so that no copy is left over"),
		no(wrong.StaysSignedIn, "sign-in and sign-out", "the cookie is gone, so a sign-out always succeeds"),

		no(wrong.NeedsRedis, "redis gone", "errors are returned, as everywhere else", "entries", "without redis", "start without redis"),
		no(wrong.WaitsForRedis, "without redis", "the client's defaults are well chosen", "start without redis", "redis gone"),
		no(wrong.PatientSecond, "without redis", "a second is short, and the page comes all the same", "start without redis", "redis gone"),
		no(wrong.Impatient, "late redis", "Redis answers in less than a millisecond"),
		no(wrong.TriesAgain, "without redis", "a call that fails may well succeed the next time"),
		no(wrong.OnePlace, "late redis", "one connection is enough for a server that answers in less than a millisecond", "redis gone"),
		no(wrong.HastyCrowd, "late redis", "who waits for a connection waits for Redis, and that has its limit", "redis gone"),
		no(wrong.BypassUncounted, "without redis", "what was not looked for was neither a hit nor a miss"),
		no(wrong.AbsentIsHit, "absences", "Redis had an entry, and that is a hit"),
		no(wrong.BrokenIsHit, "entries", "Redis had an entry, and that is a hit"),
		no(wrong.CreateNeeds, "without redis", "write-through means that both writes succeed"),
		no(wrong.DeleteNeeds, "without redis", "nobody may be told that they are signed out while a copy is left"),
		no(wrong.RateNeeds, "without redis", "a rating that does not show is an error"),
		no(wrong.PingsAtStart, "start without redis", "a wrong address should show at the start, and not at dinner"),
		no(wrong.GivesUpRedis, "start without redis", "without Redis at the start the service works without a cache"),
	}
	rights := []frame.Right{
		yes(wrong.CoreOnly, "the core steps are finished and the deep dives are not", "stampede", "price change", "redis gone", "without redis", "sign-in and sign-out"),
		yes(wrong.Generations, "pages are kept whole, and one key ends all of them at each change", "own pages", "every page", "price change"),
		yes(wrong.WholeMenu, "the whole menu is one entry, from which each replica picks its pages", "own pages", "every page", "shared page"),
		yes(wrong.Tombstones, "sessions are hashes, and a sign-out leaves a mark in place of a deletion", "sign-in and sign-out", "entries", "without redis"),
		yes(wrong.LongLived, "all is kept for nearly as long as the lesson allows", "oldest answers", "expiry"),
	}
	labtest.Answers(t, frame.Answers{Wrong: wrongs, Right: rights})
}
