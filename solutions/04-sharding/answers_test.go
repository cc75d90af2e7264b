package sharding_test

import (
	"slices"
	"testing"

	"bytebites.example/workshop/labs/04-sharding/spec"
	"bytebites.example/workshop/shared/bytebites/service"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/04-sharding/wrong"
)

// variant returns the subject of an answer that is a part of the service.
func variant(name string) spec.Subject {
	s := solution()
	s.Name, s.Args = name, append(s.Args, "--variant", name)
	s.Apply = func(c *service.Composition) { // as the service applies it
		sharding.Apply(c)
		wrong.Variants()[name](c)
	}
	return s
}

// ofService returns a wrong answer that is a part of the service.
func ofService(name, check, why string, also ...string) frame.Wrong {
	return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(variant(name)), Also: also}
}

// inProcess returns a wrong answer that is called in the process of the checks only.
func inProcess(name, check string, apply func(*service.Composition), why string, also ...string) frame.Wrong {
	s := solution()
	s.Name, s.Apply = name, apply
	return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(s), Also: also}
}

// ofRouter returns a wrong answer whose router has a flaw.
func ofRouter(name, check string, flaw wrong.RouterFlaw, why string, also ...string) frame.Wrong {
	s := solution()
	s.Name, s.Router, s.Apply = name, flaw.Router(), flaw.Apply
	return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(s), Also: also}
}

func TestAnswers(t *testing.T) {
	labtest.Answers(t, frame.Answers{
		Wrong: slices.Concat(wrongServices(), wrongRouters(), wrongStores(), wrongMovers(), wrongSwitches(), wrongSettles(), []frame.Wrong{publishesHomes()}),
		Right: rightAnswers(),
	})
}

// ofStep returns the flaw of a step: the solution with the starter's code of that step.
func ofStep(step int, w frame.Wrong) frame.Wrong {
	w.Flaw = step
	return w
}

// publishesHomes returns the flaw of step 6, whose HandOver is called by a check too.
func publishesHomes() frame.Wrong {
	s := solution()
	s.Name, s.HandOver, s.Apply = "publishes-homes", wrong.PublishHomes, wrong.ApplyPublishHomes
	return frame.Wrong{Name: s.Name, Check: "hand over", Flaw: 6, Lab: spec.Lab(s),
		Why: "settled a moment ago, so both servers have the same rows, and the map can change while subscribers write"}
}

// plainDoubleWrites returns the flaw of step 4, whose stores a check calls on paper too.
func plainDoubleWrites() frame.Wrong {
	s := solution()
	s.Name, s.Apply, s.Stores = "plain-double-writes", wrong.ApplyPlainDoubleWrites, wrong.PlainDoubleWrites().Stores
	return frame.Wrong{Name: s.Name, Check: "marked writes", Lab: spec.Lab(s),
		Why:  "each request makes its own copy, and says so when that fails",
		Also: []string{"double writes", "uncopied copies", "own mover", "own verify", "own backfill", "own fifth shard"}}
}

func wrongServices() []frame.Wrong {
	signed, byRange, colliding := solution(), variant(wrong.RangeOfIDs), variant(wrong.CollidingIDs)
	signed.Name, signed.Router = wrong.SignedModulo, wrong.Signed()
	byRange.Router = wrong.ByRange()
	colliding.Router = wrong.Colliding()
	return []frame.Wrong{
		// The checks of router.go reject these three without any server.
		{
			Name: wrong.SignedModulo, Check: "buckets", Lab: spec.Lab(signed),
			// The others call Bucket too, and get numbers that are no buckets.
			Also: []string{"ids", "hot shard", "places"},
			Why:  "a hash modulo the number of buckets is what every article says, and most languages have no other integers",
		},
		{
			Name: wrong.RangeOfIDs, Check: "hot shard", Lab: spec.Lab(byRange),
			// Ids of another form than those of today are all in the last bucket.
			Also: []string{"buckets"},
			Why:  "ranges are how everything else is divided, and one server can answer what is asked about a month",
		},
		{
			Name: wrong.CollidingIDs, Check: "ids", Lab: spec.Lab(colliding),
			// The contract places several orders of one subscriber within a millisecond.
			Also: []string{"contract"},
			Why:  "the bucket and the millisecond: who orders twice in one?",
		},
		ofService(wrong.OverwritesNewer, "migration", "the batch was read a moment ago, so it is what there is", "way back"),
		ofService(wrong.IgnoresSecondFailure, "uncopied copies", "the write is safe at home and the failure is in the log: somebody will look",
			"migration", "way back", "maps of a move"),
		ofService(wrong.BusyForAll, "contract", "who writes can only wait or try again", "contract on shards", "ids on replicas", "migration", "way back", "fifth shard"),
		ofService(wrong.NoPreflight, "preflight", "the mover is started by somebody who knows the server"),
		ofService(wrong.NoCompensation, "stock", "reserve, place, confirm: what fails is an error, and errors are returned"),
		ofService(wrong.ElsewhereWhenDown, "home that hangs", "there are four servers, so why should anybody see an error because of one?",
			"stock", "one shard down", "failed copies", "enough answers", "closed fences"),
		ofService(wrong.AsksEveryServer, "everybody once", "who wants to know it all must ask them all, and the old server still answers",
			"totals", "by user", "failed copies", "enough answers", "closed fences"),
	}
}

func wrongRouters() []frame.Wrong {
	type flaw = wrong.RouterFlaw
	return []frame.Wrong{
		ofRouter("seed-of-second", "processes", flaw{SeedOfSecond: true}, "a random source is seeded with the time, as in every tutorial"),
		ofRouter("seeded-hash", "processes", flaw{SeededHash: true}, "maphash is the library's own, and quick"),
		ofRouter("weak-hash", "buckets", flaw{WeakHash: true}, "FNV-1a is a hash, and 32 bits are more than 1,024"),
		ofRouter("trusts-ids", "ids", flaw{TrustsIDs: true}, "an id that was made here is read as it was made"),
		ofStep(1, ofRouter("plans-by-turns", "plan", flaw{PlansByTurns: true}, "bucket by bucket to each server in turn is even",
			"fifth shard", "own fifth shard")),
		ofRouter("plans-in-map-order", "plan", flaw{PlansInMapOrder: true}, "the room of each server is a map, and any server with room will do"),
		ofRouter("first-get-rest", "plan", flaw{FirstGetRest: true}, "some servers get one more, and the list has an order"),
		ofRouter("sorts-callers-list", "plan", flaw{SortsList: true}, "it is sorted by what its servers have now"),
		ofRouter("keeps-leaving", "plan", flaw{KeepsLeaving: true}, "a server that has buckets is a server, on the list or not"),
		ofRouter("no-mirror-back", "places", flaw{NoMirrorBack: true}, "after the flip the shard has it all"),
		ofRouter("new-while-empty", "places", flaw{NewWhileEmpty: true}, "every id is behind the empty one"),
		ofRouter("new-behind", "places", flaw{NewBehind: true}, "new are those who come after"),
		ofRouter("flips-early", "places", flaw{FlipsEarly: true}, "in dark-reads the shards are read, so they are home"),
	}
}

func wrongStores() []frame.Wrong {
	type flaw = wrong.StoresFlaw
	of := func(name, check string, f flaw, why string, also ...string) frame.Wrong {
		s := solution()
		s.Name, s.Apply, s.Stores = name, f.Apply, f.Stores
		return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(s), Also: also}
	}
	return []frame.Wrong{
		of("reads-target", "home answers", flaw{ReadsTarget: true}, "what was verified can be read where it will be"),
		of("asks-mirror", "home that hangs", flaw{ReadsMirrorToo: true}, "the mirror has a copy, and a copy is better than an error"),
		of("no-read-limit", "home that hangs", flaw{NoReadLimit: true}, "the request has a deadline of its own"),
		of("no-write-limit", "home that hangs", flaw{NoWriteLimit: true}, "a write must not be given up half-way"),
		of("hides-outage", "home that hangs", flaw{HidesOutage: true}, "what cannot be read was not found"),
		of("new-unmirrored", "double writes", flaw{OnlyOldMirrored: true}, "new subscribers have nothing on the old server", "late copies"),
		of("copy-not-noted", "double writes", flaw{CopyNotNoted: true}, "the mirror has it, and that is what counts", "marked writes"),
		ofStep(3, of("no-fence", "refused writes", flaw{NoFence: true}, "the map was read a moment ago", "closed fences")),
		of("gives-up-when-moved", "refused writes", flaw{GivesUpWhenMoved: true}, "a client that is told 503 tries again", "closed fences"),
		of("keeps-old-map", "refused writes", flaw{RetriesOldMap: true}, "the map is read four times a second anyway", "closed fences"),
		of("waits-for-ever", "closed fences", flaw{WaitsForEver: true}, "a switch ends, sooner or later"),
		of("moved-to-caller", "closed fences", flaw{ErrMovedToCaller: true}, "the last error says best what happened"),
		of("no-mark", "marked writes", flaw{NoMark: true}, "the copy follows at once", "double writes"),
		of("mark-after-commit", "marked writes", flaw{MarkAfterCommit: true}, "a mark for a write that failed would be a lie", "failed copies", "late copies", "marks"),
		of("mark-before", "marks", flaw{MarkBefore: true}, "the mark is there before the write, so no write is without one", "marked writes"),
		of("copy-error-to-caller", "marked writes", flaw{CopyErrorToCaller: true}, "an error is not swallowed", "failed copies"),
		of("silent-copy", "failed copies", flaw{SilentCopy: true}, "the mover finds it, so why cry?", "marked writes"),
		of("no-copy-limit", "marked writes", flaw{NoCopyLimit: true}, "the copy must arrive", "failed copies"),
		of("copy-of-client", "client leaves", flaw{CopyOfClient: true}, "contexts are passed on", "marked writes"),
		of("checks-outside", "late copies", flaw{ChecksOutside: true}, "the versions were compared just before", "marked writes"),
		ofStep(5, inProcess("copy-over-newer", "late copies", wrong.ApplyCopyOverNewer, "what was just written is the newest there is")),
		ofStep(4, plainDoubleWrites()),
		ofStep(2, of("one-by-one", "gathering", flaw{OneByOne: true}, "an answer that lacks a server is wrong, so an error is an error", "totals", "enough answers")),
		of("asks-targets", "gathering", flaw{AsksTargets: true}, "new subscribers live on the targets", "everybody once"),
		of("asks-first", "gathering", flaw{AsksFirst: true}, "every server has the popular meals", "everybody once"),
		of("needs-all", "gathering", flaw{NeedsAll: true}, "a total that lacks a server is wrong", "enough answers"),
		of("half-rounded-down", "gathering", flaw{RoundsDown: true}, "half of the servers is their number divided by two", "enough answers"),
		of("any-is-enough", "gathering", flaw{AnyIsEnough: true}, "something is better than nothing", "enough answers"),
		of("none-is-enough", "gathering", flaw{NoneIsEnough: true}, "what has come is added up", "enough answers"),
		of("silent-partial", "enough answers", flaw{SilentPartial: true}, "the page is there, and nobody complains", "gathering"),
		of("no-dark-reads", "dark reads", flaw{NoDarkReads: true}, "verify has compared all of it"),
		of("dark-reads-of-old", "dark reads", flaw{DarkReadsOfOld: true}, "new subscribers are on the shards already"),
		of("counts-each-server", "gathering", flaw{CountsEach: true}, "two servers are missing, so two are counted"),
		of("counts-whole-answers", "gathering", flaw{CountsWhole: true}, "the meter knows how many were asked"),
		of("server-limit-for-all", "gathering", flaw{NoTotalsLimit: true}, "each question has a limit already"),
		of("silent-refusal", "gathering", flaw{SilentError: true}, "an error is no answer, and the limit ends the wait"),
		of("unbuffered-answers", "gathering", flaw{Unbuffered: true}, "each answer has a receiver: as many are received as were asked"),
		of("retries-busy", "refused writes", flaw{RetriesBusy: true}, "a busy server has room a moment later"),
		of("retries-at-once", "refused writes", flaw{NoPause: true}, "the sooner the map is read again, the sooner the write is made"),
		of("retries-for-nobody", "refused writes", flaw{RetriesForNobody: true}, "a write that was begun is ended"),
		of("reads-map-first", "refused writes", flaw{ReadsMapFirst: true}, "with the newest map no fence refuses anything"),
		of("copies-failed-writes", "refused writes", flaw{CopiesFailedWrites: true}, "the copy has what home has, whatever came of the write", "marked writes"),
		of("marks-all", "marked writes", flaw{MarksAll: true}, "a mark without a copy is harmless"),
		of("mark-outside", "marked writes", flaw{MarkOutside: true}, "a mark must not be lost when the client leaves"),
		of("mark-error-logged", "marked writes", flaw{MarkErrorLogged: true}, "the change is what the subscriber wants"),
		of("copies-inside", "marked writes", flaw{CopiesInside: true}, "in one transaction both servers have it, or none"),
		of("counts-all-copies", "marked writes", flaw{CountsAll: true}, "how many failed is their share of all"),
		of("copy-noted-first", "marked writes", flaw{NotedFirst: true}, "a note that is missing makes one more copy"),
		of("failed-copy-noted", "marked writes", flaw{NotedAnyway: true}, "what was tried is noted, and the error is in the log"),
		of("copy-in-two-transactions", "one transaction", flaw{TwoTransactions: true}, "the versions were compared and set, so no other copy comes between"),
		of("waits-for-dark-read", "dark reads", flaw{WaitsForDarkRead: true}, "both answers are needed to compare them"),
	}
}

func wrongMovers() []frame.Wrong {
	type flaw = wrong.MoverFlaw
	of := func(name, check string, f flaw, why string, also ...string) frame.Wrong {
		return inProcess(name, check, f.Apply, why, also...)
	}
	return []frame.Wrong{
		of("never-verifies", "verify stops", flaw{NeverVerifies: true}, "the backfill has copied all of it"),
		of("verifies-sample", "verify stops", flaw{VerifiesSample: true}, "one in two hundred finds what is common"),
		of("verifies-once", "verify stops", flaw{VerifiesOnce: true}, "a walk has a cursor, and goes on where it was"),
		of("only-logs", "verify stops", flaw{OnlyLogs: true}, "somebody reads the log"),
		of("flips-unread", "dark reads stop", flaw{NoDarkReads: true}, "the phase is there for those who read"),
		of("ignores-dark-reads", "dark reads stop", flaw{IgnoresDifferences: true}, "a few differ in any system"),
		of("starts-over", "backfill resumes", flaw{StartsOver: true}, "a batch may be copied twice"),
		of("one-batch", "backfill resumes", flaw{OneBatch: true}, "one statement is quicker than many"),
		of("closes-for-ever", "closing ends", flaw{ClosesForEver: true}, "what is left to copy is copied in a moment"),
		of("forgets-at-once", "maps of a move", flaw{ForgetsAtOnce: true}, "everybody reads the new map", "nothing left"),
		of("publishes-flip", "maps of a move", flaw{PublishesFlip: true}, "both servers have all of it", "nothing left"),
		of("new-from-clock", "maps of a move", flaw{NewFromClock: true}, "new are those who join from now on"),
		of("back-from-done", "maps of a move", flaw{BackFromDone: true}, "when nothing is to do, all is well"),
		of("counts-leftovers", "nothing left", flaw{CountsLeftovers: true}, "they are deleted in a moment"),
		of("leaves-strays", "nothing left", flaw{LeavesStrays: true}, "nobody looks there any more", "fifth shard"),
	}
}

func wrongSwitches() []frame.Wrong {
	type flaw = wrong.SwitchFlaw
	of := func(name string, f flaw, why string, also ...string) frame.Wrong {
		s := solution()
		s.Name, s.HandOver, s.Apply = name, f.HandOver, f.Apply
		return frame.Wrong{Name: name, Check: "hand over", Lab: spec.Lab(s), Why: why, Also: also}
	}
	return []frame.Wrong{
		of("settles-only-inside", flaw{OnlyInside: true}, "what counts is the last copy, behind the fences"),
		of("retries-any-error", flaw{AnyError: true}, "an error may be gone at the next try"),
		of("closes-after-failed-copies", flaw{CopiesOn: true}, "the first copies only save time, and the last ones are made behind the fences"),
		of("switches-once", flaw{Once: true}, "a mover that fails is started again"),
		of("chooses-before", flaw{NextBefore: true}, "the less is done behind the fences, the shorter they are closed"),
		of("one-limit-for-all", flaw{OneLimit: true}, "two seconds are two seconds"),
		of("closed-as-long-as-writers-wait", flaw{LongClosed: true}, "writers try for three seconds"),
		of("settles-before-first-try", flaw{SettlesOnce: true}, "it was settled a moment ago"),
		of("retries-any-deadline", flaw{AnyDeadline: true}, "a deadline is a deadline"),
		of("retries-named-limit", flaw{NamedLimit: true}, "an error that is due to the limit says so"),
		of("chooses-beyond-the-limit", flaw{NextOn: true}, "the new map must be chosen"),
		of("switches-on-when-stopped", flaw{Deaf: true}, "a switch that was begun is ended"),
		of("settles-again-after-failure", flaw{SettlesAgain: true}, "copies may fail for a moment"),
		of("switches-again-when-done", flaw{AgainWhenDone: true}, "the limit has ended, so it begins again", "closing ends"),
		of("settles-beyond-the-limit", flaw{SettlesOn: true}, "the last copies must be made", "closing ends"),
	}
}

func wrongSettles() []frame.Wrong {
	type flaw = wrong.SettleFlaw
	of := func(name string, f flaw, why string, also ...string) frame.Wrong {
		s := solution()
		s.Name, s.Settle, s.Apply = name, f.Settle, f.Apply
		return frame.Wrong{Name: name, Check: "marked writes", Lab: spec.Lab(s), Why: why, Also: also}
	}
	return []frame.Wrong{
		of("settles-sources", flaw{SourceOnly: true}, "the source is home until the flip", "uncopied copies"),
		of("settles-targets", flaw{TargetOnly: true}, "after the flip the target is home"),
		of("settles-each-pool", flaw{EachPool: true}, "a server that is not in use has no marks"),
		of("settles-one-batch", flaw{OneBatch: true}, "copies rarely fail, so few are left"),
		of("settles-whole-server", flaw{WholeServer: true}, "one question is quicker than many"),
		of("settles-from-the-first", flaw{FromTheFirst: true}, "who was copied is not found again"),
		of("settle-logs-failures", flaw{CopyErrorLogged: true}, "the mark stays, so the next settle copies it"),
		of("settle-skips-silent-server", flaw{SilentServer: true}, "a server that does not answer gets no writes either"),
		of("settle-never-ends", flaw{Deaf: true}, "the last copies must be made"),
	}
}

func rightAnswers() []frame.Right {
	other, later, last := variant(wrong.OtherRouter), variant(wrong.LaterCopies), variant(wrong.LastMarks)
	other.Router = wrong.Other()
	later.Stores, last.Stores = wrong.StoresFlaw{CopiesLater: true}.Stores, wrong.StoresFlaw{MarksLast: true, NeedsMost: true}.Stores
	return []frame.Right{
		{
			Name: wrong.OtherRouter, Lab: spec.Lab(other),
			Why:    "another hash, ids of another form, and a plan that takes from the fullest server: stores and mover follow it",
			Checks: []string{"buckets", "ids", "processes", "plan", "hot shard", "places", "double writes", "everybody once"},
		},
		{
			Name: wrong.LaterCopies, Lab: spec.Lab(later),
			Why:    "the copy follows the answer",
			Checks: []string{"gathering", "refused writes", "marked writes", "double writes", "closed fences", "marks", "failed copies", "late copies", "enough answers", "dark reads"},
		},
		{
			Name: wrong.LastMarks, Lab: spec.Lab(last),
			Why:    "the mark follows the change in its transaction, and a display needs three of four answers",
			Checks: []string{"gathering", "marked writes", "double writes", "marks", "enough answers"},
		},
	}
}
