package baseline

import "bytebites.example/workshop/labs/00-baseline/answer"

// Answers is what you found out about the monolith. The files that it speaks of are in
// the folder that `check 00` names.
func Answers() answer.Sheet {
	return answer.Sheet{
		// TODO(lab 00): name the table of the statement that takes most of the database's
		// time. See statements.txt.
		SlowTable: "",

		// TODO(lab 00): name what an order mostly waits for once that statement is fast:
		// answer.Computing, answer.Database or answer.MailServer. See order-steps.txt.
		OrderWaitsFor: answer.Unanswered,

		// TODO(lab 00): give the knee in requests a second: the highest rate at which 99 %
		// of requests succeed and 95 % of them take under 200 ms. See ramp.txt.
		KneePerSecond: 0,

		// TODO(lab 00): say for each kind of state whether a restart of the service keeps
		// it: answer.Forgotten or answer.Kept. Forgotten state lives in the process, so
		// that part of the service is not stateless.
		Restart: answer.Restart{
			Sessions: answer.Unanswered,
			Carts:    answer.Unanswered,
			Orders:   answer.Unanswered,
			Meals:    answer.Unanswered,
		},
	}
}
