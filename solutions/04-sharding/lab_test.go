package sharding_test

import (
	"testing"

	"bytebites.example/workshop/labs/04-sharding/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/04-sharding/wrong"
)

// solution returns the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   sharding.Files(),
		Router:  sharding.NewRouter(),
		Package: "./solutions/service",
		Args:    []string{"--through", "04"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestFull(t *testing.T) { labtest.Full(t, spec.Full(solution())) }

func TestAnswers(t *testing.T) {
	// variant returns a wrong answer that is a part of the service.
	variant := func(name, check, why string, also ...string) frame.Wrong {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(s), Also: also}
	}
	signed, byRange, colliding := solution(), solution(), solution()
	signed.Router = wrong.Signed()
	byRange.Router, byRange.Args = wrong.ByRange(), append(byRange.Args, "--variant", wrong.RangeOfIDs)
	colliding.Router, colliding.Args = wrong.Colliding(), append(colliding.Args, "--variant", wrong.CollidingIDs)
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
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
		variant(wrong.OverwritesNewer, "migration", "the batch was read a moment ago, so it is what there is", "way back"),
		variant(wrong.IgnoresSecondFailure, "migration", "the write is safe at home and the failure is in the log: somebody will look", "way back"),
		variant(wrong.NoCompensation, "stock", "reserve, place, confirm: what fails is an error, and errors are returned"),
		variant(wrong.ElsewhereWhenDown, "one shard down", "there are four servers, so why should anybody see an error because of one?", "stock"),
		variant(wrong.AsksEveryServer, "by user", "who wants to know it all must ask them all, and the old server still answers", "totals"),
	}})
}
