package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/course"
)

// readyHost is a computer on which the engine and all images are ready.
type readyHost struct{}

func (readyHost) reach(context.Context, *app, *progress.Reporter) (gobuild.Platform, error) {
	return gobuild.Platform{}, nil
}

func (readyHost) prepare(context.Context, *app, *progress.Reporter, []images.Name, ...seed.Size) error {
	return nil
}

func (readyHost) sizes() []seed.Size { return nil }

func (readyHost) buildAhead(context.Context, *progress.Reporter, gobuild.Platform, ...string) error {
	return nil
}

// courseOf returns the course in the JSON file that the variable COURSE names, so that a script
// can have labs of its own. Without the variable it returns the workshop's course.
func courseOf(env []string) course.Course {
	file := lookup(env)("COURSE")
	if file == "" {
		return course.Labs()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	var labs course.Course
	if err := json.Unmarshal(text, &labs); err != nil {
		panic(err)
	}
	return labs
}

// RunScript is Run with the course of a script.
func RunScript(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return RunCourse(ctx, courseOf(env), args, stdin, stdout, stderr, env)
}

// RunWhereAllIsReady is Run on a computer whose engine and images are ready. It serves tests of
// the steps after that.
func RunWhereAllIsReady(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return run(ctx, courseOf(env), args, stdin, stdout, stderr, env, readyHost{})
}

// untimedHost is this computer without timed gains. Such labs do not ask for the full-size
// database, which takes as long to seed as all other images together.
type untimedHost struct{ thisHost }

func (h untimedHost) sizes() []seed.Size {
	return slices.DeleteFunc(h.thisHost.sizes(), func(size seed.Size) bool { return size == seed.Full() })
}

// RunWhereNothingIsTimed is Run on such a computer.
func RunWhereNothingIsTimed(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return run(ctx, courseOf(env), args, stdin, stdout, stderr, env, untimedHost{})
}
