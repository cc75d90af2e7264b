package horizontal

import "bytebites.example/workshop/labs/02-horizontal/answer"

// Answers says which parts of the service are stateless, as lab 01 left it. WHY.md tells
// where to see it.
func Answers() answer.Sheet {
	return answer.Sheet{
		Authentication:  answer.Part{Is: answer.Stateful, Because: answer.OnlyHere},
		Orders:          answer.Part{Is: answer.Stateless, Because: answer.OnlyInTheDatabase},
		Catalogue:       answer.Part{Is: answer.Stateless, Because: answer.OnlyACopy},
		Recommendations: answer.Part{Is: answer.Stateless, Because: answer.OnlyACopy},
	}
}
