package branches

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Prove plans the branches of the repository whose top folder is dir, from HEAD as
// Repository.Source understands it, and proves each of them by tree equality, whether or
// not local branches exist. The error names the first difference; it is ErrNoRepository
// where there is no repository to look at.
func Prove(ctx context.Context, dir string, env []string) error {
	r, err := Open(ctx, dir, env)
	if err != nil {
		return err
	}
	source, err := r.Source(ctx, "")
	if err != nil {
		return err
	}
	plan, err := r.Plan(ctx, source)
	if err != nil {
		return err
	}
	for _, b := range plan {
		if err := r.proveTree(ctx, b, b.Commit); err != nil {
			return err
		}
	}
	return nil
}

// Difference is a local branch that is not as it has to be.
type Difference struct {
	Branch Branch
	Detail string // what is the matter, with the first file that differs
}

// Check returns the local branches of a plan that are missing or whose files are not
// those that they have to be.
func (r *Repository) Check(ctx context.Context, plan []Branch) ([]Difference, error) {
	var found []Difference
	for _, b := range plan {
		if b.Now == "" {
			found = append(found, Difference{b, "there is no such branch"})
			continue
		}
		err := r.proveTree(ctx, b, b.Now)
		var differs *TreeError
		switch {
		case errors.As(err, &differs):
			detail := differs.Detail
			if c, err := r.commit(ctx, b.Now); err != nil {
				return nil, err
			} else if source, ok := c.source(); ok && source != b.Source {
				detail = fmt.Sprintf("built from %s, not from %s: %s", Short(source), Short(b.Source), detail)
			}
			found = append(found, Difference{b, detail})
		case err != nil:
			return nil, err
		}
	}
	return found, nil
}

// TreeError says that a branch holds other files than it has to.
type TreeError struct {
	Branch string // its name
	Detail string // the first file that differs, in the order of paths, and how
}

func (e *TreeError) Error() string { return fmt.Sprintf("branch %s: %s", e.Branch, e.Detail) }

// proveTree compares all files of a commit with those of the branch's source, one by one:
// a learner's file of a solved lab has to be the solution, any other the source's own.
// Beside the listing of files it shares no step with what made the commit: git itself
// looks for the marks, and no index is involved.
func (r *Repository) proveTree(ctx context.Context, b Branch, id string) error {
	source, err := r.list(ctx, b.Source)
	if err != nil {
		return err
	}
	got, err := r.list(ctx, id)
	if err != nil {
		return err
	}
	from := make(map[string]string) // where in the source a file's content is from, if from elsewhere
	for _, exercise := range b.Solved {
		marked, err := r.marked(ctx, b.Source, exercise)
		if err != nil {
			return err
		}
		for _, file := range marked {
			from[file] = solutionOf(exercise, file)
		}
	}
	all := slices.Collect(maps.Keys(source))
	for file := range got {
		if _, ok := source[file]; !ok {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	for _, file := range all {
		origin := file
		if solution, ok := from[file]; ok {
			origin = solution
		}
		want, wanted := source[origin]
		is, there := got[file]
		detail := ""
		switch {
		case !wanted && !there:
			detail = fmt.Sprintf("%s has no solution: there is no %s", file, origin)
		case !wanted:
			detail = fmt.Sprintf("%s is there, but not in commit %s", file, Short(b.Source))
		case !there:
			detail = fmt.Sprintf("%s is missing", file)
		case is.id != want.id:
			detail = fmt.Sprintf("%s is not %s of commit %s", file, origin, Short(b.Source))
		case is != want:
			detail = fmt.Sprintf("%s has mode %s, and %s of commit %s has %s", file, is.mode, origin, Short(b.Source), want.mode)
		}
		if detail != "" {
			return &TreeError{b.Name, detail}
		}
	}
	return nil
}

// marked returns the learner's files of a lab.
func (r *Repository) marked(ctx context.Context, source, exercise string) ([]string, error) {
	out, err := r.git.run(ctx, "", "grep", "--files-with-matches", "--null", "--full-name", "--no-color",
		"--fixed-strings", "-e", mark(exercise), source, "--", labFolder(exercise))
	var failed *failure
	if errors.As(err, &failed) && failed.code == 1 {
		return nil, nil // found nothing
	}
	if err != nil {
		return nil, fmt.Errorf("marks of lab %s: %w", exercise, err)
	}
	var files []string
	for found := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if file := strings.TrimPrefix(found, source+":"); mayBeLearners(exercise, file) {
			files = append(files, file)
		}
	}
	return files, nil
}
