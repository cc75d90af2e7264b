package verify

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/course"
)

// Bounds of a lab's core work, in code lines that the solution adds to the starter.
const (
	maxStepLines = 40
	maxLabLines  = 150
)

// codeLine is a line of a file without its comments and its spacing.
type codeLine struct {
	number int // from 1
	text   string
}

// codeLines returns the lines of a file that hold code, in order. A line of only a comment, of
// only spaces or of only the rest of a raw string holds none.
func codeLines(file string, source []byte) []codeLine {
	if path.Ext(file) == ".go" {
		return goLines(source)
	}
	var lines []codeLine
	number := 0
	for line := range bytes.Lines(source) {
		number++
		text := string(bytes.Join(bytes.Fields(line), []byte(" ")))
		if text != "" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "--") {
			lines = append(lines, codeLine{number, text})
		}
	}
	return lines
}

func goLines(source []byte) []codeLine {
	var s scanner.Scanner
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	s.Init(file, source, nil, 0)
	var lines []codeLine
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return lines
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue // the end of a line adds nothing to it
		}
		if literal == "" {
			literal = tok.String()
		}
		number := file.Line(pos)
		if len(lines) > 0 && lines[len(lines)-1].number == number {
			lines[len(lines)-1].text += " " + literal
			continue
		}
		lines = append(lines, codeLine{number, literal})
	}
}

// addedLines returns the numbers of the lines of after that are not in before, by a longest
// common subsequence of their texts.
func addedLines(before, after []codeLine) []int {
	// common[i][j] is the length of the longest common subsequence of before[i:] and after[j:].
	common := make([][]int, len(before)+1)
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i].text == after[j].text {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var added []int
	for i, j := 0, 0; j < len(after); {
		switch {
		case i < len(before) && before[i].text == after[j].text:
			i, j = i+1, j+1
		case i < len(before) && common[i+1][j] >= common[i][j+1]:
			i++
		default:
			added = append(added, after[j].number)
			j++
		}
	}
	return added
}

// span is a range of lines of a file, both ends included.
type span struct{ from, to int }

func (s span) holds(line int) bool { return s.from <= line && line <= s.to }

// spans returns where a Go file declares what a step may name: functions and methods as
// functions does, and types.
func spans(source []byte) (map[string]span, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	found := make(map[string]span)
	of := func(n ast.Node) span { return span{set.Position(n.Pos()).Line, set.Position(n.End()).Line} }
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			found[qualified(d)] = of(d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				where := of(s)
				if len(d.Specs) == 1 {
					where = of(d)
				}
				switch s := s.(type) {
				case *ast.TypeSpec:
					found[s.Name.Name] = where
				case *ast.ValueSpec:
					for _, name := range s.Names {
						found[name.Name] = where
					}
				case *ast.ImportSpec:
					found["import "+s.Path.Value] = where
				}
			}
		}
	}
	return found, nil
}

// coreWork is what the solution's core files add to the starter's, in code lines.
type coreWork struct {
	total int
	steps map[int]int // by the number of the step
	// nowhere are the places, as file:line, of lines that belong to no step.
	nowhere []string
}

// countCoreWork compares the learner's files with those of the solution. Imports count in no step
// and not in the total, because an editor writes them.
func countCoreWork(l folder) (coreWork, error) {
	work := coreWork{steps: make(map[int]int)}
	for _, file := range l.entry.Files {
		var texts [2][]byte
		for i, dir := range []string{l.starter(), l.solution()} {
			text, err := fs.ReadFile(l.tree, path.Join(dir, file))
			if err != nil {
				return work, fmt.Errorf("count lines: %w", err)
			}
			texts[i] = bytes.ReplaceAll(text, []byte("/"+l.solution()+"/"), []byte("/"+l.starter()+"/"))
		}
		var declared map[string]span
		if path.Ext(file) == ".go" {
			var err error
			if declared, err = spans(texts[1]); err != nil {
				return work, fmt.Errorf("count lines of %s: %w", file, err)
			}
		}
		for _, line := range addedLines(codeLines(file, texts[0]), codeLines(file, texts[1])) {
			if isImport(declared, line) {
				continue
			}
			work.total++
			found := false
			for _, step := range l.entry.Steps {
				if slices.ContainsFunc(step.Places, func(place string) bool { return placeHolds(place, file, declared, line) }) {
					work.steps[step.Number]++
					found = true
				}
			}
			if !found {
				work.nowhere = append(work.nowhere, fmt.Sprintf("%s:%d", file, line))
			}
		}
	}
	return work, nil
}

func isImport(declared map[string]span, line int) bool {
	for name, where := range declared {
		if strings.HasPrefix(name, "import ") && where.holds(line) {
			return true
		}
	}
	return false
}

// placeHolds reports whether a line of a file is part of a place of course.Step.
func placeHolds(place, file string, declared map[string]span, line int) bool {
	in, name := course.Place(place)
	if in != file {
		return false
	}
	where, ok := declared[name]
	return name == "" || ok && where.holds(line)
}

// work demands that the core work of a lab and of each step stays within its bound. Each line of
// that work belongs to a step, and the places of the steps exist.
func work(l folder) ([]string, error) {
	var problems []string
	for _, step := range l.entry.Steps {
		for _, place := range step.Places {
			problem, err := l.placeProblem(place)
			if err != nil {
				return problems, err
			}
			if problem != "" {
				problems = append(problems, fmt.Sprintf("lab %s, step %d: %s", l.entry.ID(), step.Number, problem))
			}
		}
	}
	counted, err := countCoreWork(l)
	if err != nil {
		return problems, err
	}
	if counted.total > maxLabLines {
		problems = append(problems, fmt.Sprintf("lab %s: the solution adds %d lines of code to the core files, want at most %d", l.entry.ID(), counted.total, maxLabLines))
	}
	for _, step := range l.entry.Steps {
		if n := counted.steps[step.Number]; n > maxStepLines {
			problems = append(problems, fmt.Sprintf("lab %s, step %d: the solution adds %d lines of code, want at most %d", l.entry.ID(), step.Number, n, maxStepLines))
		}
	}
	if len(counted.nowhere) > 0 {
		problems = append(problems, fmt.Sprintf("%s: no step's places hold what the solution adds at %s", l.solution(), strings.Join(counted.nowhere, ", ")))
	}
	return problems, nil
}

// placeProblem says why a place is none: its file is not the learner's, or neither side
// declares its function.
func (l folder) placeProblem(place string) (string, error) {
	file, name := course.Place(place)
	if !slices.Contains(l.entry.Files, file) {
		return fmt.Sprintf("place %q is in no file that the learner edits", place), nil
	}
	if name == "" {
		return "", nil
	}
	for _, dir := range []string{l.starter(), l.solution()} {
		source, err := fs.ReadFile(l.tree, path.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read place: %w", err)
		}
		declared, err := spans(source)
		if err != nil {
			return "", fmt.Errorf("%s/%s: %w", dir, file, err)
		}
		if _, ok := declared[name]; ok {
			return "", nil
		}
	}
	return fmt.Sprintf("place %q: neither the starter nor the solution declares it", place), nil
}
