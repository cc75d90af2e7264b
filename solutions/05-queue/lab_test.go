package queue_test

import (
	"testing"

	"bytebites.example/workshop/labs/05-queue/spec"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/05-queue"
	"bytebites.example/workshop/solutions/05-queue/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   queue.Files(),
		Package: "./solutions/service",
		Args:    []string{"--through", "05"},
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
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		// What it has acknowledged and not done yet changes orders after the queues are empty.
		variant(wrong.AckBeforeWork, "worker killed", "the broker need not keep what a worker has, and what fails the worker can try again itself",
			"duplicates"),
		// The events of its orders are never in an outbox.
		variant(wrong.PublishWithoutOutbox, "broker down", "a broker with confirms is there to be relied on: why write everything down twice?", "unroutable"),
		// Messages that a killed broker had not read are lost too, and returned messages are not noticed.
		variant(wrong.NoConfirms, "lost on the way", "what was written to the connection without an error has arrived: TCP sees to that", "broker down", "unroutable"),
		// The check kills the workers to remove the poison. They bind their queues again when they start.
		variant(wrong.PoisonForEver, "poison", "what fails is put back: it will go better some time, and nothing is ever lost", "unroutable"),
		// A message comes again whenever a worker dies or finds a claim taken, and unroutable ones as above.
		variant(wrong.EffectsTwice, "duplicates", "the broker hands each message to one worker, and an acknowledged message does not come again",
			"lost on the way", "broker down", "replay", "worker killed", "poison", "mail begun", "unroutable"),
	}})
}
