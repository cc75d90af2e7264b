//go:build mine

package rush_test

import (
	"os"
	"testing"

	"bytebites.example/workshop/labs/07-dinner-rush/mine"
	"bytebites.example/workshop/labs/07-dinner-rush/spec"
	"bytebites.example/workshop/shared/workshop/lab"
)

// subject is the learner's plan on the learner's own labs. `check 07 --mine` compiles this file.
func subject(t *testing.T) spec.Subject {
	t.Helper()
	choice, err := mine.Parse(os.Getenv(lab.EnvMine))
	if err != nil {
		t.Fatal(err)
	}
	return on(choice.Labs())
}
