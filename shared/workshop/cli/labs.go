package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

// folder is a lab as its folder tells it.
type folder struct {
	Name    string // such as "00-baseline", the folder's name
	Number  int
	Title   string // the README's heading
	Outcome string // what the README says a learner can do afterwards
	Todos   []string
}

// Dir is the lab's folder from the module's root, with slashes.
func (l folder) Dir() string { return path.Join("labs", l.Name) }

// SolutionDir is the folder of the finished lab.
func (l folder) SolutionDir() string { return path.Join("solutions", l.Name) }

// ID is the number as a learner types it.
func (l folder) ID() string { return fmt.Sprintf("%02d", l.Number) }

var labFolder = regexp.MustCompile(`^(\d{2})-[a-z0-9-]+$`)

// labs returns the labs that are there, in order.
func (w workshop) labs() ([]folder, error) {
	entries, err := os.ReadDir(w.path("labs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read labs: %w", err)
	}
	var found []folder
	for _, entry := range entries {
		match := labFolder.FindStringSubmatch(entry.Name())
		if match == nil || !entry.IsDir() {
			continue
		}
		readme, err := os.ReadFile(w.path("labs", entry.Name(), "README.md"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a lab without a lesson is still being written
		}
		if err != nil {
			return nil, fmt.Errorf("read lesson: %w", err)
		}
		number, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, fmt.Errorf("lab %s: %w", entry.Name(), err)
		}
		l := folder{Name: entry.Name(), Number: number}
		l.Title, l.Outcome = lesson(readme)
		if l.Todos, err = w.todos(l); err != nil {
			return nil, err
		}
		found = append(found, l)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found, nil
}

// outcomeMark starts the paragraph that says what a lab is for.
var outcomeMark = regexp.MustCompile(`(?i)^\W*outcome[.:]\W*`)

// lesson reads the heading of a lab's README and its outcome: the paragraph that starts
// with "Outcome", or the first one where there is none.
func lesson(readme []byte) (title, outcome string) {
	text := strings.ReplaceAll(string(readme), "\r\n", "\n")
	for _, paragraph := range strings.Split(text, "\n\n") {
		paragraph = strings.Join(strings.Fields(paragraph), " ")
		heading, isHeading := strings.CutPrefix(paragraph, "# ")
		mark := outcomeMark.FindString(paragraph)
		switch {
		case isHeading && title == "":
			title = heading
		case mark != "":
			return title, paragraph[len(mark):]
		case outcome == "" && !strings.HasPrefix(paragraph, "#"):
			outcome = paragraph
		}
	}
	return title, outcome
}

// todos returns where the lab's starter still marks work. The lesson and the spec speak
// of the mark without being work.
func (w workshop) todos(l folder) ([]string, error) {
	all, err := lab.Todos(os.DirFS(w.path("labs", l.Name)), l.Name)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	var left []string
	for _, todo := range all {
		file, _, _ := strings.Cut(todo, ":")
		if strings.HasSuffix(file, ".md") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "spec/") {
			continue
		}
		left = append(left, todo)
	}
	return left, nil
}

// findLab takes 0, 00 or 00-baseline. The error lists the labs there are.
func (w workshop) findLab(name string) (folder, error) {
	labs, err := w.labs()
	if err != nil {
		return folder{}, err
	}
	number, numberErr := strconv.Atoi(name)
	names := make([]string, 0, len(labs))
	for _, l := range labs {
		if l.Name == name || numberErr == nil && number == l.Number {
			return l, nil
		}
		names = append(names, l.Name)
	}
	if len(labs) == 0 {
		return folder{}, usagef("no lab %q: there are no labs in %s", name, w.path("labs"))
	}
	return folder{}, usagef("no lab %q; there are: %s", name, strings.Join(names, ", "))
}
