package branches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/userenv"
	"bytebites.example/workshop/shared/workshop/course"
)

// ErrNoRepository says that a folder is not the top of a git repository, or that git refuses
// to read the repository.
var ErrNoRepository = errors.New("not a git repository of the workshop")

// ErrNoCommit says that a revision names no commit.
var ErrNoCommit = errors.New("no such commit")

// Repository is the git repository of the workshop.
type Repository struct {
	git    git
	course course.Course // lists the learner's files of each lab
}

// Open finds the repository whose top folder is dir. Labs has an entry of each lab in it. Env,
// as os.Environ returns it, is git's environment, without the variables that would point git
// to another repository or index. The error is ErrNoRepository, or exec.ErrNotFound when git
// is not installed.
func Open(ctx context.Context, labs course.Course, dir string, env []string) (*Repository, error) {
	r := &Repository{git{dir: dir, env: harmless(env)}, labs}
	up, err := r.git.line(ctx, "", "rev-parse", "--show-cdup")
	var failed *failure
	switch {
	case errors.As(err, &failed):
		return nil, fmt.Errorf("%s: %w (%w)", dir, ErrNoRepository, err)
	case err != nil:
		return nil, err
	case up != "":
		return nil, fmt.Errorf("%s: %w (it lies inside another one)", dir, ErrNoRepository)
	}
	return r, nil
}

// git runs the git command.
type git struct {
	dir string
	env []string
}

// harmless returns env without the variables that point git to another repository or index,
// such as GIT_DIR and GIT_INDEX_FILE. Git sets these when a hook runs the command. The variables
// that begin with GIT_CONFIG_ are kept, because without them git may refuse to read the repository
// (safe.directory).
func harmless(env []string) []string {
	// A replaced object would change the ids in one clone.
	return append(userenv.Clean(env), "GIT_NO_REPLACE_OBJECTS=1")
}

// settings override the user's configuration, so that git starts no hook and no monitor, and
// reads and writes nothing but objects, branches and the given index.
var settings = []string{
	"core.hooksPath=/dev/null", // git for Windows accepts this name too
	"core.fsmonitor=false",
	"core.splitIndex=false",
	"index.sparse=false",
	"submodule.recurse=false",
}

// withIndex returns the command with its own index file.
func (g git) withIndex(path string) git {
	g.env = append(slices.Clone(g.env), "GIT_INDEX_FILE="+path)
	return g
}

// failure says that git ended with an exit code other than 0.
type failure struct {
	verb string
	code int
	said string
}

func (f *failure) Error() string {
	return fmt.Sprintf("git %s ended with exit code %d: %s", f.verb, f.code, f.said)
}

// run runs one git verb with input on stdin, and returns its output. The error is a *failure
// when git ran and failed.
func (g git) run(ctx context.Context, input, verb string, args ...string) ([]byte, error) {
	var words []string
	for _, setting := range settings {
		words = append(words, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, "git", append(append(words, verb), args...)...)
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &exit):
		return nil, &failure{verb, exit.ExitCode(), strings.TrimSpace(said.String())}
	case err != nil:
		return nil, fmt.Errorf("git %s: %w", verb, err)
	}
	return out.Bytes(), nil
}

// line runs a verb that prints one line, and returns the line.
func (g git) line(ctx context.Context, input, verb string, args ...string) (string, error) {
	out, err := g.run(ctx, input, verb, args...)
	return strings.TrimRight(string(out), "\r\n"), err
}
