package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

// folder returns the lab of that name, with its entry in the course.
func (v Verifier) folder(name string) folder {
	entry, _ := v.Course.Named(name)
	return folder{tree: v.Root, name: name, entry: entry}
}

// unlisted returns the problem of a lab that the course has no entry of, or nothing.
func (l folder) unlisted() []string {
	if l.entry.Name != "" {
		return nil
	}
	return []string{fmt.Sprintf("lab %s has no entry in shared/workshop/course/labs.go", l.name)}
}

// parity demands that a solution has the files of its lab and exports the same API, so that
// one can replace the other. It returns the differences.
func parity(l folder) ([]string, error) {
	if problems := l.unlisted(); problems != nil {
		return problems, nil
	}
	files, err := learnersFiles(l)
	if err != nil {
		return nil, err
	}
	problems := files.alone
	dirs := []string{"."}
	for _, file := range files.both {
		if path.Ext(file) == ".go" && !slices.Contains(dirs, path.Dir(file)) {
			dirs = append(dirs, path.Dir(file))
		}
	}
	for _, dir := range dirs {
		starter, err := exported(l.tree, path.Join(l.starter(), dir), l.solution(), l.starter())
		if err != nil {
			return problems, err
		}
		solution, err := exported(l.tree, path.Join(l.solution(), dir), l.solution(), l.starter())
		if err != nil {
			return problems, err
		}
		for _, difference := range differences(starter, solution) {
			if dir != "." {
				difference = dir + ": " + difference
			}
			problems = append(problems, difference)
		}
	}
	return problems, nil
}

// learners are the files that must have a counterpart, as paths in the lab's folder or the
// solution's.
type learners struct {
	both  []string
	alone []string // problems: files without a counterpart, files of the course that do not exist
}

// learnersFiles returns the files directly in the lab's folder. Of the files in its subfolders
// it returns those that the course lists, that carry the lab's mark or that the solution has
// too. Other subfolders, such as one with the types of the lab's answers, serve both sides
// and have no counterpart.
func learnersFiles(l folder) (learners, error) {
	starter, err := filesIn(l.tree, l.starter())
	if err != nil {
		return learners{}, err
	}
	solution, err := filesIn(l.tree, l.solution())
	if err != nil {
		return learners{}, err
	}
	var found learners
	for _, file := range starter {
		if slices.Contains(solution, file) {
			found.both = append(found.both, file)
			continue
		}
		marked, err := l.marked(path.Join(l.starter(), file))
		if err != nil {
			return learners{}, err
		}
		if marked || slices.Contains(l.entry.Files, file) || !strings.Contains(file, "/") {
			found.alone = append(found.alone, fmt.Sprintf("%s: in %s, and not in %s", file, l.starter(), l.solution()))
		}
	}
	for _, file := range solution {
		// A solution may be split into more Go files than the starter: parity compares their
		// exported names with those of the starter's files.
		if path.Ext(file) == ".go" && !strings.Contains(file, "/") {
			continue
		}
		if !slices.Contains(starter, file) {
			found.alone = append(found.alone, fmt.Sprintf("%s: in %s, and not in %s", file, l.solution(), l.starter()))
		}
	}
	for _, file := range l.entry.Files {
		if !slices.Contains(starter, file) {
			found.alone = append(found.alone, fmt.Sprintf("%s: the course lists it, and it is not in %s", file, l.starter()))
		}
	}
	return found, nil
}

// marked reports whether a file carries the lab's mark.
func (l folder) marked(file string) (bool, error) {
	text, err := fs.ReadFile(l.tree, file)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", file, err)
	}
	return lab.Marked(file, text, l.name), nil
}

// notLearners are the folders of a lab and of a solution that the learner does not edit.
func notLearners() []string { return []string{"spec", "service", "wrong", "right", "testdata"} }

// filesIn returns the files of a lab's or a solution's folder. It leaves out texts, drawings, tests,
// hidden files and the folders that the learner does not edit.
func filesIn(tree fs.FS, dir string) ([]string, error) {
	var files []string
	err := fs.WalkDir(tree, dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != dir && (slices.Contains(notLearners(), name) || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".md" && path.Ext(name) != ".svg" && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, ".") {
			files = append(files, strings.TrimPrefix(file, dir+"/"))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: there is no such folder", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	return files, nil
}
