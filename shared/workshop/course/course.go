// Package course is the table of labs. A lab has one entry, which holds every fact of the lab
// that other parts of the workshop need. The command line, verify, branches and the compose
// stack read the table. Tests compare it with README.md and docs/budget.md. Labs returns it as
// a value, so that a test can pass a course with one more entry.
package course

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// Course is a list of labs, in order of number.
type Course []Lab

// Lab is the entry of one lab.
type Lab struct {
	Number  int
	Name    string // the lab's folder in labs/ and in solutions/, such as "00-baseline"
	Title   string // the lesson's heading is "Lab 00: " and the title
	Summary string // one line for the table of labs in README.md
	// Minutes is the estimated time of the core path. The lab's README.md shows it.
	Minutes int
	Steps   []Step
	// Files are the files that the learner edits, as paths in the lab's folder, with slashes.
	// Each carries the lab's TODO mark in the starter, and each has its solution under the same
	// path in the solution's folder.
	Files []string
	// Stretch are the files of the lab's deep dives, as Files are given. A learner may edit them
	// and need not: the solution's Files with the starter's Stretch pass every core check.
	Stretch []string
	// Images are the images of the servers that this lab is the first to use.
	Images []images.Name
	// Faults are the images that the checks of this lab are the first to use to cause faults. The
	// servers run without them.
	Faults []images.Name
	// Dataset is the seeded database of a run with timed checks, such as `check` of the whole lab.
	// The zero size means no database.
	Dataset seed.Size
	// Untimed is the seeded database of runs without timed checks: `go test`, `verify` on
	// starters and wrong answers, `check` of some checks. The zero size means the one of Dataset.
	Untimed seed.Size
	// Profiles are the profiles of docker-compose.yml that come with the lab.
	Profiles []Profile
	Budget   Budget
	// Together marks the lab that runs on all labs below it. `check --mine` runs it on the learner's.
	Together bool
}

// Step is a part of a lab that mends one flaw.
type Step struct {
	Number int // from 1
	Name   string
	// Minutes is the estimated time of the step.
	Minutes int
	// Places are what the step changes: "through.go: reader.get" for a function of a Go file,
	// "redis.conf" for another file.
	Places []string
}

// Place splits a place of a step into its file and its function. The function is empty when
// the place is a whole file.
func Place(place string) (file, function string) {
	file, function, _ = strings.Cut(place, ": ")
	return file, function
}

// Editable are all files that a learner may edit: those of the core path, then those of the
// deep dives.
func (l Lab) Editable() []string { return slices.Concat(l.Files, l.Stretch) }

// Budget is the lab's row in docs/budget.md, which says how the CPU quotas fit into two cores.
type Budget struct {
	Service    string
	PostgreSQL string
	AtOnce     string // sum of the quotas under load, in cores
	Left       string // cores that are left of two
}

// ID is the number as a learner types it: "00".
func (l Lab) ID() string { return fmt.Sprintf("%02d", l.Number) }

// Dir is the lab's folder from the module's root, with slashes.
func (l Lab) Dir() string { return path.Join("labs", l.Name) }

// SolutionDir is the folder of the finished lab.
func (l Lab) SolutionDir() string { return path.Join("solutions", l.Name) }

// Heading is the heading of the lesson: "Lab 00: baseline".
func (l Lab) Heading() string { return "Lab " + l.ID() + ": " + l.Title }

// Time is how the lesson shows the estimated time of the core path: "about 60 minutes".
func (l Lab) Time() string { return fmt.Sprintf("about %d minutes", l.Minutes) }

// Is reports whether name means the lab. Lab 00-baseline answers to 0, 00 and 00-baseline.
func (l Lab) Is(name string) bool {
	number, err := strconv.Atoi(name)
	return name == l.Name || err == nil && number == l.Number
}

// Sizes returns the sizes of the seeded databases that a run starts. Only a run of timed
// checks starts the one of Dataset, unless the lab has no other.
func (l Lab) Sizes(timed bool) []seed.Size {
	if !timed && l.Untimed != (seed.Size{}) {
		return known(l.Untimed)
	}
	return known(l.Dataset)
}

// known leaves the zero size out.
func known(sizes ...seed.Size) []seed.Size {
	return slices.DeleteFunc(sizes, func(size seed.Size) bool { return size == seed.Size{} })
}

// Named returns the lab whose folder has that name.
func (c Course) Named(name string) (Lab, bool) {
	at := slices.IndexFunc(c, func(l Lab) bool { return l.Name == name })
	if at < 0 {
		return Lab{}, false
	}
	return c[at], true
}

// UpTo returns the labs up to that number, with the lab itself.
func (c Course) UpTo(number int) Course {
	return slices.DeleteFunc(slices.Clone(c), func(l Lab) bool { return l.Number > number })
}

// Images returns the images that the labs use, in the order of the labs, each once.
func (c Course) Images() []images.Name {
	var names []images.Name
	for _, l := range c {
		names = append(append(names, l.Images...), l.Faults...)
	}
	return distinct(names)
}

// ServerImages are the Images without those for faults.
func (c Course) ServerImages() []images.Name {
	var names []images.Name
	for _, l := range c {
		names = append(names, l.Images...)
	}
	return distinct(names)
}

// Datasets returns the sizes of all seeded databases that runs of the labs start, each once.
func (c Course) Datasets() []seed.Size {
	var sizes []seed.Size
	for _, l := range c {
		sizes = append(sizes, known(l.Dataset, l.Untimed)...)
	}
	return distinct(sizes)
}

// distinct returns the values in order, each once.
func distinct[T comparable](values []T) []T {
	var once []T
	for _, v := range values {
		if !slices.Contains(once, v) {
			once = append(once, v)
		}
	}
	return once
}

// Bounds of the core path of a lab, in minutes. The labs that move data and events take longer.
const (
	maxMinutes     = 90
	maxLongMinutes = 120
	firstLong      = 4 // number of the first lab that may take maxLongMinutes
)

// stepProblem returns what is wrong with the times and places of a lab's steps.
func (l Lab) stepProblem() string {
	limit, sum := maxMinutes, 0
	if l.Number >= firstLong {
		limit = maxLongMinutes
	}
	for _, step := range l.Steps {
		if step.Minutes <= 0 || len(step.Places) == 0 {
			return fmt.Sprintf("step %d has no minutes or no places", step.Number)
		}
		sum += step.Minutes
	}
	if sum > l.Minutes || l.Minutes > limit {
		return fmt.Sprintf("%d minutes, of which the steps take %d; want at most %d", l.Minutes, sum, limit)
	}
	for _, file := range l.Stretch {
		if !strings.HasPrefix(path.Base(file), "stretch_") {
			return fmt.Sprintf("the deep dive %s does not begin with stretch_", file)
		}
	}
	return ""
}

var folderName = regexp.MustCompile(`^\d{2}-[a-z0-9-]+$`)

// Validate returns an error for every entry that is incomplete or contradicts another.
func (c Course) Validate() error {
	var errs []error
	wrong := func(l Lab, format string, args ...any) {
		errs = append(errs, fmt.Errorf("lab %s: %s", l.Name, fmt.Sprintf(format, args...)))
	}
	profiles := make(map[string]bool)
	for i, l := range c {
		if i > 0 && l.Number <= c[i-1].Number {
			wrong(l, "number %d comes after %d", l.Number, c[i-1].Number)
		}
		if !folderName.MatchString(l.Name) || l.Name[:2] != l.ID() {
			wrong(l, "the name does not begin with the number %s and a hyphen", l.ID())
		}
		if l.Title == "" || l.Summary == "" || l.Minutes <= 0 || len(l.Steps) == 0 || len(l.Files) == 0 {
			wrong(l, "title, summary, minutes, steps and files: one is missing")
		}
		for k, step := range l.Steps {
			if step.Number != k+1 || step.Name == "" {
				wrong(l, "step %d is %+v; steps have names and are numbered from 1", k+1, step)
			}
		}
		if problem := l.stepProblem(); problem != "" {
			wrong(l, "%s", problem)
		}
		if len(distinct(l.Editable())) != len(l.Editable()) {
			wrong(l, "a file is listed twice")
		}
		for _, p := range l.Profiles {
			if p.Name == "" || profiles[p.Name] {
				wrong(l, "profile %q has no name of its own", p.Name)
			}
			if (p.Use == "") != (p.Instead == "") || p.Instead != "" && !profiles[p.Instead] {
				wrong(l, "profile %s: %q is no earlier profile to use instead", p.Name, p.Instead)
			}
			profiles[p.Name] = true
		}
	}
	return errors.Join(errs...)
}
