package report

import (
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/workshop/figure"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/page"
	"bytebites.example/workshop/shared/workshop/page/plot"
)

// Page returns a result as a page. Its order is: problems, gains, charts, checks, figures, the
// machine, and the work that is left. The note becomes the line below the title, and the foot
// the last line; both may be empty.
func Page(title, note, foot string, r lab.Result) page.Page {
	return page.Page{
		Title: title, Note: note, Foot: foot,
		Verdict: verdictBadge(r.Verdict, strings.ToUpper(string(r.Verdict))),
		Meaning: r.Meaning() + took(r),
		Sections: []page.Section{
			{Title: "What did not pass", Problems: problemsOf(r)},
			{Title: "Gains", Gains: gainsOf(r.Gains)},
			{Title: "Charts", Charts: r.Charts, Text: withoutCharts(r)},
			{Title: "Checks", Tables: checksOf(r)},
			{Title: "Reported figures", Tables: numbersOf(r.Reported)},
			{Title: "The machine", Tables: machineOf(r.Host)},
			{Title: "Left to do", Text: leftOf(r)},
		},
	}
}

// tone is how a verdict is to be taken.
func tone(v lab.Verdict) page.Tone {
	switch v {
	case lab.Pass:
		return page.Good
	case lab.NotYet:
		return page.Bad
	case lab.Inconclusive:
		return page.Doubt
	case lab.Environment:
		return page.Alarm
	default:
		return page.Quiet
	}
}

func verdictBadge(v lab.Verdict, text string) page.Badge {
	return page.Badge{Text: text, Tone: tone(v)}
}

// problemsOf is Sheet.problems for a page.
func problemsOf(r lab.Result) []page.Problem {
	var problems []page.Problem
	add := func(name string, v lab.Verdict, f *lab.Failure, d *lab.Doubt, detail string) {
		if v == lab.Pass || v == lab.NotReached || detail == "" {
			return
		}
		p := page.Problem{Name: name, Verdict: verdictBadge(v, string(v))}
		var parts []labelledText
		switch {
		case f != nil:
			parts = failureParts(f)
		case d != nil:
			parts = doubtParts(d)
		default:
			p.Raw = strings.TrimSpace(detail)
		}
		for _, part := range parts {
			if part.text != "" {
				p.Parts = append(p.Parts, page.Part{Label: part.label, Text: part.text})
			}
		}
		problems = append(problems, p)
	}
	for _, c := range r.Checks {
		if !isOptional(r, c) {
			add(checkName(c), c.Verdict, c.Failure, c.Doubt, c.Detail)
		}
	}
	for _, g := range r.Gains {
		add(g.Name, g.Verdict, g.Failure, g.Doubt, g.Detail)
	}
	return problems
}

func gainsOf(gains []lab.GainResult) []page.Gain {
	var all []page.Gain
	for _, g := range gains {
		p := page.Gain{Name: g.Name, Verdict: verdictBadge(g.Verdict, string(g.Verdict))}
		switch {
		case measured(g):
			p.Text = []string{fmt.Sprintf("%s times better (%s): %s before, %s after.",
				figure.Short(g.Ratio), basis(g), figure.Quantity(g.Before, g.Unit), figure.Quantity(g.After, g.Unit))}
			p.Floor, p.Estimates = g.Floor, []plot.Estimate{{Low: g.Low, Value: g.Ratio, High: g.High}}
			if g.Verdict == lab.Pass && g.Detail != "" {
				p.Text = append(p.Text, g.Detail)
			}
		case g.Verdict == lab.NotReached && g.Detail != "":
			p.Text = []string{g.Detail}
		default:
			p.Text = []string{"not measured"}
		}
		all = append(all, p)
	}
	return all
}

func checksOf(r lab.Result) []page.Table {
	if len(r.Checks) == 0 {
		return nil
	}
	t := page.Table{Columns: []page.Column{{Name: "check"}, {Name: "verdict"}, {Name: "time", Number: true}, {Name: "expected, and seen"}}}
	for _, c := range r.Checks {
		verdict := page.Cell{Text: string(c.Verdict), Tone: tone(c.Verdict)}
		seen := page.Cell{Text: c.Proves}
		seconds := figure.Seconds(c.Seconds)
		switch {
		case isOptional(r, c):
			verdict = page.Cell{Text: optionalVerdict, Tone: page.Quiet}
		case c.Verdict == lab.NotReached:
			seen.Note = fmt.Sprintf("not reached, because %q did not pass", c.Blocked)
			seconds = ""
		case c.Verdict == lab.Pass && c.Detail != "":
			seen.Note = "saw " + strings.TrimPrefix(c.Detail, "saw ")
		}
		t.Rows = append(t.Rows, []page.Cell{{Text: checkName(c)}, verdict, {Text: seconds}, seen})
	}
	return []page.Table{t}
}

func numbersOf(numbers []lab.Number) []page.Table {
	if len(numbers) == 0 {
		return nil
	}
	t := page.Table{Columns: []page.Column{{Name: "figure"}, {Name: "value", Number: true}, {Name: "unit"}}}
	for _, n := range numbers {
		t.Rows = append(t.Rows, []page.Cell{{Text: n.Name}, {Text: figure.Fixed(n.Value)}, {Text: n.Unit}})
	}
	return []page.Table{t}
}

// machineOf describes the host and the quotas of its containers.
func machineOf(h lab.Host) []page.Table {
	facts := page.Table{Columns: []page.Column{{Name: "what"}, {Name: "value"}}}
	for _, fact := range hostTable(h) {
		facts.Rows = append(facts.Rows, []page.Cell{{Text: fact.label}, {Text: fact.text}})
	}
	var tables []page.Table
	if len(facts.Rows) > 0 {
		tables = append(tables, facts)
	}
	quotas := page.Table{Caption: "CPU quotas, as the engine reported them",
		Columns: []page.Column{{Name: "container"}, {Name: "type"}, {Name: "CPU", Number: true}, {Name: "throttled, share of its periods", Number: true}}}
	for _, q := range worstQuotas(h.Quotas) {
		row := []page.Cell{{Text: q.Container}, {Text: q.Type}, {Text: "no limit"}, {}}
		if q.CPU > 0 {
			row[2].Text, row[3].Text = figure.Short(q.CPU), percent(q.ThrottledShare)
		}
		quotas.Rows = append(quotas.Rows, row)
	}
	if len(quotas.Rows) > 0 {
		tables = append(tables, quotas)
	}
	return tables
}

// withoutCharts says why a result has no chart; nil if it has some.
func withoutCharts(r lab.Result) []string {
	if len(r.Charts) > 0 {
		return nil
	}
	return []string{"This result has no chart. Charts are drawn by the checks and gains that send a load. None of them got that far in this run, or the result is of an older version."}
}

// leftOf says what the run leaves to the learner.
func leftOf(r lab.Result) []string {
	var text []string
	if names := optionalNames(r); len(names) > 0 {
		text = append(text, "Optional (deep dives), not done: "+strings.Join(names, ", ")+".")
	}
	if todos := r.TodosLeft(); len(todos) > 0 {
		text = append(text, "TODO marks left: "+strings.Join(todos, "; ")+".")
	}
	if r.Evidence != "" {
		text = append(text, "Files of this run: "+r.Evidence+".")
	}
	if r.Next != "" {
		text = append(text, "Next: "+r.Next+".")
	}
	return text
}
