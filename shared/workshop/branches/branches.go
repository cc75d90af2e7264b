// Package branches builds the git branches that an instructor shows and a learner joins
// at. For every lab, start/NN-name is a commit of main with the learner's files of all
// labs below NN replaced by their solutions, and solution/NN-name is the same with lab
// NN solved too.
//
// A learner's file of a lab is one in labs/NN-name, at any depth, that carries the mark
// "TODO(lab NN)", except lessons (*.md), tests (*_test.go) and the lab's spec folder:
// the files for which `go tool workshop list` counts work. Its solution is the file of
// the same path in solutions/NN-name. Everything else in the folder, lab.go among it,
// stays as it is: it speaks to the learner, and its solution's twin speaks of WHY.md.
//
// The branches depend on the commit that they are built from and on nothing else, so
// that they have the same commit ids on every machine. The work tree and the index are
// neither read nor written.
package branches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Branch is a branch as it has to be, beside what the repository has now.
type Branch struct {
	Name   string   // such as "start/01-vertical"
	Source string   // the id of the commit that it is built from
	Commit string   // the id of the commit that it has to be at
	Solved []string // names of the labs whose solutions are in it, in order

	// Now is the id of the commit that the local branch of that name is at, empty when
	// there is none.
	Now string
	// Kept says why Build leaves the local branch alone unless forced; empty when it
	// does not.
	Kept string
}

// State is what Build does about a branch.
type State string

// The states of a branch, in words for a table.
const (
	New       State = "new"
	Moved     State = "changed"
	Unchanged State = "unchanged"
	Kept      State = "kept"
)

// State returns what Build does about the branch when it is not forced.
func (b Branch) State() State {
	switch {
	case b.Now == b.Commit:
		return Unchanged
	case b.Now == "":
		return New
	case b.Kept != "":
		return Kept
	default:
		return Moved
	}
}

func (b Branch) ref() string { return "refs/heads/" + b.Name }

// Plan returns the branches of all labs that the commit with the id source has, in the
// order of the labs, start before solution. The commits that it plans are in the
// repository afterwards, so that they can be compared, but no branch points to them.
func (r *Repository) Plan(ctx context.Context, source string) ([]Branch, error) {
	files, err := r.list(ctx, source)
	if err != nil {
		return nil, err
	}
	labs, err := r.labs(ctx, files)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", Short(source), err)
	}
	trees, err := r.solve(ctx, source, labs)
	if err != nil {
		return nil, err
	}
	from, err := r.commit(ctx, source)
	if err != nil {
		return nil, err
	}
	var plan []Branch
	for i := range labs {
		for _, b := range []Branch{
			{Name: "start/" + labs[i].name, Solved: names(labs[:i])},
			{Name: "solution/" + labs[i].name, Solved: names(labs[:i+1])},
		} {
			b.Source = source
			if b.Commit, err = r.writeCommit(ctx, generated(b, from, trees[len(b.Solved)])); err != nil {
				return nil, fmt.Errorf("branch %s: %w", b.Name, err)
			}
			plan = append(plan, b)
		}
	}
	return plan, r.compare(ctx, plan)
}

// solve writes the trees in which the first 0, 1, ... labs are solved.
func (r *Repository) solve(ctx context.Context, source string, labs []exercise) (trees []string, err error) {
	scratch, err := os.MkdirTemp("", "workshop-branches-")
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	index := r.git.withIndex(filepath.Join(scratch, "index"))
	if _, err := index.run(ctx, "", "read-tree", source); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	for i := 0; ; i++ {
		tree, err := index.line(ctx, "", "write-tree")
		if err != nil {
			return nil, fmt.Errorf("tree: %w", err)
		}
		trees = append(trees, tree)
		if i == len(labs) {
			return trees, nil
		}
		var changes strings.Builder
		for _, f := range labs[i].files {
			fmt.Fprintf(&changes, "%s %s\t%s\x00", f.solution.mode, f.solution.id, f.path)
		}
		if _, err := index.run(ctx, changes.String(), "update-index", "-z", "--index-info"); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
}

// compare fills in what the repository has now.
func (r *Repository) compare(ctx context.Context, plan []Branch) error {
	tips, err := r.tips(ctx)
	if err != nil {
		return err
	}
	worktrees, err := r.worktrees(ctx)
	if err != nil {
		return err
	}
	for i := range plan {
		b := &plan[i]
		b.Now = tips[b.ref()]
		if b.Now == "" || b.Now == b.Commit {
			continue
		}
		ours, err := r.generated(ctx, b.Now)
		if err != nil {
			return fmt.Errorf("branch %s: %w", b.Name, err)
		}
		if folder, used := worktrees[b.ref()]; used {
			b.Kept = "checked out in " + folder
		} else if !ours {
			b.Kept = "has commits of its own"
		}
	}
	return nil
}

// tips returns the commit ids of the local branches that Plan may name, by full name.
func (r *Repository) tips(ctx context.Context) (map[string]string, error) {
	out, err := r.git.run(ctx, "", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/start/", "refs/heads/solution/")
	if err != nil {
		return nil, fmt.Errorf("local branches: %w", err)
	}
	tips := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		id, ref, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		tips[ref] = id
	}
	return tips, nil
}

// worktrees returns the work tree's folder of each branch that is checked out, by full
// name.
func (r *Repository) worktrees(ctx context.Context) (map[string]string, error) {
	out, err := r.git.run(ctx, "", "worktree", "list", "--porcelain")
	if err != nil {
		return nil, fmt.Errorf("work trees: %w", err)
	}
	folders := make(map[string]string)
	folder := ""
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch key {
		case "worktree":
			folder = value
		case "branch":
			folders[value] = folder
		}
	}
	return folders, nil
}

// KeptError says which branches Build left alone.
type KeptError struct{ Branches []Branch }

func (e *KeptError) Error() string {
	lines := make([]string, 0, len(e.Branches))
	for _, b := range e.Branches {
		lines = append(lines, fmt.Sprintf("branch %s is left as it is: %s", b.Name, b.Kept))
	}
	return strings.Join(lines, "\n")
}

// Build points the local branches of a plan to their commits, all or, when git refuses
// one, none. A branch that somebody has checked out or that has commits of its own is
// left as it is unless force is set; when there are such, the others are built and the
// error is a *KeptError. It fails when a branch moved since it was planned.
func (r *Repository) Build(ctx context.Context, plan []Branch, force bool) error {
	var kept []Branch
	var moves strings.Builder
	for _, b := range plan {
		switch state := b.State(); {
		case state == Unchanged:
		case state == Kept && !force:
			kept = append(kept, b)
		case state == New:
			fmt.Fprintf(&moves, "create %s %s\n", b.ref(), b.Commit)
		default:
			fmt.Fprintf(&moves, "update %s %s %s\n", b.ref(), b.Commit, b.Now)
		}
	}
	if moves.Len() > 0 {
		if _, err := r.git.run(ctx, moves.String(), "update-ref", "--no-deref", "-m", "workshop branches", "--stdin"); err != nil {
			return fmt.Errorf("point branches: %w", err)
		}
	}
	if len(kept) > 0 {
		return &KeptError{kept}
	}
	return nil
}

// Short is an id as a person reads it.
func Short(id string) string { return id[:min(len(id), 12)] }
