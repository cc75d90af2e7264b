package vertical_test

import (
	"testing"

	"bytebites.example/workshop/labs/01-vertical/spec"
	"bytebites.example/workshop/shared/instance"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/01-vertical"
	"bytebites.example/workshop/solutions/01-vertical/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   vertical.Files(),
		Size:    vertical.Size,
		Package: "./solutions/service",
		Args:    []string{"--through", "01"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestFull(t *testing.T) { labtest.Full(t, spec.Full(solution())) }

func TestAnswers(t *testing.T) {
	variant := func(name string) frame.Lab {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		return spec.Lab(s)
	}
	noHeadroom := solution()
	noHeadroom.Size = cheapestThatJustHolds
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		{
			Name: wrong.LockKept, Check: "side by side", Lab: variant(wrong.LockKept),
			Why: "the mail has left the transaction, so the lock seems to do no harm",
		},
		{
			Name: wrong.MailInTransaction, Check: "free connections", Lab: variant(wrong.MailInTransaction),
			Why: "no order without a confirmation: the transaction seems to promise just that",
			// What undoes the order when the mail fails is the same mistake.
			Also: []string{"mail down"},
		},
		{
			Name: wrong.MailsOnReplay, Check: "one mail", Lab: variant(wrong.MailsOnReplay),
			Why: "an order that says that its mail is not out should be mailed, and the lock that made that safe is gone",
		},
		{
			Name: wrong.MailAndForget, Check: "one mail", Lab: variant(wrong.MailAndForget),
			Why: "nobody should wait for a mail, and go is one word",
			// Nobody learns that the mail failed, and few get as far as the mail server.
			Also: []string{"mail down", "side by side"},
		},
		{
			Name: wrong.EndlessPool, Check: "pool", Lab: variant(wrong.EndlessPool),
			Why: "if one connection is too few, why have a limit at all",
		},
		{
			Name: wrong.PoolOfOne, Check: "pool", Lab: variant(wrong.PoolOfOne),
			Why: "once nothing holds the connection for long, one seems to be enough",
		},
		{
			Name: "no-headroom", Check: "size", Lab: spec.Lab(noHeadroom),
			Why: "the size that was measured at the peak's rate holds the peak, by the letter",
		},
	}})
}

// cheapestThatJustHolds forgets that a machine near saturation is a queue.
func cheapestThatJustHolds(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	var best instance.Type
	found := false
	for _, size := range measured {
		if size.Goodput >= peak && (!found || size.Type.PriceMicros < best.PriceMicros) {
			best, found = size.Type, true
		}
	}
	return best, found
}
