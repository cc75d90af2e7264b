package branches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// ErrNoRepository says that a folder is not the top of a git repository, or not of one
// that git agrees to read.
var ErrNoRepository = errors.New("not a git repository of the workshop")

// ErrNoCommit says that a revision names no commit.
var ErrNoCommit = errors.New("no such commit")

// Repository is the git repository of the workshop.
type Repository struct{ git git }

// Open finds the repository whose top folder is dir. Env, as os.Environ returns it, is
// what git sees; variables that would point git to another repository or index are kept
// from it. The error is ErrNoRepository, or exec.ErrNotFound when there is no git.
func Open(ctx context.Context, dir string, env []string) (*Repository, error) {
	r := &Repository{git{dir: dir, env: harmless(env)}}
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

// kept are the variables of git's own that change neither what it reads nor what it
// writes. Without the GIT_CONFIG ones it may find itself forbidden to read the repository.
var kept = []string{"GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH"}

// harmless returns env without the variables that point git elsewhere, such as GIT_DIR
// and GIT_INDEX_FILE, which are set where a hook runs the command.
func harmless(env []string) []string {
	var clean []string
	for _, variable := range env {
		key, _, _ := strings.Cut(variable, "=")
		key = strings.ToUpper(key) // Windows
		if strings.HasPrefix(key, "GIT_") && !strings.HasPrefix(key, "GIT_CONFIG_") && !slices.Contains(kept, key) {
			continue
		}
		clean = append(clean, variable)
	}
	// A replaced object would give a clone ids of its own.
	return append(clean, "GIT_NO_REPLACE_OBJECTS=1")
}

// settings are put over whatever the user's configuration says: nothing beside the
// objects, the branches and the index named is to be read, written or started.
var settings = []string{
	"core.hooksPath=/dev/null", // git for Windows knows that name too
	"core.fsmonitor=false",
	"core.splitIndex=false",
	"index.sparse=false",
	"submodule.recurse=false",
}

// withIndex returns the command with an index of its own.
func (g git) withIndex(path string) git {
	g.env = append(slices.Clone(g.env), "GIT_INDEX_FILE="+path)
	return g
}

// failure is git's refusal.
type failure struct {
	verb string
	code int
	said string
}

func (f *failure) Error() string {
	return fmt.Sprintf("git %s ended with exit code %d: %s", f.verb, f.code, f.said)
}

// run runs one git verb on input and returns what it printed. The error is a *failure
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

// line is run for a verb that prints one line.
func (g git) line(ctx context.Context, input, verb string, args ...string) (string, error) {
	out, err := g.run(ctx, input, verb, args...)
	return strings.TrimRight(string(out), "\r\n"), err
}
