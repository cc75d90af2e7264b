// Package answer holds the words of the answers of lab 00. It is given. It imports nothing, so that a
// service with a lab's code does not contain the lab's checks.
package answer

// Word is one of a few words.
type Word string

// The words there are.
const (
	Unanswered Word = ""

	Computing  Word = "computing"       // the service's own CPU
	Database   Word = "the database"    // statements, and waiting for a connection
	MailServer Word = "the mail server" // waiting for it to take the confirmation

	Kept      Word = "kept"
	Forgotten Word = "forgotten"
)

// Sheet holds the answers about the monolith.
type Sheet struct {
	// SlowTable is the table behind the statement that takes most of the database's
	// time before the learner's index is there.
	SlowTable string
	// OrderWaitsFor is what an order mostly waits for after that: Computing, Database
	// or MailServer.
	OrderWaitsFor Word
	// KneePerSecond is the highest rate, in requests a second, that meets the service
	// level: 99 % of requests succeed, and 95 % take under 200 ms.
	KneePerSecond float64
	// Restart says which state survives when the process is killed and started again.
	Restart Restart
}

// Restart says of each kind of state whether a restart of the service keeps it.
type Restart struct {
	Sessions, Carts, Orders, Meals Word
}
