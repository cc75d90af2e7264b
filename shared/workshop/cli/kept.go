package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
	"bytebites.example/workshop/shared/workshop/lab"
)

// kept is a lab's result as `check` leaves it for `report`.
type kept struct {
	lab.Result
	origin
}

// origin says where a result comes from.
type origin struct {
	Made time.Time `json:"made"` // when the run began
	// Commit is the code's, with "-dirty" behind it when the code differed from it;
	// empty when git cannot tell.
	Commit string `json:"commit,omitempty"`
}

// gitPatience bounds the question for the commit, which is worth no waiting.
const gitPatience = 3 * time.Second

// origin returns the origin of a run that begins now.
func (a *app) origin(ctx context.Context, w workshop) origin {
	o := origin{Made: time.Now().UTC().Truncate(time.Second)}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	var out bytes.Buffer
	// A repository that the clone lies in says nothing about the clone.
	env := append(slices.Clone(a.env), "GIT_CEILING_DIRECTORIES="+filepath.Dir(w.root))
	git := subprocess.Command{Dir: w.root, Env: env, Stdout: &out}
	if git.Run(ctx, "git", "describe", "--always", "--dirty", "--exclude=*") == nil {
		o.Commit = strings.TrimSpace(out.String())
	}
	return o
}

// keptFile is where the last result of a lab's folder or of its solution is kept.
func (w workshop) keptFile(l folder, solution bool) string {
	name := "result.json"
	if solution {
		name = "last-solution-result.json"
	}
	return w.path(stateDir, l.Name, name)
}

// keep keeps a result. A disk that does not take it costs the learner a repetition, not
// the verdict, so it is only said.
func (a *app) keep(w workshop, l folder, solution bool, k kept) {
	if err := k.write(w.keptFile(l, solution)); err != nil {
		a.notef("The result is not kept for `report`: %v\n", err)
	}
}

// write replaces the file in one step: a reader sees the old file or the new one.
func (k kept) write(path string) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".result-*")
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	_, err = draft.Write(append(text, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep result: %w", errors.Join(err, os.Remove(draft.Name())))
	}
	return nil
}

// readKept reads what write wrote; ok is false when nothing is kept.
func readKept(path string) (k kept, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, false, nil
	}
	if err != nil {
		return kept{}, false, fmt.Errorf("kept result: %w", err)
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, false, &engine.Unavailable{Problem: "the kept result " + path + " is damaged", Remedy: "run the check again; it writes the file anew", Err: err}
	}
	return k, true, nil
}

// words says where a result comes from, in words.
func (o origin) words() string {
	var parts []string
	if !o.Made.IsZero() {
		parts = append(parts, "made "+o.Made.UTC().Format("2006-01-02 15:04 UTC"))
	}
	if commit, dirty := strings.CutSuffix(o.Commit, "-dirty"); dirty {
		parts = append(parts, "on commit "+commit+" with changes")
	} else if commit != "" {
		parts = append(parts, "on commit "+commit)
	}
	return strings.Join(parts, " ")
}
