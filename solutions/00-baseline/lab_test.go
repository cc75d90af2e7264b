package baseline_test

import (
	"testing"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/labs/00-baseline/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/00-baseline/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   baseline.Files(),
		Answers: baseline.Answers(),
		Package: "./solutions/service",
		Args:    []string{"--through", "00"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestAnswers(t *testing.T) {
	// but returns the lab on the solution with one answer changed.
	but := func(change func(*answer.Sheet)) frame.Lab {
		s := solution()
		change(&s.Answers)
		return spec.Lab(s)
	}
	turned := solution()
	turned.Args = append(turned.Args, "--variant", wrong.PlacedAtFirst)
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		{
			Name: wrong.PlacedAtFirst, Check: "index",
			Why: "the latest orders are wanted first, so the date seems to belong first in the index",
			// What an order waits for is asked only of a service with the index.
			Also: []string{"order waits for"},
			Lab:  spec.Lab(turned),
		},
		{
			Name: "lines-are-slow", Check: "slow table",
			Why: "every order has several lines, so theirs is the larger table",
			Lab: but(func(s *answer.Sheet) { s.SlowTable = "order_lines" }),
		},
		{
			Name: "planning-is-slow", Check: "order waits for",
			Why: "planning a week of meals is what sounds like work, and a profile of the CPU shows little else",
			Lab: but(func(s *answer.Sheet) { s.OrderWaitsFor = answer.Computing }),
		},
		{
			Name: "sessions-kept", Check: "restart",
			Why: "the browser still holds its cookie after a restart, so the session seems to be there",
			Lab: but(func(s *answer.Sheet) { s.Restart.Sessions = answer.Kept }),
		},
	}})
}
