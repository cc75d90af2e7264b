package spec

import (
	"context"
	"fmt"
	"math"
	"strings"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/workshop/lab"
)

// planned returns the subject's plan. Its checks need "plan", so an error is not the learner's.
func (l *trial) planned() (plan.Plan, error) {
	p, err := plan.Parse(l.subject.Plan)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	return p, nil
}

func (l *trial) parses(_ context.Context, run *lab.Run) error {
	p, err := plan.Parse(l.subject.Plan)
	if err != nil {
		mistakes := strings.Split(err.Error(), "\n")
		return &lab.Failure{
			Expected: "a plan without mistakes",
			Seen:     strings.Join(mistakes, "\n"),
			Look:     lab.Look{File: "plan.yaml", Hint: "mend each line that is named"},
		}
	}
	run.Report("replicas at the start", float64(p.Replicas.First()), "")
	return nil
}

func (l *trial) twoOfAKind(context.Context, *lab.Run) error {
	p, err := l.planned()
	if err != nil {
		return err
	}
	if n := p.Replicas.Fewest(); n < fewestOfAKind {
		return &lab.Failure{
			Expected: fmt.Sprintf("at least %d replicas at any time, because one is killed", fewestOfAKind), Seen: fmt.Sprint(n),
			Look: lab.Look{File: "plan.yaml", Hint: "raise the count of replicas, or the min of the policy"},
		}
	}
	if n := p.Workers.Count; n < fewestOfAKind {
		return &lab.Failure{
			Expected: fmt.Sprintf("at least %d workers, because one is killed", fewestOfAKind), Seen: fmt.Sprint(n),
			Look: lab.Look{File: "plan.yaml", Hint: "raise the count of workers"},
		}
	}
	return nil
}

func (l *trial) workingSet(_ context.Context, run *lab.Run) error {
	p, err := l.planned()
	if err != nil {
		return err
	}
	need := math.Ceil(neededMiB(workingSet()))
	if float64(p.Cache.MemoryMiB) < need {
		return &lab.Failure{
			Expected: fmt.Sprintf("memory of at least %.0fMiB for the cache: %s, and a quarter more", need, entriesWords(workingSet())),
			Seen:     fmt.Sprintf("%dMiB", p.Cache.MemoryMiB),
			Look:     lab.Look{File: "plan.yaml", Hint: "what does your Memory say for the entries in the lesson?"},
		}
	}
	if most := cacheShare * float64(p.Cache.Type.MemoryMiB); float64(p.Cache.MemoryMiB) > most {
		return &lab.Failure{
			Expected: fmt.Sprintf("memory of at most %.0fMiB for the cache, three quarters of a %s", most, p.Cache.Type.Name),
			Seen:     fmt.Sprintf("%dMiB", p.Cache.MemoryMiB),
			Look:     lab.Look{File: "plan.yaml", Hint: "leave memory to Redis' connections and to its fragmentation"},
		}
	}
	run.Report("memory of the cache", float64(p.Cache.MemoryMiB), "MiB")
	return nil
}

func (l *trial) ceiling(_ context.Context, run *lab.Run) error {
	p, err := l.planned()
	if err != nil {
		return err
	}
	price := p.PriceAtMost(evening)
	run.Report("the plan at most", price, "dollars")
	run.Report("of it, balancer, broker and relay", plan.Plan{}.PriceAtMost(evening), "dollars") // the same in every plan
	if price <= ceilingDollars {
		return nil
	}
	dearest, most := "", 0.0
	for _, item := range p.Items(evening, float64(p.Replicas.Most())*evening.Hours()) {
		if cost := dollars([]plan.Item{item}); cost > most {
			dearest, most = item.Part, cost
		}
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("at most %.2f dollars for an evening of three hours", ceilingDollars),
		Seen:     fmt.Sprintf("%.2f dollars, of which %.2f for %s", price, most, dearest),
		Look:     lab.Look{File: "plan.yaml", Hint: "which part has a larger type, or more servers, than your calculations ask for?"},
	}
}
