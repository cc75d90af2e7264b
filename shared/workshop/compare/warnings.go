package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/lab"
)

// maxSpeedDifference is the largest difference of two machines' speeds, as a share, without a warning.
// Twenty measurements on one busy machine differed by 4 %.
const maxSpeedDifference = 0.15

// scope says where two results are not about the same thing.
func scope(a, b lab.Result) []string {
	var warnings []string
	if a.Lab != b.Lab {
		warnings = append(warnings, fmt.Sprintf("A is of lab %s and B of lab %s. Only what has the same name in both is compared, and each lab has its own load.", a.Lab, b.Lab))
	}
	if partOf(a) != partOf(b) {
		warnings = append(warnings, fmt.Sprintf("A ran %s and B ran %s.", partOf(a), partOf(b)))
	}
	for _, side := range []struct {
		name string
		r    lab.Result
	}{{"A", a}, {"B", b}} {
		switch side.r.Verdict {
		case lab.Environment:
			warnings = append(warnings, fmt.Sprintf("The machine of %s could not run the lab, so its figures may be missing.", side.name))
		case lab.Inconclusive:
			warnings = append(warnings, fmt.Sprintf("%s is inconclusive: its measurement was not precise enough.", side.name))
		}
	}
	return warnings
}

func partOf(r lab.Result) string {
	switch {
	case r.Only != "":
		return fmt.Sprintf("only %q", r.Only)
	case r.Step != 0:
		return fmt.Sprintf("step %d", r.Step)
	case len(r.Names) > 0:
		return "some checks"
	default:
		return "the whole lab"
	}
}

// machines says where the machines differ, and so why figures may differ too.
func machines(a, b lab.Host) []string {
	var warnings []string
	if a.CPUs != b.CPUs {
		warnings = append(warnings, fmt.Sprintf("The machines differ: A has %d cores, B has %d.", a.CPUs, b.CPUs))
	}
	switch {
	case a.Slowness > 0 && b.Slowness > 0:
		if faster := a.Slowness / b.Slowness; math.Abs(math.Log(faster)) > math.Log(1+maxSpeedDifference) {
			warnings = append(warnings, fmt.Sprintf("The machines differ: B's processor is %.2f times as fast as A's. Compare ratios, not times.", faster))
		}
	case a.Slowness > 0:
		warnings = append(warnings, "B does not say how fast its machine was.")
	case b.Slowness > 0:
		warnings = append(warnings, "A does not say how fast its machine was.")
	default:
		warnings = append(warnings, "Neither result says how fast its machine was.")
	}
	if a.Platform != "" && b.Platform != "" && a.Platform != b.Platform {
		warnings = append(warnings, fmt.Sprintf("The machines differ: A is %s, B is %s.", a.Platform, b.Platform))
	}
	if a.Go != "" && b.Go != "" && a.Go != b.Go {
		warnings = append(warnings, fmt.Sprintf("A was built with %s, B with %s.", a.Go, b.Go))
	}
	if differ := quotas(a.Quotas, b.Quotas); len(differ) > 0 {
		warnings = append(warnings, "The CPU quotas differ: "+strings.Join(differ, "; ")+".")
	}
	return warnings
}

// quotas lists the containers of both whose CPU quotas differ.
func quotas(a, b []lab.Quota) []string {
	of := func(all []lab.Quota, container string) (cpus []float64) {
		for _, q := range all {
			if q.Container == container && !slices.Contains(cpus, q.CPU) {
				cpus = append(cpus, q.CPU)
			}
		}
		slices.Sort(cpus)
		return cpus
	}
	var differ, seen []string
	for _, q := range a {
		if slices.Contains(seen, q.Container) {
			continue
		}
		seen = append(seen, q.Container)
		inA, inB := of(a, q.Container), of(b, q.Container)
		if len(inB) > 0 && !slices.Equal(inA, inB) {
			differ = append(differ, fmt.Sprintf("%s has %s CPU in A and %s in B", q.Container, list(inA), list(inB)))
		}
	}
	return differ
}

// list writes quotas: "0.25", or "0.25 and 0.5".
func list(cpus []float64) string {
	texts := make([]string, len(cpus))
	for i, cpu := range cpus {
		texts[i] = fmt.Sprintf("%.3g", cpu)
		if cpu == 0 {
			texts[i] = "unlimited"
		}
	}
	return strings.Join(texts, " and ")
}
