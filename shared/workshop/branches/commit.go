package branches

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// sourceTrailer marks a commit that this package made. The id of its source follows.
const sourceTrailer = "Workshop-Source: "

// commit has the parts of a commit object that this package reads or writes.
type commit struct {
	tree    string
	parents []string
	// author, committer and encoding are whole header lines, or empty.
	author, committer, encoding string
	message                     string
}

// message is the format of a commit's message. It takes the subject, the source, the solved
// labs and the trailer. A change of it changes the ids of all branches.
const message = `%s

This is commit
%s
%s

Made by "go tool workshop branches", which replaces it when main moves:
put work of your own on a branch of another name.

%s
`

// generated returns the commit that a branch has to point to. It copies author, committer and
// dates from the source byte by byte. This package writes the object itself, because `git
// commit` takes name, signature and encoding from a configuration that differs between
// machines.
func generated(b Branch, from commit, tree string) commit {
	stage, exercise, _ := strings.Cut(b.Name, "/")
	subject := "Lab " + exercise + ", to start from"
	if stage == "solution" {
		subject = "Lab " + exercise + ", solved"
	}
	with := "with no lab solved."
	if len(b.Solved) > 0 {
		with = "with the learner's files of these labs replaced by their solutions:\n\n  " + strings.Join(b.Solved, "\n  ")
	}
	return commit{
		tree: tree, parents: []string{b.Source},
		author: from.author, committer: from.committer, encoding: from.encoding,
		message: fmt.Sprintf(message, subject, b.Source, with, sourceTrailer+b.Source),
	}
}

// source returns the id of the commit that c was built from. It is not ok when c has no
// trailer, or another parent. An amended commit keeps trailer and parent, so it is ok too.
func (c commit) source() (id string, ok bool) {
	lines := strings.Split(strings.TrimRight(c.message, "\n"), "\n")
	id, ok = strings.CutPrefix(lines[len(lines)-1], sourceTrailer)
	return id, ok && len(c.parents) == 1 && c.parents[0] == id
}

// generated reports whether this package made the commit, and it was not amended.
func (r *Repository) generated(ctx context.Context, id string) (bool, error) {
	c, err := r.commit(ctx, id)
	if err != nil {
		return false, err
	}
	source, ok := c.source()
	if !ok {
		return false, nil
	}
	from, err := r.commit(ctx, source)
	var failed *failure
	if errors.As(err, &failed) {
		return false, nil // a shallow clone may lack the source; then the commit counts as amended
	}
	return err == nil && c.author == from.author && c.committer == from.committer, err
}

// commit reads a commit.
func (r *Repository) commit(ctx context.Context, id string) (commit, error) {
	text, err := r.git.run(ctx, "", "cat-file", "commit", id)
	if err != nil {
		return commit{}, fmt.Errorf("read commit %s: %w", Short(id), err)
	}
	return parseCommit(string(text)), nil
}

func parseCommit(text string) commit {
	var c commit
	var header string
	header, c.message, _ = strings.Cut(text, "\n\n")
	for line := range strings.SplitSeq(header, "\n") {
		// The continued lines of a signature start with a space, so their key is empty.
		switch key, value, _ := strings.Cut(line, " "); key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = line
		case "committer":
			c.committer = line
		case "encoding":
			c.encoding = line
		}
	}
	return c
}

// String returns the commit object in git's format.
func (c commit) String() string {
	var b strings.Builder
	b.WriteString("tree " + c.tree + "\n")
	for _, parent := range c.parents {
		b.WriteString("parent " + parent + "\n")
	}
	for _, line := range []string{c.author, c.committer, c.encoding} {
		if line != "" {
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("\n" + c.message)
	return b.String()
}

// writeCommit stores a commit and returns its id.
func (r *Repository) writeCommit(ctx context.Context, c commit) (string, error) {
	id, err := r.git.line(ctx, c.String(), "hash-object", "-t", "commit", "-w", "--stdin")
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	return id, nil
}

// Source returns the id of the commit that revision names. An empty revision is HEAD. For a
// branch that this package built, and for commits on top of one, it returns the commit that
// the branch was built from. The error is ErrNoCommit when there is no such commit.
func (r *Repository) Source(ctx context.Context, revision string) (string, error) {
	if revision == "" {
		revision = "HEAD"
	}
	id, err := r.resolve(ctx, revision)
	if err != nil {
		return "", err
	}
	made, err := r.git.line(ctx, "", "rev-list", "--first-parent", "--max-count=1", "--basic-regexp", "--grep=^"+sourceTrailer, id)
	if err != nil {
		return "", fmt.Errorf("find source of %s: %w", revision, err)
	}
	if made == "" {
		return id, nil
	}
	c, err := r.commit(ctx, made)
	if err != nil {
		return "", err
	}
	if source, ok := c.source(); ok {
		return source, nil
	}
	return id, nil
}

func (r *Repository) resolve(ctx context.Context, revision string) (string, error) {
	if strings.HasPrefix(revision, "-") { // git would read it as a flag
		return "", fmt.Errorf("%q: %w", revision, ErrNoCommit)
	}
	id, err := r.git.line(ctx, "", "rev-parse", "--verify", "--quiet", revision+"^{commit}")
	var failed *failure
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%q: %w", revision, ErrNoCommit)
	}
	return id, err
}
