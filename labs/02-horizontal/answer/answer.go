// Package answer holds the words of the answers of lab 02. It is given. It imports nothing, so that a
// service with a lab's code does not contain the lab's checks.
package answer

// Word is one of a few words.
type Word string

// The words there are.
const (
	Unanswered Word = ""

	// Stateless means that any replica can serve any request of the part, and that the part
	// loses nothing when a replica dies.
	Stateless Word = "stateless"
	// Stateful means that one of the two is not true.
	Stateful Word = "stateful"

	// OnlyHere says that the process remembers data that exists nowhere else.
	OnlyHere Word = "only this process knows it"
	// OnlyACopy says that the process remembers data that it can read again.
	OnlyACopy Word = "what this process remembers is a copy"
	// OnlyInTheDatabase says that the process remembers nothing from one request to the next.
	OnlyInTheDatabase Word = "only the database remembers"
)

// Part is the answer about one part of the service.
type Part struct {
	Is      Word // Stateless or Stateful
	Because Word // OnlyHere, OnlyACopy or OnlyInTheDatabase
}

// Sheet holds the answers about the service of lab 01.
type Sheet struct {
	Authentication  Part // the sessions of subscribers
	Orders          Part // placing one and looking it up
	Catalogue       Part // the meals, and the filters of the page
	Recommendations Part // a week of meals for a subscriber
}
