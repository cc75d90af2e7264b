package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/workshop/course"
)

const modulePath = "bytebites.example/workshop"

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?` + regexp.QuoteMeta(modulePath) + `"?\s*(//.*)?$`)

// workshop is the learner's copy of the workshop on disk.
type workshop struct {
	root   string
	course course.Course // the table of labs, of which not all need be on disk
}

// findWorkshop looks for the module's root in dir and in the folders above it.
func findWorkshop(dir string, labs course.Course) (workshop, error) {
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && moduleLine.Match(text) {
			return workshop{at, labs}, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return workshop{}, fmt.Errorf("find the workshop: %w", err)
		}
		if at == filepath.Dir(at) {
			return workshop{}, usagef("%s is not inside the workshop: no go.mod of %s in it or above; run the command inside your clone", dir, modulePath)
		}
	}
}

func (w workshop) path(elements ...string) string {
	return filepath.Join(append([]string{w.root}, elements...)...)
}

// stateDir holds the command's own files, such as results. git ignores it.
const stateDir = ".workshop"

const (
	scratchPrefix = "run-"
	// scratchAge is the age from which a scratch folder counts as left over from a killed run.
	// No verb runs for nearly as long.
	scratchAge = 24 * time.Hour
)

// scratch makes a folder for one run, and returns a function that removes it. The error is an
// *engine.Unavailable.
func (w workshop) scratch() (dir string, remove func(), err error) {
	state := w.path(stateDir)
	if err := os.MkdirAll(state, 0o755); err != nil {
		return "", nil, w.notWritable(err)
	}
	entries, err := os.ReadDir(state)
	if err != nil {
		return "", nil, w.notWritable(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < scratchAge {
			continue // another run has removed it, or uses it
		}
		if ok, _ := filepath.Match(scratchPrefix+"*", entry.Name()); ok && entry.IsDir() {
			_ = os.RemoveAll(filepath.Join(state, entry.Name())) // the next run tries again
		}
	}
	dir, err = os.MkdirTemp(state, scratchPrefix)
	if err != nil {
		return "", nil, w.notWritable(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// notWritable is a clone in which the command cannot keep its files, such as one that another user
// has run it in before.
func (w workshop) notWritable(err error) error {
	return &engine.Unavailable{
		Problem: "the command cannot write to " + w.path(stateDir),
		Remedy:  "give that folder and its files to your user (chown -R), or clone the workshop into a folder of yours",
		Err:     err,
	}
}

// notStarted returns the error of a program that was compiled into the clone. A program that did
// not start is an *engine.Unavailable.
func notStarted(program string, err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &engine.Unavailable{
		Problem: "programs in " + filepath.Dir(program) + " may not be executed",
		Remedy:  "clone the workshop onto a file system that is mounted without noexec",
		Err:     err,
	}
}
