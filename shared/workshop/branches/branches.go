// Package branches builds the git branches that an instructor shows and a learner joins
// at. Every lab has two. start/NN-name is a commit of main in which the solutions of all labs
// below NN have replaced the learner's files. In solution/NN-name, lab NN is solved too.
//
// The course lists the learner's files of a lab. In the commit, no other file may carry the
// mark "TODO(lab NN)". A mark in a lesson (*.md), in a test (*_test.go) or in the lab's spec
// folder does not count. The solution of a learner's file has the same path in
// solutions/NN-name. A Go file that only the solution has is added. All other files of the
// folder, such as lab.go, stay the lab's, because their text addresses the learner.
//
// The branches depend only on their source commit and on the course, so that they have the
// same commit ids on every machine. The work tree and the index are neither read nor written.
package branches

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Branch is a planned branch, and the state of the local branch of that name.
type Branch struct {
	Name   string   // such as "start/01-vertical"
	Source string   // the id of the commit that it is built from
	Commit string   // the id of the commit that it has to point to
	Solved []string // names of the labs whose solutions it contains, in order

	// Now is the id of the commit that the local branch points to. It is empty when there is
	// no local branch.
	Now string
	// Kept is the reason why Build, unless forced, does not move the local branch. It is empty
	// when Build moves it.
	Kept string
}

// State says what Build does to a branch.
type State string

// The states of a branch, in words for a table.
const (
	New       State = "new"
	Moved     State = "changed"
	Unchanged State = "unchanged"
	Kept      State = "kept"
)

// State returns what Build does to the branch when it is not forced.
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

// Plan returns the branches of all labs in the commit with the id source. They are in the
// order of the labs, start before solution. Plan writes the planned commits into the
// repository, so that they can be compared, but points no branch to them.
func (r *Repository) Plan(ctx context.Context, source string) ([]Branch, error) {
	files, err := r.list(ctx, source)
	if err != nil {
		return nil, err
	}
	labs, err := r.labs(ctx, files)
	if err != nil {
		return nil, fmt.Errorf("read labs of commit %s: %w", Short(source), err)
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
				return nil, fmt.Errorf("make branch %s: %w", b.Name, err)
			}
			plan = append(plan, b)
		}
	}
	return plan, r.compare(ctx, plan)
}

// solve writes one tree for each number of solved labs, from 0 to all, and returns their ids.
func (r *Repository) solve(ctx context.Context, source string, labs []exercise) (trees []string, err error) {
	scratch, err := os.MkdirTemp("", "workshop-branches-")
	if err != nil {
		return nil, fmt.Errorf("make index: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	index := r.git.withIndex(filepath.Join(scratch, "index"))
	if _, err := index.run(ctx, "", "read-tree", source); err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	for i := 0; ; i++ {
		tree, err := index.line(ctx, "", "write-tree")
		if err != nil {
			return nil, fmt.Errorf("write tree: %w", err)
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
			return nil, fmt.Errorf("write index: %w", err)
		}
	}
}

// compare sets Now and Kept of the planned branches.
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
			return fmt.Errorf("compare branch %s: %w", b.Name, err)
		}
		if folder, used := worktrees[b.ref()]; used {
			b.Kept = "checked out in " + folder
		} else if !ours {
			b.Kept = "has commits of its own"
		}
	}
	return nil
}

// tips returns the commit ids of the local start and solution branches, by full name.
func (r *Repository) tips(ctx context.Context) (map[string]string, error) {
	out, err := r.git.run(ctx, "", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/start/", "refs/heads/solution/")
	if err != nil {
		return nil, fmt.Errorf("list local branches: %w", err)
	}
	tips := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		id, ref, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		tips[ref] = id
	}
	return tips, nil
}

// worktrees returns the folder of the work tree in which a branch is checked out, by the
// branch's full name.
func (r *Repository) worktrees(ctx context.Context) (map[string]string, error) {
	out, err := r.git.run(ctx, "", "worktree", "list", "--porcelain")
	if err != nil {
		return nil, fmt.Errorf("list work trees: %w", err)
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

// KeptError lists the branches that Build did not move.
type KeptError struct{ Branches []Branch }

func (e *KeptError) Error() string {
	lines := make([]string, 0, len(e.Branches))
	for _, b := range e.Branches {
		lines = append(lines, fmt.Sprintf("branch %s is left as it is: %s", b.Name, b.Kept))
	}
	return strings.Join(lines, "\n")
}

// Build points the local branches of a plan to their commits. When git refuses one, it moves
// none. Unless force is set, Build does not move a branch that is checked out or that has
// commits of its own. It then moves the others and returns a *KeptError. It fails when a
// branch has moved since it was planned.
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

// Short returns the first 12 digits of an id, to show it.
func Short(id string) string { return id[:min(len(id), 12)] }
