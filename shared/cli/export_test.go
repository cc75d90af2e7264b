package cli

import (
	"context"
	"io"

	"bytebites.example/workshop/shared/images"
	"bytebites.example/workshop/shared/program"
	"bytebites.example/workshop/shared/progress"
)

// readyHost is a computer on which everything is there.
type readyHost struct{}

func (readyHost) reach(context.Context, *app, *progress.Reporter) (program.Platform, error) {
	return program.Platform{}, nil
}

func (readyHost) prepare(context.Context, *app, *progress.Reporter, ...images.Name) error {
	return nil
}

func (readyHost) buildAhead(context.Context, *progress.Reporter, program.Platform, ...string) error {
	return nil
}

// RunWhereAllIsReady is Run on a computer whose engine and images need no preparing, for
// tests of what comes after.
func RunWhereAllIsReady(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return run(ctx, args, stdin, stdout, stderr, env, readyHost{})
}
