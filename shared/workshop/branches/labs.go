package branches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// entry is a file of a tree.
type entry struct{ mode, kind, id string }

// text reports whether the entry is a file with a content of its own: no link, no
// submodule.
func (e entry) text() bool { return e.kind == "blob" && e.mode != "120000" }

// list returns the files of a commit or tree by their path from the top.
func (r *Repository) list(ctx context.Context, treeish string) (map[string]entry, error) {
	out, err := r.git.run(ctx, "", "ls-tree", "-r", "-z", "--full-tree", treeish)
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", Short(treeish), err)
	}
	files := make(map[string]entry)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 3 {
			return nil, fmt.Errorf("files of %s: git listed %q", Short(treeish), line)
		}
		files[name] = entry{mode: fields[0], kind: fields[1], id: fields[2]}
	}
	return files, nil
}

// exercise is a lab of a commit.
type exercise struct {
	name  string // such as "00-baseline"
	files []learnersFile
}

// learnersFile is a file that the learner edits, and what it is in the solved lab.
type learnersFile struct {
	path     string // from the top
	solution entry
}

func names(labs []exercise) []string {
	var all []string
	for _, l := range labs {
		all = append(all, l.name)
	}
	return all
}

// lesson is the file that makes a folder a lab: without one it is still being written.
var lesson = regexp.MustCompile(`^labs/(\d{2}-[a-z0-9-]+)/README\.md$`)

// labNames returns the labs that are among the files, in order.
func labNames(files map[string]entry) []string {
	var found []string
	for file := range files {
		if match := lesson.FindStringSubmatch(file); match != nil {
			found = append(found, match[1])
		}
	}
	slices.Sort(found)
	return found
}

// number is a lab's number as its name has it, with two digits.
func number(exercise string) string { return exercise[:2] }

// mark is what a starter's file carries where the learner works.
func mark(exercise string) string { return "TODO(lab " + number(exercise) + ")" }

func labFolder(exercise string) string { return "labs/" + exercise + "/" }

// solutionOf is the path of the finished file in the place of one in the lab's folder.
func solutionOf(exercise, file string) string {
	return "solutions/" + exercise + "/" + strings.TrimPrefix(file, labFolder(exercise))
}

// mayBeLearners reports whether a file of the lab is the learner's if it carries the
// mark. Lessons, tests and the spec speak of the mark without being work.
func mayBeLearners(exercise, file string) bool {
	inside, ok := strings.CutPrefix(file, labFolder(exercise))
	return ok && path.Ext(inside) != ".md" && !strings.HasSuffix(inside, "_test.go") && !strings.HasPrefix(inside, "spec/")
}

// labs returns the labs of a commit's files. A lab whose starter and solution do not fit
// together is an error: its branches would lie.
func (r *Repository) labs(ctx context.Context, files map[string]entry) ([]exercise, error) {
	all := labNames(files)
	if len(all) == 0 {
		return nil, errors.New("no lab with a README.md in labs/")
	}
	for i := 1; i < len(all); i++ {
		if number(all[i-1]) == number(all[i]) {
			return nil, fmt.Errorf("two labs with one number: %s and %s", all[i-1], all[i])
		}
	}
	texts, err := r.labTexts(ctx, files, all)
	if err != nil {
		return nil, err
	}
	var labs []exercise
	for _, name := range all {
		l := exercise{name: name}
		for _, file := range sorted(files) {
			if !mayBeLearners(name, file) || !bytes.Contains(texts[files[file].id], []byte(mark(name))) {
				continue
			}
			finished := solutionOf(name, file)
			solution, ok := files[finished]
			switch {
			case !ok || !solution.text():
				return nil, fmt.Errorf("%s carries %s, but there is no %s", file, mark(name), finished)
			case bytes.Contains(texts[solution.id], []byte(mark(name))):
				return nil, fmt.Errorf("%s is the solution, but still carries %s", finished, mark(name))
			}
			l.files = append(l.files, learnersFile{file, solution})
		}
		if len(l.files) == 0 {
			return nil, fmt.Errorf("no file of labs/%s carries %s: a starter does, so this one is worked on already; build from a commit of the workshop itself", name, mark(name))
		}
		labs = append(labs, l)
	}
	return labs, nil
}

// labTexts returns the contents, by id, of all files that the rule looks at.
func (r *Repository) labTexts(ctx context.Context, files map[string]entry, labs []string) (map[string][]byte, error) {
	var ids []string
	for _, exercise := range labs {
		for file, e := range files {
			if !mayBeLearners(exercise, file) || !e.text() {
				continue
			}
			ids = append(ids, e.id)
			if solution, ok := files[solutionOf(exercise, file)]; ok && solution.text() {
				ids = append(ids, solution.id)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := r.git.run(ctx, strings.Join(ids, "\n")+"\n", "cat-file", "--batch")
	if err != nil {
		return nil, fmt.Errorf("read files: %w", err)
	}
	texts, err := parseBatch(out)
	if err != nil {
		return nil, fmt.Errorf("read files: %w", err)
	}
	return texts, nil
}

// parseBatch reads what `git cat-file --batch` prints: for each object a line "id type
// size", its content and a line feed.
func parseBatch(out []byte) (map[string][]byte, error) {
	contents := make(map[string][]byte)
	for len(out) > 0 {
		line, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(line))
		if len(fields) != 3 {
			return nil, fmt.Errorf("git answered %q", line)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) || rest[size] != '\n' {
			return nil, fmt.Errorf("git answered %q and %d bytes", line, len(rest))
		}
		contents[fields[0]] = rest[:size:size]
		out = rest[size+1:]
	}
	return contents, nil
}

func sorted(files map[string]entry) []string {
	all := make([]string, 0, len(files))
	for file := range files {
		all = append(all, file)
	}
	slices.Sort(all)
	return all
}
