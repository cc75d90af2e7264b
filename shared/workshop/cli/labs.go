package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// folder is a lab of the course whose folder is on disk.
type folder struct {
	course.Lab
	Outcome string // the README's paragraph about what a learner can do afterwards
	Todos   []string
}

// labs returns the labs that are on disk, in the order of the course. A folder without a
// lesson is not finished, and is left out.
func (w workshop) labs() ([]folder, error) {
	var found []folder
	for _, entry := range w.course {
		readme, err := os.ReadFile(w.path("labs", entry.Name, "README.md"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read lesson: %w", err)
		}
		l := folder{Lab: entry, Outcome: outcome(readme)}
		if l.Todos, err = lab.TodosIn(os.DirFS(w.path("labs", l.Name)), l.Name, l.Files...); err != nil {
			return nil, fmt.Errorf("lab %s: %w", l.Name, err)
		}
		found = append(found, l)
	}
	return found, nil
}

// outcomeMark matches the beginning of the paragraph about the outcome of a lab.
var outcomeMark = regexp.MustCompile(`(?i)^\W*outcome[.:]\W*`)

// outcome returns the paragraph of a lab's README that starts with "Outcome". Without one, it
// returns the first paragraph.
func outcome(readme []byte) string {
	first := ""
	text := strings.ReplaceAll(string(readme), "\r\n", "\n")
	for _, paragraph := range strings.Split(text, "\n\n") {
		paragraph = strings.Join(strings.Fields(paragraph), " ")
		mark := outcomeMark.FindString(paragraph)
		switch {
		case mark != "":
			return paragraph[len(mark):]
		case first == "" && !strings.HasPrefix(paragraph, "#"):
			first = paragraph
		}
	}
	return first
}

// lab returns the workshop, and the lab that the user named: see findLab.
func (a *app) lab(name string) (workshop, folder, error) {
	w, err := a.workshop()
	if err != nil {
		return workshop{}, folder{}, err
	}
	l, err := w.findLab(name)
	return w, l, err
}

// findLab takes 0, 00 or 00-baseline. The error lists the labs on disk.
func (w workshop) findLab(name string) (folder, error) {
	labs, err := w.labs()
	if err != nil {
		return folder{}, err
	}
	names := make([]string, 0, len(labs))
	for _, l := range labs {
		if l.Is(name) {
			return l, nil
		}
		names = append(names, l.Name)
	}
	if unlisted := w.unlisted(name); unlisted != "" {
		return folder{}, usagef("no lab %q: labs/%s has no entry in shared/workshop/course/labs.go", name, unlisted)
	}
	if len(labs) == 0 {
		return folder{}, usagef("no lab %q: there are no labs in %s", name, w.path("labs"))
	}
	return folder{}, usagef("no lab %q; there are: %s", name, strings.Join(names, ", "))
}

var labFolder = regexp.MustCompile(`^(\d{2})-[a-z0-9-]+$`)

// unlisted returns the folder that name means when the course has no entry of it, or nothing.
func (w workshop) unlisted(name string) string {
	entries, _ := os.ReadDir(w.path("labs")) // without the folder there is no such lab either
	for _, entry := range entries {
		match := labFolder.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		number, _ := strconv.Atoi(match[1]) // two digits
		l := course.Lab{Number: number, Name: entry.Name()}
		if _, listed := w.course.Named(l.Name); !listed && l.Is(name) {
			return l.Name
		}
	}
	return ""
}
