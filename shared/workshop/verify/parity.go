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

// parity demands that a solution has the files of its lab and exports the same, so that
// either can stand in the other's place. It returns what is different.
func parity(l folder) ([]string, error) {
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

// learners are the files that a learner works with, as paths in the lab's folder or the
// solution's.
type learners struct {
	both  []string
	alone []string // complaints about those that only one side has
}

// learnersFiles returns the files that stand in the lab's folder, and those below it that
// carry the lab's mark or that the solution has too. Other folders of a lab, such as one
// with the words that its answers are written in, serve both sides and have no
// counterpart.
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
		if marked || !strings.Contains(file, "/") {
			found.alone = append(found.alone, fmt.Sprintf("%s: in %s, and not in %s", file, l.starter(), l.solution()))
		}
	}
	for _, file := range solution {
		if !slices.Contains(starter, file) {
			found.alone = append(found.alone, fmt.Sprintf("%s: in %s, and not in %s", file, l.solution(), l.starter()))
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
	return strings.Contains(string(text), lab.Mark(l.name)), nil
}

// notLearners are the folders of a lab and of a solution that no learner works in.
func notLearners() []string { return []string{"spec", "service", "wrong", "testdata"} }

// filesIn returns the files of a lab's or a solution's folder, but for texts, tests and
// what stands in folders that no learner works in.
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
		if path.Ext(name) != ".md" && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, ".") {
			files = append(files, strings.TrimPrefix(file, dir+"/"))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	return files, nil
}
