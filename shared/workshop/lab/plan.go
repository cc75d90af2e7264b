package lab

import (
	"fmt"
	"slices"
	"strings"
)

// Selection says which part of a lab to run. The zero Selection is all of it.
type Selection struct {
	// Step selects the checks of one step; 0 selects all steps.
	Step int
	// Only selects one check or gain by its name.
	Only string
	// Names selects several checks by their names, to judge an answer by them.
	Names []string
	// Serverless leaves out, of all these, what starts servers or is timed.
	Serverless bool
}

// All reports whether the selection is the whole lab.
func (s Selection) All() bool { return s.whole() && !s.Serverless }

// whole reports whether nothing but Serverless narrows the selection.
func (s Selection) whole() bool { return s.Step == 0 && s.Only == "" && len(s.Names) == 0 }

// SelectionError says that a selection names nothing of the lab, and lists what there is.
type SelectionError struct{ Problem string }

func (e *SelectionError) Error() string { return e.Problem }

// Listed is a check or gain as `check NN --list` shows it.
type Listed struct {
	Name   string   `json:"name"`
	Proves string   `json:"proves"`
	Kind   Kind     `json:"kind,omitempty"`  // empty for a gain
	Step   int      `json:"step,omitempty"`  // 0 for a gain
	Whole  bool     `json:"whole,omitempty"` // left out by a run of the step: see Check
	Timed  bool     `json:"timed"`
	Needs  []string `json:"needs,omitempty"` // stages and checks, as declared
	// Servers reports whether the check, or one that it needs, starts servers.
	Servers bool `json:"servers"`
	// Alone reports whether one of these servers loads the whole machine: see Stage.
	Alone bool `json:"alone,omitempty"`
}

// Listing is what a lab has, in order.
type Listing []Listed

// WriteFile writes the listing as JSON, as Result.WriteFile does.
func (l Listing) WriteFile(path string) error { return writeFile(path, l) }

// List returns the lab's checks and gains.
func (l Lab) List() Listing {
	nodes := l.nodes()
	var list Listing
	for i, n := range nodes {
		entry := Listed{Name: n.name, Needs: n.needs, Timed: n.timed(), Servers: needsStage(nodes, i, func(Stage) bool { return true })}
		entry.Alone = needsStage(nodes, i, func(s Stage) bool { return s.Alone })
		switch {
		case n.check != nil:
			entry.Proves, entry.Kind, entry.Step, entry.Whole = n.check.Proves, n.check.Kind, n.check.Step, n.check.Whole
		case n.gain != nil:
			entry.Proves = n.gain.Proves
		default:
			continue
		}
		list = append(list, entry)
	}
	return list
}

// Select returns the entries that a selection asks for, without their needs. There may be none when the selection is
// Serverless. The error is a *SelectionError.
func (l Listing) Select(s Selection) (Listing, error) {
	if s.Step != 0 && s.Only != "" {
		return nil, &SelectionError{fmt.Sprintf("give --step or --only, not both; the steps are %s, the checks: %s", l.steps(), strings.Join(l.names(), ", "))}
	}
	if s.All() {
		return l, nil
	}
	for _, name := range s.Names {
		if !slices.Contains(l.names(), name) {
			return nil, &SelectionError{fmt.Sprintf("no check %q; there are: %s", name, strings.Join(l.names(), ", "))}
		}
	}
	var chosen Listing
	for _, entry := range l {
		if s.whole() || s.Only == entry.Name || s.Step != 0 && entry.OfStep(s.Step) || slices.Contains(s.Names, entry.Name) {
			chosen = append(chosen, entry)
		}
	}
	switch {
	case s.Serverless && len(chosen) > 0:
		return slices.DeleteFunc(chosen, func(e Listed) bool { return !e.Serverless() }), nil
	case len(chosen) > 0:
		return chosen, nil
	case s.Only != "":
		return nil, &SelectionError{fmt.Sprintf("no check %q; there are: %s", s.Only, strings.Join(l.names(), ", "))}
	default:
		return nil, &SelectionError{fmt.Sprintf("no step %d; the steps with checks are: %s", s.Step, l.steps())}
	}
}

// Serverless reports whether the entry starts no server and times nothing.
func (e Listed) Serverless() bool { return !e.Servers && !e.Timed }

// OfStep reports whether a run of the step has the check.
func (e Listed) OfStep(step int) bool { return e.Step == step && !e.Whole }

// hasStep reports whether a run of the step has a check.
func (l Listing) hasStep(step int) bool {
	return slices.ContainsFunc(l, func(entry Listed) bool { return entry.OfStep(step) })
}

// DirectNeeds returns the checks that an entry of the lab needs. It leaves out stages, and checks that another of
// these checks needs anyway.
func (l Listing) DirectNeeds(e Listed) []string {
	var direct []string
	for _, need := range e.Needs {
		implied := slices.ContainsFunc(e.Needs, func(other string) bool { return other != need && l.needs(other, need) })
		if slices.Contains(l.names(), need) && !implied {
			direct = append(direct, need)
		}
	}
	return direct
}

// needs reports whether the check of that name needs another, perhaps by way of others.
func (l Listing) needs(name, other string) bool {
	return slices.ContainsFunc(l, func(e Listed) bool {
		return e.Name == name && slices.ContainsFunc(e.Needs, func(need string) bool { return need == other || l.needs(need, other) })
	})
}

// StepOf returns the step of a check; 0 for a gain, and for a name that is not listed.
func (l Listing) StepOf(name string) int {
	for _, entry := range l {
		if entry.Name == name {
			return entry.Step
		}
	}
	return 0
}

// StepAfter returns the number of the next step that has checks; 0 after the last.
func (l Listing) StepAfter(step int) int {
	next := 0
	for _, entry := range l {
		if entry.Step > step && (next == 0 || entry.Step < next) {
			next = entry.Step
		}
	}
	return next
}

func (l Listing) names() []string {
	names := make([]string, 0, len(l))
	for _, entry := range l {
		names = append(names, entry.Name)
	}
	return names
}

func (l Listing) steps() string {
	var steps []int
	for _, entry := range l {
		if entry.Step > 0 && !slices.Contains(steps, entry.Step) {
			steps = append(steps, entry.Step)
		}
	}
	slices.Sort(steps)
	return strings.Trim(fmt.Sprint(steps), "[]")
}

// node is a stage, check or gain: exactly one of the three pointers is set.
type node struct {
	name  string
	needs []string
	stage *Stage
	check *Check
	gain  *Gain
}

// what returns the node's kind, for messages.
func (n node) what() string {
	switch {
	case n.stage != nil:
		return "stage"
	case n.check != nil:
		return "check"
	default:
		return "gain"
	}
}

func (n node) timed() bool {
	return n.check != nil && n.check.Timed || n.gain != nil && n.gain.Timed
}

// nodes returns all stages, then all checks, then all gains.
func (l Lab) nodes() []node {
	var all []node
	for i := range l.Stages {
		all = append(all, node{name: l.Stages[i].Name, needs: l.Stages[i].Needs, stage: &l.Stages[i]})
	}
	for i := range l.Checks {
		all = append(all, node{name: l.Checks[i].Name, needs: slices.Concat(l.Checks[i].Needs, l.Checks[i].Guards), check: &l.Checks[i]})
	}
	for i := range l.Gains {
		all = append(all, node{name: l.Gains[i].Name, needs: l.Gains[i].Needs, gain: &l.Gains[i]})
	}
	return all
}

// withoutGuards returns the lab with no check that only guards the message of another.
func (l Lab) withoutGuards() Lab {
	l.Checks = slices.Clone(l.Checks)
	for i := range l.Checks {
		l.Checks[i].Guards = nil
	}
	return l
}

// closure returns the places of a node's needs, and of theirs, and its own, in order.
func closure(nodes []node, of int) []int {
	member := map[int]bool{of: true}
	for i := of; i >= 0; i-- { // needs come before what needs them
		if !member[i] {
			continue
		}
		for _, need := range nodes[i].needs {
			if at := slices.IndexFunc(nodes, func(n node) bool { return n.name == need }); at >= 0 {
				member[at] = true
			}
		}
	}
	var places []int
	for i := range nodes {
		if member[i] {
			places = append(places, i)
		}
	}
	return places
}

func needsStage(nodes []node, of int, which func(Stage) bool) bool {
	return slices.ContainsFunc(closure(nodes, of), func(i int) bool { return nodes[i].stage != nil && which(*nodes[i].stage) })
}

// planned is a node that a run visits.
type planned struct {
	node
	// asked is false for a check that runs only because another one needs it.
	asked bool
}

// plan returns the checks and gains that a run visits, in order, with the checks that they
// need. Stages are not in it: a check starts those that it needs. Checks and gains that
// the mode does not judge are left out.
func (l Lab) plan(mode Mode, s Selection) ([]planned, error) {
	chosen, err := l.List().Select(s)
	if err != nil {
		return nil, err
	}
	nodes := l.nodes()
	asked := make(map[int]bool)
	visited := make(map[int]bool)
	for i, n := range nodes {
		wanted := slices.ContainsFunc(chosen, func(entry Listed) bool {
			deep := entry.Kind == Stretch && entry.Servers && mode == ModeTest && s.All()
			return entry.Name == n.name && !deep
		})
		if n.stage != nil || !wanted || n.timed() && !mode.timed() {
			continue
		}
		asked[i] = true
		for _, place := range closure(nodes, i) {
			visited[place] = true
		}
	}
	var steps []planned
	for i, n := range nodes {
		if n.stage == nil && visited[i] {
			steps = append(steps, planned{n, asked[i]})
		}
	}
	return steps, nil
}
