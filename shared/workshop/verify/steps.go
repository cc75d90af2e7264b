package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/markdown"
)

// Bounds of a lesson's text.
const (
	maxWords     = 1500 // of a lesson, without code, answers to open, and further reading
	maxStepTerms = 6    // new terms of a step
	// maxLineError is by how many lines a step's text may differ from what the solution adds.
	maxLineError = 5
)

// Titles of sections whose text is looked at too.
const (
	beforeYouBegin   = "Before you begin"
	furtherReading   = "Further reading"
	checkYourself    = "Check your understanding"
	whyItHurts       = "Why it hurts now"
	termsHeading     = "### Terms"
	detailsBeginning = "<details>"
)

// stepTitle is the title of a step's section.
func stepTitle(s course.Step) string { return fmt.Sprintf("Step %d: %s", s.Number, s.Name) }

// sections returns the titles of a lesson's sections, in order. The one about the simpler
// solution has a title of its own in each lab.
func sections(l course.Lab) []string {
	titles := []string{beforeYouBegin, whyItHurts, "Predict"}
	for _, step := range l.Steps {
		titles = append(titles, stepTitle(step))
	}
	return append(titles, "The gain", "Break it", "What it costs", "Why not"+openEnd, checkYourself, furtherReading)
}

var (
	drawing  = regexp.MustCompile(`!\[[^\]]{10,}\]\(([^)\s]+\.svg)\)`)
	estimate = regexp.MustCompile(`\*\*About (\d+) lines?, (\d+) minutes?\.\*\*`)
	details  = regexp.MustCompile(`(?s)<details>.*?</details>`)
	fenced   = regexp.MustCompile("(?ms)^ *(```+|~~~+).*?^ *(```+|~~~+) *$")
	link     = regexp.MustCompile(`\]\([^)]*\)`)
)

// steps demands a lesson with a drawing, a table of terms, and a section for each step. The section
// names the step's places, size and check. A lesson has at most maxWords words.
func steps(l folder) ([]string, error) {
	file := path.Join(l.starter(), "README.md")
	text, err := l.text(file)
	if err != nil {
		return nil, err
	}
	var problems []string
	problemf := func(format string, args ...any) { problems = append(problems, file+": "+fmt.Sprintf(format, args...)) }

	there := markdown.Sections(text)
	section := func(title string) string {
		at := slices.IndexFunc(there, func(s markdown.Section) bool { return s.Title == title })
		if at < 0 {
			return ""
		}
		return there[at].Text
	}
	if n := words(text); n > maxWords {
		problemf("%d words without code, answers and further reading, want at most %d", n, maxWords)
	}
	if !drawing.MatchString(text) {
		problemf("want a drawing with a text for those who cannot see it: ![text](name.svg)")
	}
	for _, match := range drawing.FindAllStringSubmatch(text, -1) {
		if _, err := fs.Stat(l.tree, path.Join(l.starter(), match[1])); err != nil {
			problemf("the drawing %s does not exist", match[1])
		}
	}
	if !strings.Contains(section(checkYourself), detailsBeginning) {
		problemf("%s: want an answer to open, in %s", checkYourself, detailsBeginning)
	}
	for _, problem := range terms(section(beforeYouBegin), l.entry) {
		problemf("%s", problem)
	}
	counted, err := countCoreWork(l)
	if err != nil {
		return problems, err
	}
	for _, step := range l.entry.Steps {
		for _, problem := range stepText(l.entry, step, section(stepTitle(step)), counted.steps[step.Number]) {
			problemf("step %d: %s", step.Number, problem)
		}
	}
	deep, err := deepDives(l)
	return append(problems, deep...), err
}

// words counts the words of a lesson that a learner must read.
func words(text string) int {
	text = details.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	if at := strings.Index(text, "\n## "+furtherReading); at >= 0 {
		text = text[:at]
	}
	text = link.ReplaceAllString(text, "]")
	n := 0
	for _, word := range strings.Fields(text) {
		if strings.ContainsFunc(word, func(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }) {
			n++
		}
	}
	return n
}

// terms returns the faults of the table of terms: | term | meaning | step |.
func terms(section string, l course.Lab) []string {
	_, table, found := strings.Cut(section, termsHeading)
	if !found {
		return []string{beforeYouBegin + ": want " + termsHeading + " with a table of term, meaning and step"}
	}
	if rest, _, ok := strings.Cut(table, "\n### "); ok {
		table = rest
	}
	var problems []string
	perStep := make(map[int]int)
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| term |") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		step, err := strconv.Atoi(strings.TrimSpace(cells[len(cells)-1]))
		if len(cells) != 3 || err != nil || step < 1 || step > len(l.Steps) {
			problems = append(problems, fmt.Sprintf("%.60s: want term, meaning and the number of a step", line))
			continue
		}
		perStep[step]++
	}
	if len(perStep) == 0 && len(problems) == 0 {
		problems = append(problems, termsHeading+": the table has no rows")
	}
	for _, step := range l.Steps {
		if perStep[step.Number] > maxStepTerms {
			problems = append(problems, fmt.Sprintf("%s: %d new terms in step %d, want at most %d", termsHeading, perStep[step.Number], step.Number, maxStepTerms))
		}
	}
	return problems
}

// stepText returns the faults of a step's section. The solution adds that many lines.
func stepText(l course.Lab, step course.Step, text string, added int) []string {
	if text == "" {
		return nil // the sections are looked for elsewhere
	}
	var problems []string
	if match := estimate.FindStringSubmatch(text); match == nil {
		problems = append(problems, "want its size as **About N lines, M minutes.**")
	} else {
		lines, _ := strconv.Atoi(match[1])
		if minutes, _ := strconv.Atoi(match[2]); minutes != step.Minutes {
			problems = append(problems, fmt.Sprintf("says %d minutes, the course says %d", minutes, step.Minutes))
		}
		if lines-added > maxLineError || added-lines > maxLineError {
			problems = append(problems, fmt.Sprintf("says %d lines, the solution adds %d", lines, added))
		}
	}
	for _, place := range step.Places {
		file, name := course.Place(place)
		for _, want := range []string{file, name} {
			if want != "" && !strings.Contains(text, "`"+want+"`") {
				problems = append(problems, fmt.Sprintf("want it to name `%s`, which the course lists", want))
			}
		}
	}
	if command := fmt.Sprintf("go tool workshop check %s --step %d", l.ID(), step.Number); !strings.Contains(text, command) {
		problems = append(problems, "want it to end with `"+command+"`")
	}
	return problems
}

// deepDives looks at the optional files of a lab. DEEP.md names each. Each carries its mark in the
// starter and not in the solution, and none is a core file.
func deepDives(l folder) ([]string, error) {
	var problems []string
	if len(l.entry.Stretch) == 0 {
		return nil, nil
	}
	file := path.Join(l.starter(), "DEEP.md")
	text, err := l.text(file)
	if err != nil {
		return nil, err
	}
	if text == "" {
		problems = append(problems, file+" is missing or empty, and the course lists files of deep dives")
	}
	for _, stretch := range l.entry.Stretch {
		if text != "" && !strings.Contains(text, "`"+stretch+"`") {
			problems = append(problems, fmt.Sprintf("%s: want it to name `%s`", file, stretch))
		}
		for dir, want := range map[string]bool{l.starter(): true, l.solution(): false} {
			source, err := fs.ReadFile(l.tree, path.Join(dir, stretch))
			if errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, fmt.Sprintf("%s/%s: the course lists it, and it does not exist", dir, stretch))
				continue
			}
			if err != nil {
				return problems, fmt.Errorf("read deep dive: %w", err)
			}
			if marked := strings.Contains(string(source), lab.DeepMark(l.name)); marked != want {
				problems = append(problems, fmt.Sprintf("%s/%s: carries %s: %t, want %t", dir, stretch, lab.DeepMark(l.name), marked, want))
			}
		}
	}
	slices.Sort(problems)
	return problems, nil
}
