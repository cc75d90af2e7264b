// Package answer is the words that lab 02 is answered in. It imports nothing, so that a
// service which carries a lab's code does not carry what checks it.
package answer

// Word is one of a few words.
type Word string

// The words there are.
const (
	Unanswered Word = ""

	// Stateless is a part of which any replica can serve any request, and of which nothing
	// is lost with a replica.
	Stateless Word = "stateless"
	// Stateful is a part of which that is not true.
	Stateful Word = "stateful"

	// OnlyHere says that the process remembers something that nobody else knows.
	OnlyHere Word = "only this process knows it"
	// OnlyACopy says that the process remembers something, and can get it again.
	OnlyACopy Word = "what this process remembers is a copy"
	// OnlyInTheDatabase says that the process remembers nothing from one request to the next.
	OnlyInTheDatabase Word = "only the database remembers"
)

// Part is what is found out about a part of the service.
type Part struct {
	Is      Word // Stateless or Stateful
	Because Word // OnlyHere, OnlyACopy or OnlyInTheDatabase
}

// Sheet is the parts of the service as lab 01 left it.
type Sheet struct {
	Authentication  Part // who is signed in
	Orders          Part // placing one and looking it up
	Catalogue       Part // the meals, and the filters of the page
	Recommendations Part // a week of meals for a subscriber
}
