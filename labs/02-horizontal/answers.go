package horizontal

import "bytebites.example/workshop/labs/02-horizontal/answer"

// Answers says which parts of the service of lab 01 are stateless, and why.
func Answers() answer.Sheet {
	return answer.Sheet{
		// TODO(lab 02), step 1: set Is to answer.Stateless or answer.Stateful. Set Because to
		// answer.OnlyHere, answer.OnlyACopy or answer.OnlyInTheDatabase. README.md says where to
		// look. What is lost when the process dies? Can another process serve the next request?
		Authentication:  answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Orders:          answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Catalogue:       answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Recommendations: answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
	}
}
