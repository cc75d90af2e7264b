package cli

import (
	"context"
	"errors"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/cli/stack"
)

// stack returns the stack of a clone, which shows its progress as the verbs do.
func (a *app) stack(w workshop) *stack.Stack {
	p := a.progress()
	return &stack.Stack{
		Root: w.root, Course: w.course, Env: a.env, Getenv: a.getenv,
		Stdin: a.in, Stdout: a.out, Stderr: a.err, Progress: p,
		Connect: func(ctx context.Context) (*engine.Engine, error) { return a.connect(ctx, p) },
		Build: func(ctx context.Context, platform gobuild.Platform, pkg string) ([]byte, error) {
			binary, err := buildProgram(ctx, p, platform, pkg)
			var compile *gobuild.CompileError
			if errors.As(err, &compile) {
				return nil, &compileError{pkg, w.root, compile.Output}
			}
			return binary, err
		},
	}
}

// fromStack turns a wrong word that the stack has found into a usage error of the command.
func fromStack(err error) error {
	var usage *stack.UsageError
	if errors.As(err, &usage) {
		return usageError{err}
	}
	return err
}
