package main

import (
	"fmt"
	"math"
	"time"
)

const (
	// openSetup is how long the first servers take, on the machine of declaredSlowness.
	openSetup = 12 * time.Second
	// declaredSlowness is the hostspeed.Slowness of the machine on which the durations of acts were
	// measured. Ten million additions in a Python loop take 0.5 s there.
	declaredSlowness = 0.3
)

// pace knows how much of a tour is left.
type pace struct {
	steps    []act // the first is the start of the servers
	slowness float64

	done  int
	spent time.Duration // on the steps done, without what was spoiled
	// spoiled is the time of loads in the current step that are sent again. It says nothing about the
	// steps to come.
	spoiled time.Duration
}

// newPace returns the pace of acts on a machine of that slowness, see hostspeed.Slowness.
func newPace(chosen []act, slowness float64) *pace {
	return &pace{steps: append([]act{{title: "the servers that all share", setup: openSetup}}, chosen...), slowness: slowness}
}

// end counts the next step as done.
func (p *pace) end(took time.Duration) {
	p.done++
	p.spent += took - p.spoiled
	p.spoiled = 0
}

// factor is how many times longer a setup takes than declared. The steps done know it best.
func (p *pace) factor() float64 {
	var setup, load time.Duration
	for _, step := range p.steps[:p.done] {
		setup += step.setup
		load += step.load
	}
	if setup == 0 {
		return max(p.slowness/declaredSlowness, 1)
	}
	return max(float64(p.spent-load)/float64(setup), 0.5)
}

// left is how long the steps that are not done will take.
func (p *pace) left() time.Duration {
	var setup, load time.Duration
	for _, step := range p.steps[p.done:] {
		setup += step.setup
		load += step.load
	}
	return load + time.Duration(p.factor()*float64(setup))
}

// line says where the tour is.
func (p *pace) line() string {
	step := p.steps[p.done]
	title := step.title
	if step.lab != "" {
		title = "lab " + step.lab + ", " + title
	}
	return fmt.Sprintf("Step %d of %d, %s left: %s", p.done+1, len(p.steps), roughly(p.left()), title)
}

// roughly writes a duration without a false precision.
func roughly(d time.Duration) string {
	if d >= 90*time.Second {
		return fmt.Sprintf("about %.0f min", d.Minutes())
	}
	return fmt.Sprintf("about %.0f s", max(10, 10*math.Round(d.Seconds()/10)))
}
