package horizontal

import "bytebites.example/workshop/labs/02-horizontal/answer"

// Answers says which parts of the service are stateless, as lab 01 left it, and why.
func Answers() answer.Sheet {
	return answer.Sheet{
		// TODO(lab 02): of each part, is it answer.Stateless or answer.Stateful? Because
		// answer.OnlyHere, answer.OnlyACopy or answer.OnlyInTheDatabase? README.md says
		// where to look. Think of what happens when the process dies, and of a request that
		// another process gets.
		Authentication:  answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Orders:          answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Catalogue:       answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Recommendations: answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
	}
}
