// Package answer holds the words of the answers of lab 06. It is given.
package answer

// Word is one of a few words.
type Word string

// The words there are.
const (
	Unanswered Word = ""

	Load     Word = "load"     // more or fewer requests a second
	Noise    Word = "noise"    // readings that differ although the load does not
	Starting Word = "starting" // replicas that run and do not serve yet
)

// Sheet holds the answers about trace.txt.
type Sheet struct {
	// Changes is how often the number of running replicas changed in the whole trace.
	Changes int
	// Most is the largest number of replicas that ran.
	Most int
	// Needed is the number of replicas that target tracking asks for in the marked reading.
	Needed int
	// Cause is the cause of the changes before 17:20: Load, Noise or Starting.
	Cause Word
}
