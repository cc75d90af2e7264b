package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
	wrong00 "bytebites.example/workshop/solutions/00-baseline/wrong"
	"bytebites.example/workshop/solutions/01-vertical"
	wrong01 "bytebites.example/workshop/solutions/01-vertical/wrong"
	"bytebites.example/workshop/solutions/02-horizontal"
	right02 "bytebites.example/workshop/solutions/02-horizontal/right"
	wrong02 "bytebites.example/workshop/solutions/02-horizontal/wrong"
	"bytebites.example/workshop/solutions/03-cache"
	wrong03 "bytebites.example/workshop/solutions/03-cache/wrong"
	"bytebites.example/workshop/solutions/04-sharding"
	wrong04 "bytebites.example/workshop/solutions/04-sharding/wrong"
	"bytebites.example/workshop/solutions/05-queue"
	wrong05 "bytebites.example/workshop/solutions/05-queue/wrong"
)

// solution is what a lab's solution changes.
type solution struct {
	number int // of the lab
	apply  func(*service.Composition)
}

// solutions lists the labs' solutions, in order of number.
func solutions() []solution {
	return []solution{
		{0, baseline.Apply},
		{1, vertical.Apply},
		{2, horizontal.Apply},
		{3, cache.Apply},
		{4, sharding.Apply},
		{5, queue.Apply},
		{6, func(*service.Composition) {}}, // changes how many replicas run, and nothing in them
		{7, func(*service.Composition) {}}, // plans what runs, and changes nothing in it
	}
}

// wrongAnswers lists what wrong answers change, lab by lab.
func wrongAnswers() []map[string]func(*service.Composition) {
	return []map[string]func(*service.Composition){
		wrong00.Variants(),
		wrong01.Variants(),
		wrong02.Variants(),
		right02.Variants(),
		wrong03.Variants(),
		wrong04.Variants(),
		wrong05.Variants(),
	}
}

// variants lists the wrong answers by name, which no two share, of whatever labs. One is
// applied after the solutions.
func variants() map[string]func(*service.Composition) {
	all := make(map[string]func(*service.Composition))
	for _, ofLab := range wrongAnswers() {
		maps.Copy(all, ofLab)
	}
	return all
}

// compose returns the monolith with the solutions through a lab, or with none when
// through is empty, and then the variant, unless that is empty.
func compose(solutions []solution, variants map[string]func(*service.Composition), through, variant string) (service.Composition, error) {
	c := service.Baseline()
	if through != "" {
		last, err := strconv.Atoi(through)
		if err != nil || !slices.ContainsFunc(solutions, func(s solution) bool { return s.number == last }) {
			return c, fmt.Errorf("--through %s: there are solutions of %s", through, labs(solutions))
		}
		for _, s := range solutions {
			if s.number <= last {
				s.apply(&c)
			}
		}
	}
	if variant != "" {
		apply, ok := variants[variant]
		if !ok {
			return c, fmt.Errorf("--variant %s: there are %s", variant, list(slices.Sorted(maps.Keys(variants))))
		}
		apply(&c)
	}
	return c, nil
}

func labs(solutions []solution) string {
	numbers := make([]string, len(solutions))
	for i, s := range solutions {
		numbers[i] = fmt.Sprintf("%02d", s.number)
	}
	return list(numbers)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none yet"
	}
	return strings.Join(names, ", ")
}
