package lab

import (
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mark returns the mark of the places where the learner of a lab works. For "00-baseline" it
// is "TODO(lab 00)".
func Mark(lab string) string {
	number, _, _ := strings.Cut(lab, "-")
	return "TODO(lab " + number + ")"
}

// DeepMark returns the mark of the optional work of a lab, such as "TODO(lab 03, deep dive)".
func DeepMark(lab string) string { return strings.TrimSuffix(Mark(lab), ")") + ", deep dive)" }

// Todos returns the places, as "file:line: text", where files still carry the mark of the
// lab. In Go source the mark counts in comments only.
func Todos(files fs.FS, lab string) ([]string, error) {
	var all []string
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("starter files: %w", err)
	}
	return TodosIn(files, lab, all...)
}

// TodosIn is Todos for the files of those names. A file that does not exist has no mark.
func TodosIn(files fs.FS, lab string, names ...string) ([]string, error) {
	var todos []string
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("starter files: %w", err)
		}
		for _, todo := range marks(name, text, lab) {
			todos = append(todos, fmt.Sprintf("%s:%d: %s", name, todo.line, todo.text))
		}
	}
	return todos, nil
}

// TodosLeft returns all Todos after a run of the whole lab. After a run of a step it returns those that name the
// step, and after a run of a single check none.
func (r Result) TodosLeft() []string {
	switch {
	case r.Only != "":
		return nil
	case r.Step == 0:
		return r.Todos
	}
	ofStep := regexp.MustCompile(fmt.Sprintf(`\bstep %d\b`, r.Step))
	var left []string
	for _, todo := range r.Todos {
		if ofStep.MatchString(todo) {
			left = append(left, todo)
		}
	}
	return left
}

// Marked reports whether a file carries the mark of the lab. The name says whether the text
// is Go source, where the mark counts in comments only.
func Marked(name string, text []byte, lab string) bool { return len(marks(name, text, lab)) > 0 }

// MarkedSteps returns the numbers of the steps that the marks of a file name, each once and in order. The
// mark of a deep dive names none.
func MarkedSteps(name string, text []byte, lab string) []int {
	var steps []int
	for _, todo := range marks(name, text, lab) {
		if match := stepOfMark.FindStringSubmatch(strings.TrimPrefix(todo.text, Mark(lab))); match != nil {
			step, _ := strconv.Atoi(match[1]) // one or two digits
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return slices.Compact(steps)
}

// stepOfMark matches the step behind a mark: "TODO(lab 03): step 5" and "TODO(lab 00), step 2".
var stepOfMark = regexp.MustCompile(`^[:,]? step (\d{1,2})\b`)

// found is a text and the number of its line.
type found struct {
	line int // from 1
	text string
}

func marks(name string, text []byte, lab string) []found {
	if path.Ext(name) == ".go" {
		if comments, ok := commentsOf(text); ok {
			var all []found
			for _, comment := range comments {
				all = append(all, marksIn(comment.text, comment.line, lab)...)
			}
			return all
		}
	}
	return marksIn(string(text), 1, lab)
}

// marksIn looks for the mark line by line. The first line of the text has the number first.
func marksIn(text string, first int, lab string) []found {
	var all []found
	for i, line := range strings.Split(text, "\n") {
		if at := strings.Index(line, Mark(lab)); at >= 0 {
			all = append(all, found{first + i, strings.TrimSpace(line[at:])})
		}
	}
	return all
}

// commentsOf returns the comments of Go source. It is not ok when the source has a mistake
// that hides where a comment begins, such as a string without an end.
func commentsOf(source []byte) (comments []found, ok bool) {
	var s scanner.Scanner
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	s.Init(file, source, nil, scanner.ScanComments)
	for {
		pos, tok, literal := s.Scan()
		switch tok {
		case token.EOF:
			return comments, s.ErrorCount == 0
		case token.COMMENT:
			comments = append(comments, found{file.PositionFor(pos, false).Line, literal})
		}
	}
}
