package report

import (
	"fmt"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
)

// hostFacts describes the machine during the run, in one or two lines.
func (s Sheet) hostFacts(h lab.Host) string {
	var lines []string
	add := func(label, text string) {
		for i, line := range wrap(text, s.columns-10) {
			if i > 0 {
				label = ""
			}
			lines = append(lines, s.Faint.Render(fmt.Sprintf("  %-6s  %s", label, line))+"\n")
		}
	}
	if text := machineFacts(h); text != "" {
		add("host", text)
	}
	if text := quotaFacts(h.Quotas); text != "" {
		add("quotas", text)
	}
	return strings.Join(lines, "")
}

// machineFacts describes the host. In a run without load, the idle share and the generator's
// lateness are both zero, because they were not measured.
func machineFacts(h lab.Host) string {
	if h.CPUs == 0 {
		return ""
	}
	text := cores(h.CPUs)
	if h.IdleShare == 0 && h.GeneratorLatenessP99Seconds == 0 {
		return text
	}
	return fmt.Sprintf("%s, at least %.0f %% idle; load generator at most %s ms late (p99 of the worst round)",
		text, 100*h.IdleShare, figure.Short(1000*h.GeneratorLatenessP99Seconds))
}

// cores writes a number of cores.
func cores(n int) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", n)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// hostTable describes the machine in labelled facts. What was not measured is left out.
func hostTable(h lab.Host) []labelledText {
	var facts []labelledText
	add := func(known bool, label, text string) {
		if known {
			facts = append(facts, labelledText{label, text})
		}
	}
	add(h.CPUs > 0, "cores", fmt.Sprint(h.CPUs))
	add(h.Slowness > 0, "speed", speed(h.Slowness))
	add(h.Platform != "", "platform", h.Platform)
	add(h.Go != "", "Go", h.Go)
	loaded := h.IdleShare > 0 || h.GeneratorLatenessP99Seconds > 0
	add(loaded, "idle in the worst round", percent(h.IdleShare))
	add(loaded, "load generator late in the worst round, p99", figure.Short(1000*h.GeneratorLatenessP99Seconds)+" ms")
	return facts
}

// leastWait is the least wait for the machine that a report mentions, in seconds.
const leastWait = 1

// took writes the time of a run in brackets. A result without it, such as one of an older version, has none.
func took(r lab.Result) string {
	if r.Seconds == 0 {
		return ""
	}
	return " (" + figure.Seconds(r.Seconds) + ")"
}

// waitedFor says how long a run waited before its servers started. That time is not the fault of the code.
func waitedFor(r lab.Result) string {
	if r.WaitedSeconds < leastWait {
		return ""
	}
	return fmt.Sprintf("before that, it waited %.0f s until other runs left the machine", r.WaitedSeconds)
}

// pythonSeconds is how long ten million additions in a Python loop take on the reference machine;
// see hostspeed. The documents state that figure with every time.
const pythonSeconds = 1.65

// speed writes the speed of a machine with the figure that the documents use.
func speed(slowness float64) string {
	return fmt.Sprintf("%s times the reference machine (ten million Python additions in about %.2f s)", figure.Short(1/slowness), pythonSeconds*slowness)
}

// worstQuotas returns one reading for each container and quota, in the order of the first
// readings. Of several readings the one with the most throttling counts.
func worstQuotas(quotas []lab.Quota) []lab.Quota {
	var worst []lab.Quota
	for _, q := range quotas {
		at := slices.IndexFunc(worst, func(w lab.Quota) bool { return w.Container == q.Container && w.CPU == q.CPU })
		if at < 0 {
			worst = append(worst, q)
		} else if q.ThrottledShare > worst[at].ThrottledShare {
			worst[at] = q
		}
	}
	return worst
}

// quotaFacts lists the CPU quota of each container, as read back from the engine, and the share
// of its quota periods in which it was throttled. Of several readings the worst counts.
func quotaFacts(quotas []lab.Quota) string {
	var texts []string
	explained := false
	for _, q := range worstQuotas(quotas) {
		if q.CPU == 0 {
			texts = append(texts, q.Container+" no limit")
			continue
		}
		held := percent(q.ThrottledShare)
		if !explained {
			held, explained = "throttled in "+held+" of its periods", true
		}
		texts = append(texts, fmt.Sprintf("%s %.3g CPU (%s)", q.Container, q.CPU, held))
	}
	return strings.Join(texts, ", ")
}
