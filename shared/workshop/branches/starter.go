package branches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// ErrNoStarter says that no commit has a file of a lab as the starter has it.
var ErrNoStarter = errors.New("no commit has the file of the starter")

// maxVersions is how many commits of a file are looked at. A learner's own are the newest.
const maxVersions = 1000

// Starter returns a file that the learner of a lab edits, as the starter has it, and the commit that it comes
// from. The path of the file begins in the lab's folder. Starter looks at the commits of HEAD's history that changed
// the file. It takes the newest with a mark for every step that changes the file, because a learner removes the
// mark of a step that is done. The error is ErrNoStarter, or ErrNoCommit in a repository without commits.
func (r *Repository) Starter(ctx context.Context, l course.Lab, file string) (text []byte, commit string, err error) {
	path := labFolder(l.Name) + file
	if _, err := r.git.line(ctx, "", "rev-parse", "--verify", "--quiet", "HEAD^{commit}"); err != nil {
		return nil, "", fmt.Errorf("HEAD: %w (%w)", ErrNoCommit, err)
	}
	out, err := r.git.run(ctx, "", "log", "--format=%H", "-n", strconv.Itoa(maxVersions), "HEAD", "--", path)
	if err != nil {
		return nil, "", fmt.Errorf("list commits of %s: %w", path, err)
	}
	for commit := range strings.FieldsSeq(string(out)) {
		text, err := r.git.run(ctx, "", "cat-file", "blob", commit+":"+path)
		var failed *failure
		switch {
		case errors.As(err, &failed):
			continue // this commit removed the file
		case err != nil:
			return nil, "", fmt.Errorf("read %s of %s: %w", path, Short(commit), err)
		case untouched(l, file, text):
			return text, commit, nil
		}
	}
	return nil, "", fmt.Errorf("%s: %w", path, ErrNoStarter)
}

// untouched reports whether the text of a file still has a mark for each step that changes the file. A file of
// a deep dive has a mark of optional work.
func untouched(l course.Lab, file string, text []byte) bool {
	if slices.Contains(l.Stretch, file) {
		return bytes.Contains(text, []byte(lab.DeepMark(l.Name)))
	}
	if !lab.Marked(file, text, l.Name) {
		return false
	}
	marked := lab.MarkedSteps(file, text, l.Name)
	for _, step := range l.Steps {
		changes := slices.ContainsFunc(step.Places, func(place string) bool {
			name, _ := course.Place(place)
			return name == file
		})
		if changes && !slices.Contains(marked, step.Number) {
			return false
		}
	}
	return true
}
