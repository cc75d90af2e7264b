package branches

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bytebites.example/workshop/shared/workshop/course"
)

// Prove plans the branches of the repository whose top folder is dir, from HEAD as
// Repository.Source reads it, and proves each of them by tree equality. Local branches need
// not exist. The error names the first difference. It is ErrNoRepository when dir is not the
// top of a repository.
func Prove(ctx context.Context, labs course.Course, dir string, env []string) error {
	r, err := Open(ctx, labs, dir, env)
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

// Difference is a local branch that differs from the plan.
type Difference struct {
	Branch Branch
	Detail string // the difference, with the first file that differs
}

// Check returns the local branches of a plan that are missing or that hold other files than
// planned.
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

// TreeError says that a branch holds other files than planned.
type TreeError struct {
	Branch string // its name
	Detail string // the first file that differs, in the order of paths, and how
}

func (e *TreeError) Error() string { return fmt.Sprintf("branch %s: %s", e.Branch, e.Detail) }

// proveTree compares all files of a commit with those of the branch's source, one by one. A
// learner's file of a solved lab must be the solution's, every other file the source's. The
// proof shares only the listing of files and the course with the code that made the commit.
// It uses no index.
func (r *Repository) proveTree(ctx context.Context, b Branch, id string) error {
	source, err := r.list(ctx, b.Source)
	if err != nil {
		return err
	}
	got, err := r.list(ctx, id)
	if err != nil {
		return err
	}
	from := make(map[string]string) // the solution's path, for each learner's file of a solved lab
	for _, exercise := range b.Solved {
		listed, _ := r.listed(exercise)
		for _, file := range append(listed, supporting(exercise, source)...) {
			from[file] = solutionOf(exercise, file)
		}
	}
	all := slices.Concat(slices.Collect(maps.Keys(source)), slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(from)))
	slices.Sort(all)
	all = slices.Compact(all)
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
