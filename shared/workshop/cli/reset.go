package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/branches"
)

func (a *app) reset() *cobra.Command {
	return &cobra.Command{
		Use:   "reset NN [FILE...]",
		Short: "Put the starter's files of a lab back, and keep yours aside",
		Long: `Put the files of a lab back as the starter has them: all that you edit, or those that
you name. Your versions are copied into a folder of .workshop first, so nothing is lost.
Files that you added stay where they are.`,
		Example: `  go tool workshop reset 03             all files of lab 03
  go tool workshop reset 03 through.go  this one`,
		Args: wantsLab("reset", "files of it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runReset(cmd.Context(), args[0], args[1:])
		},
	}
}

// wantsLab demands the number of a lab as the first word. More says what may follow.
func wantsLab(verb, more string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s wants the lab's number, such as 00, and may have %s\n\nUsage: %s", verb, more, cmd.UseLine())
		}
		return nil
	}
}

// chosenFiles returns the learner's files of a lab that the words name, or all. A word is a path in the lab's
// folder, or one from the module's root.
func (l folder) chosenFiles(words []string) ([]string, error) {
	all := l.Editable()
	if len(words) == 0 {
		return all, nil
	}
	var chosen []string
	for _, word := range words {
		file := strings.TrimPrefix(path.Clean(slashed(word)), l.Dir()+"/")
		if !slices.Contains(all, file) {
			return nil, usagef("%q is no file that lab %s has you edit; these are: %s", word, l.Name, strings.Join(all, ", "))
		}
		chosen = append(chosen, file)
	}
	return chosen, nil
}

// starterFile is a file of the starter that differs from the learner's.
type starterFile struct {
	name        string // in the lab's folder
	text, yours []byte // yours is nil when the file is missing
}

func (a *app) runReset(ctx context.Context, name string, words []string) error {
	w, l, err := a.lab(name)
	if err != nil {
		return err
	}
	chosen, err := l.chosenFiles(words)
	if err != nil {
		return err
	}
	changed, err := a.changedFiles(ctx, w, l, chosen)
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		a.printf("Lab %s is as the starter has it: nothing to put back.\n", l.Name)
		a.next(fmt.Sprintf("read %s/README.md", l.Dir()))
		return nil
	}
	kept := path.Join(stateDir, l.Name, "yours-"+time.Now().UTC().Format("20060102-150405"))
	for _, f := range changed { // before any file is replaced
		if f.yours == nil {
			continue
		}
		if err := writeBelow(w.path(filepath.FromSlash(kept)), f.name, f.yours); err != nil {
			return fmt.Errorf("keep your files: %w", err)
		}
	}
	for _, f := range changed {
		if err := writeBelow(w.path("labs", l.Name), f.name, f.text); err != nil {
			return fmt.Errorf("put back: %w", err)
		}
		a.printf("%s/%s is the starter's again\n", l.Dir(), f.name)
	}
	// The steps that had passed have not any more.
	if err := os.Remove(w.stepsFile(l)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.notef("`list` still shows the old progress: %v\n", err)
	}
	next := []string{fmt.Sprintf("read %s/README.md, then: go tool workshop watch %s", l.Dir(), l.ID())}
	if slices.ContainsFunc(changed, func(f starterFile) bool { return f.yours != nil }) {
		a.printf("\nYour versions are in %s.\n", kept)
		next = append(next, fmt.Sprintf("cp -r %s/. %s/   takes them back", kept, l.Dir()))
	}
	a.next(next...)
	return nil
}

// changedFiles returns those of the files of a lab that differ from the starter's.
func (a *app) changedFiles(ctx context.Context, w workshop, l folder, files []string) ([]starterFile, error) {
	repository, err := a.repository(ctx, w)
	if err != nil {
		return nil, err
	}
	var changed []starterFile
	for _, file := range files {
		text, _, err := repository.Starter(ctx, l.Lab, file)
		switch {
		case errors.Is(err, branches.ErrNoStarter), errors.Is(err, branches.ErrNoCommit):
			return nil, unavailable(err.Error(), "clone the workshop again with its history (git clone without --depth), and copy the file from there")
		case err != nil:
			return nil, err
		}
		yours, err := os.ReadFile(w.path("labs", l.Name, filepath.FromSlash(file)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read your file: %w", err)
		}
		if err != nil || !bytes.Equal(yours, text) {
			changed = append(changed, starterFile{file, text, yours})
		}
	}
	return changed, nil
}

// repository opens the clone's git repository.
func (a *app) repository(ctx context.Context, w workshop) (*branches.Repository, error) {
	repository, err := branches.Open(ctx, a.course, w.root, a.env)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, unavailable("the git command is not on the PATH", "install git: https://git-scm.com/downloads")
	case errors.Is(err, branches.ErrNoRepository):
		return nil, unavailable(err.Error(), "work in a clone: git has what this verb needs")
	}
	return repository, err
}

// writeBelow writes a file of that name, with slashes, below a folder, and makes the folders that it needs.
func writeBelow(folder, name string, text []byte) error {
	at := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, text, 0o644)
}
