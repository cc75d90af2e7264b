package horizontal

import "bytebites.example/workshop/labs/02-horizontal/answer"

// Answers says which parts of the service are stateless, as lab 01 left it, and why.
func Answers() answer.Sheet {
	return answer.Sheet{
		// TODO(lab 02): say for each part whether it is answer.Stateless or
		// answer.Stateful, because of answer.OnlyHere, answer.OnlyACopy or
		// answer.OnlyInTheDatabase. README.md says where to look. What happens when the
		// process dies? What happens to a request that another process gets?
		Authentication:  answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Orders:          answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Catalogue:       answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
		Recommendations: answer.Part{Is: answer.Unanswered, Because: answer.Unanswered},
	}
}
