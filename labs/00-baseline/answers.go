package baseline

import "bytebites.example/workshop/labs/00-baseline/answer"

// Answers returns your findings about the monolith. The check writes the files that the comments
// name to .workshop/00-baseline.
func Answers() answer.Sheet {
	return answer.Sheet{
		// TODO(lab 00), step 1: name the table of the statement that takes most of the
		// database's time. See statements.txt.
		SlowTable: "",

		// TODO(lab 00), step 3: with the index in place, name the part of the system that takes
		// most of an order's time: answer.Computing, answer.Database or answer.MailServer. See
		// order-steps.txt.
		OrderWaitsFor: answer.Unanswered,

		// TODO(lab 00), step 4: say for each kind of state whether a restart of the service
		// keeps it: answer.Forgotten or answer.Kept. See restart.txt. Forgotten state lives in
		// the process, so that part of the service is not stateless.
		Restart: answer.Restart{
			Sessions: answer.Unanswered,
			Carts:    answer.Unanswered,
			Orders:   answer.Unanswered,
			Meals:    answer.Unanswered,
		},

		// TODO(lab 00), step 5: give the knee in requests a second. This is the highest rate at
		// which 99 % of requests succeed and 95 % of them take under 200 ms. See ramp.txt.
		KneePerSecond: 0,
	}
}
