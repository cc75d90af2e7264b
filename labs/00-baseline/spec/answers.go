package spec

// Answer is one of a few words.
type Answer string

// The answers there are.
const (
	Unanswered Answer = ""

	Computing  Answer = "computing"       // the service's own CPU
	Database   Answer = "the database"    // statements, and waiting for a connection
	MailServer Answer = "the mail server" // waiting for it to take the confirmation

	Kept      Answer = "kept"
	Forgotten Answer = "forgotten"
)

// Answers is what a learner found out about the monolith.
type Answers struct {
	// SlowTable is the table behind the statement that takes most of the database's
	// time before the learner's index is there.
	SlowTable string
	// OrderWaitsFor is what an order mostly waits for after that: Computing, Database
	// or MailServer.
	OrderWaitsFor Answer
	// KneePerSecond is the highest rate, in requests a second, that meets the service
	// level: 99 % of requests succeed, and 95 % take under 200 ms.
	KneePerSecond float64
	// Restart is what happens to each kind of state when the process is killed and
	// started again.
	Restart Restart
}

// Restart says of each kind of state whether a restart of the service keeps it.
type Restart struct {
	Sessions, Carts, Orders, Meals Answer
}
