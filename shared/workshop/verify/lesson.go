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

// leastHints is how many hints a lab has at least, from a nudge to nearly the answer.
const leastHints = 3

// openEnd ends a title of which only the beginning is given.
const openEnd = " ..."

// sections are the titles of a lesson's sections, in order. Every lab words the one about
// the simpler way out for itself.
func sections() []string {
	return []string{
		"Why it hurts now", "Predict", "Do", "Check", "Break it", "What it costs", "Why not" + openEnd, "Further reading",
	}
}

var outcome = regexp.MustCompile(`(?m)^\*\*Outcome[.:]?\*\*`)

// lesson demands the texts that come with a lab, and that the work is marked where it is
// to be done and nowhere else. It returns what is missing.
func lesson(l folder) ([]string, error) {
	var problems []string
	for _, look := range []func(folder) ([]string, error){readme, hints, why, marks} {
		more, err := look(l)
		problems = append(problems, more...)
		if err != nil {
			return problems, err
		}
	}
	return problems, nil
}

// text reads a text; one that is not there is empty.
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
	if title := fmt.Sprintf("# Lab %s: ", l.number()); !strings.HasPrefix(text, title) {
		problems = append(problems, fmt.Sprintf("%s: want it to begin with %q", file, title))
	}
	if !outcome.MatchString(text) {
		problems = append(problems, file+": want a paragraph that begins with **Outcome.**")
	}
	there := markdown.Sections(text)
	for _, want := range sections() {
		at := slices.IndexFunc(there, func(s markdown.Section) bool {
			beginning, open := strings.CutSuffix(want, openEnd)
			return s.Title == want || open && strings.HasPrefix(s.Title, beginning+" ")
		})
		switch {
		case at < 0:
			problems = append(problems, fmt.Sprintf("%s: the section %q is missing, or not in its place", file, want))
			continue // the others may still be there
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
	if len(there) < leastHints {
		problems = append(problems, fmt.Sprintf("%s: %d hints (## headings), want at least %d", file, len(there), leastHints))
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

// marks demands the lab's mark in every file that the solution changes, and in no file of
// the solution.
func marks(l folder) ([]string, error) {
	files, err := learnersFiles(l)
	if err != nil {
		return nil, err
	}
	var problems []string
	changes := 0
	for _, file := range files.both {
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
		switch {
		case changed && !todo:
			problems = append(problems, fmt.Sprintf("%s/%s: the solution changes it, and no %s says so", l.starter(), file, lab.Mark(l.name)))
		case todo && !changed:
			problems = append(problems, fmt.Sprintf("%s/%s: there is a %s, and the solution does not change it", l.starter(), file, lab.Mark(l.name)))
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

// changed reports whether the solution has another file in the place of the starter's. In
// Go, comments do not count: both sides say who they are.
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

// withoutComments returns the tokens of Go source, a line each.
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
			literal = "" // written or not
		}
		fmt.Fprintf(&out, "%s %s\n", tok, literal)
	}
}
