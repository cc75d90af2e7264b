package labtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/markdown"
)

// lessonShows holds the expected outputs of a lab's lesson against the lab. A lab without a lesson,
// such as one of a test, has nothing to hold, and so has a test that runs outside the module.
func lessonShows(l lab.Lab) error {
	root, err := modroot.Root()
	if err != nil {
		return nil //nolint:nilerr // outside the module there is no lesson
	}
	lesson, err := os.ReadFile(filepath.Join(root, "labs", l.Name, "README.md"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lesson: %w", err)
	}
	if err := outputsOf(string(lesson), l); err != nil {
		return fmt.Errorf("labs/%s/README.md:\n%w", l.Name, err)
	}
	return nil
}

var (
	stepSection = regexp.MustCompile(`^Step (\d+): `)
	// expectedOutput is the block of code after the command of a step and the word Expected.
	expectedOutput = regexp.MustCompile("(?s)--step (\\d+)`[^`]*Expected[^`]*\n\n```\n(.*?)\n```")
	passedRow      = regexp.MustCompile(`(?m)^ *✓  (.+?)  +pass\b`)
	// moreRows is a line that stands for rows that are left out, such as "…".
	moreRows = regexp.MustCompile(`(?m)^ *…`)
)

// stretchSuffix follows the name of an optional check in a row of the report.
const stretchSuffix = " (stretch)"

// outputsOf returns an error for each expected output of a lesson that the tool would not print. The
// last line must have the tool's words for a step that passed. Each row must be of a check of that
// step, or of one that it needs. Each core check of the step must have a row, unless a line that begins
// with … stands for rows that are left out.
func outputsOf(lesson string, l lab.Lab) error {
	var errs []error
	for _, section := range markdown.Sections(lesson) {
		title := stepSection.FindStringSubmatch(section.Title)
		if title == nil {
			continue
		}
		for _, block := range expectedOutput.FindAllStringSubmatch(section.Text, -1) {
			step, err := strconv.Atoi(block[1])
			if err == nil && block[1] != title[1] {
				err = errors.New("the command names another step")
			}
			if err == nil {
				err = outputOf(block[2], step, l)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("step %s: %w", title[1], err))
			}
		}
	}
	return errors.Join(errs...)
}

func outputOf(output string, step int, l lab.Lab) error {
	lines := strings.Split(output, "\n")
	last, want := lines[len(lines)-1], "PASS: "+lab.Result{Step: step, Verdict: lab.Pass}.Meaning()
	if !strings.HasPrefix(last, want) {
		return fmt.Errorf("the expected output ends with %q, want %q", last, want)
	}
	reached := reachedBy(step, l)
	var shown []string
	for _, row := range passedRow.FindAllStringSubmatch(output, -1) {
		name := strings.TrimSuffix(row[1], stretchSuffix)
		if !slices.Contains(reached, name) {
			return fmt.Errorf("the expected output shows %q, which neither belongs to the step nor is needed by it", name)
		}
		shown = append(shown, name)
	}
	if moreRows.MatchString(output) {
		return nil
	}
	for _, check := range l.List() {
		if check.OfStep(step) && check.Kind == lab.Core && !slices.Contains(shown, check.Name) {
			return fmt.Errorf("the expected output lacks a row of the check %q", check.Name)
		}
	}
	return nil
}

// reachedBy returns the names of the checks and stages that a run of one step reaches.
func reachedBy(step int, l lab.Lab) []string {
	needs := make(map[string][]string)
	for _, stage := range l.Stages {
		needs[stage.Name] = stage.Needs
	}
	var names []string
	for _, check := range l.List() {
		needs[check.Name] = check.Needs
		if check.OfStep(step) {
			names = append(names, check.Name)
		}
	}
	for i := 0; i < len(names); i++ {
		for _, need := range needs[names[i]] {
			if !slices.Contains(names, need) {
				names = append(names, need)
			}
		}
	}
	return names
}
