package verify

import (
	"bytes"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/markdown"
)

// minHints is the least number of hints of a lab. They lead from a nudge to nearly the answer.
const minHints = 3

// openEnd marks a title with a fixed beginning and an end that differs from lab to lab.
const openEnd = " ..."

var outcome = regexp.MustCompile(`(?m)^\*\*Outcome[.:]?\*\*`)

// lesson demands the texts of a lab, and the lab's mark in every file that the learner edits
// and in no other. It returns the problems.
func lesson(l folder) ([]string, error) {
	problems := l.unlisted()
	if problems != nil {
		return problems, nil
	}
	for _, look := range []func(folder) ([]string, error){readme, hints, why, marks, looks, work, steps} {
		more, err := look(l)
		problems = append(problems, more...)
		if err != nil {
			return problems, err
		}
	}
	return problems, nil
}

// text reads a text. A file that does not exist is an empty text.
func (l folder) text(file string) (string, error) {
	text, err := fs.ReadFile(l.tree, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return strings.TrimSpace(string(text)), nil
}

func readme(l folder) ([]string, error) {
	file := path.Join(l.starter(), "README.md")
	text, err := l.text(file)
	if err != nil || text == "" {
		return []string{file + " is missing or empty"}, err
	}
	var problems []string
	if title := "# " + l.entry.Heading(); !strings.HasPrefix(text, title+"\n") {
		problems = append(problems, fmt.Sprintf("%s: want it to begin with %q, the title in the course", file, title))
	}
	if time := l.entry.Time(); !strings.Contains(text, time) {
		problems = append(problems, fmt.Sprintf("%s: want it to say %q, the time in the course", file, time))
	}
	for _, edited := range l.entry.Files {
		if name := "`" + edited + "`"; !strings.Contains(text, name) {
			problems = append(problems, fmt.Sprintf("%s: want it to name %s, which the learner edits", file, name))
		}
	}
	if !outcome.MatchString(text) {
		problems = append(problems, file+": want a paragraph that begins with **Outcome.**")
	}
	there := markdown.Sections(text)
	for _, want := range sections(l.entry) {
		at := slices.IndexFunc(there, func(s markdown.Section) bool {
			beginning, open := strings.CutSuffix(want, openEnd)
			return s.Title == want || open && strings.HasPrefix(s.Title, beginning+" ")
		})
		switch {
		case at < 0:
			problems = append(problems, fmt.Sprintf("%s: the section %q is missing, or not in its place", file, want))
			continue // the later sections are still looked for
		case there[at].Text == "":
			problems = append(problems, fmt.Sprintf("%s: the section %q is empty", file, there[at].Title))
		}
		there = there[at+1:]
	}
	return problems, nil
}

func hints(l folder) ([]string, error) {
	file := path.Join(l.starter(), "hints.md")
	text, err := l.text(file)
	if err != nil || text == "" {
		return []string{file + " is missing or empty"}, err
	}
	var problems []string
	there := markdown.Sections(text)
	if len(there) < minHints {
		problems = append(problems, fmt.Sprintf("%s: %d hints (## headings), want at least %d", file, len(there), minHints))
	}
	for i, hint := range there {
		if hint.Text == "" {
			problems = append(problems, fmt.Sprintf("%s: hint %d says nothing", file, i+1))
		}
	}
	return problems, nil
}

func why(l folder) ([]string, error) {
	file := path.Join(l.solution(), "WHY.md")
	text, err := l.text(file)
	if err != nil || text == "" {
		return []string{file + " is missing or empty"}, err
	}
	return nil, nil
}

// marks demands that three sets of files are equal: those with the lab's mark, those that the
// solution changes, and the learner's files in the course. No file of the
// solution may carry the mark.
func marks(l folder) ([]string, error) {
	files, err := learnersFiles(l)
	if err != nil {
		return nil, err
	}
	var problems []string
	changes := 0
	for _, file := range files.both {
		if slices.Contains(l.entry.Stretch, file) {
			continue // its mark is another: see deepDives
		}
		changed, err := l.changed(file)
		if err != nil {
			return problems, err
		}
		if changed {
			changes++
		}
		todo, err := l.marked(path.Join(l.starter(), file))
		if err != nil {
			return problems, err
		}
		listed := slices.Contains(l.entry.Files, file)
		switch {
		case changed && !todo:
			problems = append(problems, fmt.Sprintf("%s/%s: the solution changes it, and no %s says so", l.starter(), file, lab.Mark(l.name)))
		case todo && !changed:
			problems = append(problems, fmt.Sprintf("%s/%s: there is a %s, and the solution does not change it", l.starter(), file, lab.Mark(l.name)))
		}
		switch {
		case todo && !listed:
			problems = append(problems, fmt.Sprintf("%s/%s: there is a %s, and the course does not list the file", l.starter(), file, lab.Mark(l.name)))
		case listed && !todo:
			problems = append(problems, fmt.Sprintf("%s/%s: the course lists it, and it carries no %s", l.starter(), file, lab.Mark(l.name)))
		}
	}
	if changes == 0 {
		problems = append(problems, "the solution changes no file of the starter")
	}
	solution, err := filesIn(l.tree, l.solution())
	if err != nil {
		return problems, err
	}
	for _, file := range solution {
		left, err := l.marked(path.Join(l.solution(), file))
		if err != nil {
			return problems, err
		}
		if left {
			problems = append(problems, fmt.Sprintf("%s/%s: %s is left in the solution", l.solution(), file, lab.Mark(l.name)))
		}
	}
	return problems, nil
}

// changed reports whether the solution's file differs from the starter's. In Go, comments do
// not count, because the package comment says which side it is.
func (l folder) changed(file string) (bool, error) {
	var texts [2][]byte
	for i, dir := range []string{l.starter(), l.solution()} {
		text, err := fs.ReadFile(l.tree, path.Join(dir, file))
		if err != nil {
			return false, fmt.Errorf("compare %s: %w", file, err)
		}
		if path.Ext(file) == ".go" {
			text = withoutComments(text)
		}
		texts[i] = bytes.ReplaceAll(text, []byte("/"+l.solution()+"/"), []byte("/"+l.starter()+"/"))
	}
	return !bytes.Equal(texts[0], texts[1]), nil
}

// withoutComments returns the tokens of Go source, one in each line.
func withoutComments(source []byte) []byte {
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile("", files.Base(), len(source)), source, nil, 0)
	var out bytes.Buffer
	for {
		_, tok, literal := s.Scan()
		if tok == token.EOF {
			return out.Bytes()
		}
		if tok == token.SEMICOLON {
			literal = "" // the same token, written out or implied by the end of the line
		}
		fmt.Fprintf(&out, "%s %s\n", tok, literal)
	}
}
