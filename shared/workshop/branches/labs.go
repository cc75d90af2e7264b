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

	"bytebites.example/workshop/shared/workshop/lab"
)

// entry is a file of a tree.
type entry struct{ mode, kind, id string }

// text reports whether the entry is a regular file, and neither a symbolic link nor a
// submodule.
func (e entry) text() bool { return e.kind == "blob" && e.mode != "120000" }

// list returns the files of a commit or tree by their path from the top.
func (r *Repository) list(ctx context.Context, treeish string) (map[string]entry, error) {
	out, err := r.git.run(ctx, "", "ls-tree", "-r", "-z", "--full-tree", treeish)
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", Short(treeish), err)
	}
	files := make(map[string]entry)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 3 {
			return nil, fmt.Errorf("list files of %s: git printed %q", Short(treeish), line)
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

// learnersFile is a file that the learner edits, and the solution's file that replaces it in
// the solved lab.
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

// lesson matches the lesson of a lab. A folder without one is not finished, and gets no
// branches.
var lesson = regexp.MustCompile(`^labs/(\d{2}-[a-z0-9-]+)/README\.md$`)

// labNames returns the names of the labs whose lesson is among the files, in order.
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

// number is a lab's number with two digits, as its name begins.
func number(exercise string) string { return exercise[:2] }

func labFolder(exercise string) string { return "labs/" + exercise + "/" }

// solutionOf is the path of the solution's file that replaces a file of the lab's folder.
func solutionOf(exercise, file string) string {
	return "solutions/" + exercise + "/" + strings.TrimPrefix(file, labFolder(exercise))
}

// mayBeLearners reports whether a mark in the file means work for the learner. Lessons, tests
// and the spec contain the mark only to explain it or to look for it.
func mayBeLearners(exercise, file string) bool {
	inside, ok := strings.CutPrefix(file, labFolder(exercise))
	return ok && path.Ext(inside) != ".md" && !strings.HasSuffix(inside, "_test.go") && !strings.HasPrefix(inside, "spec/")
}

// labs returns the labs of a commit's files, with the learner's files that the course lists.
// It is an error when the course, the marks and the solutions do not agree. A branch would then
// hold a wrong file.
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
		files, err := r.learnersFiles(name, files, texts)
		if err != nil {
			return nil, err
		}
		labs = append(labs, exercise{name, files})
	}
	return labs, nil
}

// learnersFiles returns the learner's files of a lab, in the order of their paths.
func (r *Repository) learnersFiles(name string, files map[string]entry, texts map[string][]byte) ([]learnersFile, error) {
	listed, ok := r.listed(name)
	if !ok {
		return nil, fmt.Errorf("labs/%s has no entry in the course (shared/workshop/course) of this checkout; switch to the commit that has both, and run the command there", name)
	}
	mark := lab.Mark(name)
	var found []learnersFile
	marks := 0
	for _, file := range sorted(files) {
		marked := mayBeLearners(name, file) && lab.Marked(file, texts[files[file].id], name)
		if !marked && !slices.Contains(listed, file) {
			continue
		}
		finished := solutionOf(name, file)
		solution, ok := files[finished]
		switch {
		case !marked && (!ok || !solution.text()):
			return nil, fmt.Errorf("the course lists %s, but there is no %s", file, finished)
		case !ok || !solution.text():
			return nil, fmt.Errorf("%s carries %s, but there is no %s", file, mark, finished)
		case lab.Marked(finished, texts[solution.id], name):
			return nil, fmt.Errorf("%s is the solution, but still carries %s", finished, mark)
		case !slices.Contains(listed, file):
			return nil, fmt.Errorf("%s carries %s, but the course does not list it", file, mark)
		}
		if marked {
			marks++
		}
		found = append(found, learnersFile{file, solution})
	}
	for _, file := range listed {
		if e, ok := files[file]; !ok || !e.text() {
			return nil, fmt.Errorf("the course lists %s, but there is no such file", file)
		}
	}
	for _, file := range supporting(name, files) {
		found = append(found, learnersFile{file, files[solutionOf(name, file)]})
	}
	if marks == 0 {
		return nil, fmt.Errorf("no file of labs/%s carries %s: the starter has been worked on; build from a commit of the workshop's main branch", name, mark)
	}
	return found, nil
}

// supporting returns the paths, in the lab's folder, of the Go files that only the solution
// has, in the order of their paths. A solution may be split into more files than the starter.
// They do not count in a subfolder, or when they are tests.
func supporting(name string, files map[string]entry) []string {
	var found []string
	for _, file := range sorted(files) {
		inside, ok := strings.CutPrefix(file, "solutions/"+name+"/")
		if !ok || path.Base(inside) != inside || path.Ext(inside) != ".go" || strings.HasSuffix(inside, "_test.go") || !files[file].text() {
			continue
		}
		if _, counterpart := files[labFolder(name)+inside]; !counterpart {
			found = append(found, labFolder(name)+inside)
		}
	}
	return found
}

// listed returns the paths of the learner's files of a lab as the course has them. It is not
// ok when the course has no entry of the lab.
func (r *Repository) listed(name string) (paths []string, ok bool) {
	entry, ok := r.course.Named(name)
	for _, file := range entry.Editable() {
		paths = append(paths, labFolder(name)+file)
	}
	return paths, ok
}

// labTexts returns the contents, by id, of all files in which marks are looked for.
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
			return nil, fmt.Errorf("git cat-file: unexpected line %q", line)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) || rest[size] != '\n' {
			return nil, fmt.Errorf("git cat-file: line %q is followed by %d bytes", line, len(rest))
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
