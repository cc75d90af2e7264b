package report

import (
	"fmt"
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
	text := fmt.Sprintf("%d cores", h.CPUs)
	if h.CPUs == 1 {
		text = "1 core"
	}
	if h.IdleShare == 0 && h.GeneratorLatenessP99Seconds == 0 {
		return text
	}
	return fmt.Sprintf("%s, at least %.0f %% idle; load generator at most %s ms late (p99 of the worst round)",
		text, 100*h.IdleShare, figure.Short(1000*h.GeneratorLatenessP99Seconds))
}

// quotaFacts lists the CPU quota of each container, as read back from the engine, and the share
// of its quota periods in which it was throttled. Of several readings the worst counts.
func quotaFacts(quotas []lab.Quota) string {
	type given struct {
		container string
		cpu       float64
	}
	worst := map[given]float64{}
	var order []given
	for _, q := range quotas {
		key := given{q.Container, q.CPU}
		share, seen := worst[key]
		if !seen {
			order = append(order, key)
		}
		worst[key] = max(share, q.ThrottledShare)
	}
	var texts []string
	explained := false
	for _, g := range order {
		if g.cpu == 0 {
			texts = append(texts, g.container+" no limit")
			continue
		}
		held := fmt.Sprintf("%.0f %%", 100*worst[g])
		if !explained {
			held, explained = "throttled in "+held+" of its periods", true
		}
		texts = append(texts, fmt.Sprintf("%s %.3g CPU (%s)", g.container, g.cpu, held))
	}
	return strings.Join(texts, ", ")
}
