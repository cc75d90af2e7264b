package cli

import (
	"context"
	"errors"
	"fmt"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/lab"
)

// The exit codes beside those of the four verdicts (lab.Verdict.ExitCode). They differ from
// those, so that a script never takes a typing error for a verdict. 64 is EX_USAGE of
// sysexits.h. 130 is the code that shells report after SIGINT.
const (
	exitUsage       = 64
	exitInterrupted = 130
)

// verdictError ends a verb that has already shown its verdict.
type verdictError struct{ verdict lab.Verdict }

func (e verdictError) Error() string { return "verdict: " + string(e.verdict) }

// exitError ends a verb that passes on the exit code of a program.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usageError is a command that cannot be understood.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unavailable returns a failure of the machine, with its remedy.
func unavailable(problem, remedy string) error {
	return &engine.Unavailable{Problem: problem, Remedy: remedy}
}

// exitCode returns the exit code for a verb's error. An error that is neither a verdict nor a
// usage error does not come from the learner's code, so it counts as the environment.
func exitCode(ctx context.Context, err error) int {
	var verdict verdictError
	var exit exitError
	var usage usageError
	switch {
	case ctx.Err() != nil: // the user ended the verb, so its error does not count
		return exitInterrupted
	case err == nil:
		return lab.Pass.ExitCode()
	case errors.As(err, &verdict):
		return verdict.verdict.ExitCode()
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		return exitUsage
	default:
		return lab.Environment.ExitCode()
	}
}
