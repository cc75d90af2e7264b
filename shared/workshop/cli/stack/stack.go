// Package stack starts and stops the servers of docker-compose.yml, opens clients in them, and
// examines what they need of the machine. It is the part of `up`, `down`, `shell` and `doctor`
// that knows compose. It prints no results: it returns them to the verb.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/course"
)

// The programs that a stack runs.
const (
	ServicePackage  = "./solutions/service"
	MailSinkPackage = "./shared/cmd/mailsink"
	// EngineStatsPackage runs in profile monitoring.
	EngineStatsPackage = "./shared/cmd/enginestats"
)

// Stack is the stack of one clone. All fields are needed.
type Stack struct {
	Root           string        // the module's root, with docker-compose.yml and .env
	Course         course.Course // has the profiles of docker-compose.yml
	Env            []string      // the environment of compose, as os.Environ returns it
	Getenv         func(string) string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Progress       *progress.Reporter
	// Connect returns the engine, and may set one up. The caller closes it.
	Connect func(context.Context) (*engine.Engine, error)
	// Build compiles a main package for the engine's platform. The package's path starts at the
	// module's root.
	Build func(ctx context.Context, platform gobuild.Platform, pkg string) ([]byte, error)
}

// UsageError is a wrong word on the command line.
type UsageError struct{ message string }

func (e *UsageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// unavailable returns a failure of the machine, with its remedy.
func unavailable(problem, remedy string) error {
	return &engine.Unavailable{Problem: problem, Remedy: remedy}
}

// Down stops the stack and removes its containers, networks and volumes.
func (s *Stack) Down(ctx context.Context) error {
	e, file, err := s.existing(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	c, err := s.composeFor(ctx, e, file)
	if err != nil {
		return err
	}
	return c.run(ctx, everyProfile(s.Course), "down", "--volumes", "--remove-orphans")
}

// existing returns the engine and .env for a stack that may already run. The caller closes the engine. It
// needs no image and no .env.
func (s *Stack) existing(ctx context.Context) (*engine.Engine, *envFile, error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	file, err := s.readEnv()
	if err == nil {
		err = s.ours(ctx, e, file)
	}
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return e, file, nil
}

// composeFor returns the compose tool for a stack that may run without .env.
func (s *Stack) composeFor(ctx context.Context, e *engine.Engine, file *envFile) (*compose, error) {
	return s.findCompose(ctx, file, append(engineFor(e.Host()), s.placeholders(file)...)...)
}
