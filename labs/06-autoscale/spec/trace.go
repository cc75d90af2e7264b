package spec

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/answer"
	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// markedMost is the largest utilisation of the marked reading: below it the policy removes one replica,
// and target tracking several.
const markedMost = 0.25

// evening is the trace of step 1: the first policy between 17:00 and 18:00. The load is the same until
// 17:20. Then it rises within five minutes, stays until 17:40, and falls within eight.
func evening() simulate.Played {
	return simulate.Scene{
		Begin: five(), Length: time.Hour, Every: time.Minute, Capacity: capacity, Running: 5, StartTime: 4 * time.Minute,
		Load:  simulate.Curve(simulate.Point{0, 288}, simulate.Point{20.0 / 60, 288}, simulate.Point{25.0 / 60, 568}, simulate.Point{40.0 / 60, 568}, simulate.Point{48.0 / 60, 200}),
		Noise: 0.10, Seed: 18,
	}.Play(firstPolicy)
}

// marked returns the reading of the trace that the learner calculates with. Its result is far from a
// whole number.
func marked(played simulate.Played) (index int, needed float64) {
	for i, row := range played.Rows {
		needed := shown(row) / targetUtilisation * float64(row.Ready)
		_, part := math.Modf(needed)
		if row.Ready == row.Running && shown(row) <= markedMost && part > 0.2 && part < 0.8 {
			return i, needed
		}
	}
	return -1, 0
}

// shown is the utilisation of a row as trace.txt shows it.
func shown(row simulate.Row) float64 { return math.Round(100*row.OfReady) / 100 }

// traced returns the right answers about a trace.
func traced(played simulate.Played) answer.Sheet {
	sheet := answer.Sheet{Changes: len(played.Changes) - 1, Cause: answer.Noise}
	for _, change := range played.Changes {
		sheet.Most = max(sheet.Most, change.Running)
	}
	_, needed := marked(played)
	sheet.Needed = int(math.Ceil(needed))
	return sheet
}

func traceText(played simulate.Played) []byte {
	at, _ := marked(played)
	head := "What the first policy did between 17:00 and 18:00: one replica more above 60 %, one fewer below 30 %, at once.\n" +
		"A replica takes 100 requests/s. On this evening it takes 4 minutes to start, because the host first pulls the image.\n" +
		"The policy reads \"CPU of all\". Percentages are rounded: 60 % may be 60.4 %.\n\n"
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "time\trequests/s\trunning\tready\tCPU of all\tCPU of ready\tchange\trunning then\t\t")
		for i, row := range played.Rows {
			change, mark := "", ""
			if row.Decision != row.Running {
				change = fmt.Sprintf("%+d", row.Decision-row.Running)
			}
			if i == at {
				mark = "  <- the marked reading"
			}
			fmt.Fprintf(w, "%s\t%.0f\t%d\t%d\t%.0f %%\t%.0f %%\t%s\t%d\t%s\t\n", row.At.Format("15:04"), row.Load, row.Running, row.Ready,
				100*row.OfAll, 100*row.OfReady, change, row.Decision, mark)
		}
	})
}

// early returns the times of the changes before the load rises, as trace.txt shows them.
func early(played simulate.Played) string {
	var at []string
	for _, row := range played.Rows {
		if row.Load == played.Rows[0].Load && row.At.Sub(five()) < 20*time.Minute && row.Decision != row.Running {
			at = append(at, row.At.Format("15:04"))
		}
	}
	return strings.Join(at, " and ")
}

func lookAnswers(hint string) lab.Look {
	return lab.Look{File: "answers.go", Func: "Answers", Hint: hint}
}

func (l *trial) trace(_ context.Context, run *lab.Run) error {
	played := evening()
	if run.Mode == lab.ModeCheck {
		run.Evidence(evidenceFolder)
		if err := evidence.Keep(Name, "trace.txt", traceText(played)); err != nil {
			return err
		}
	}
	right, got := traced(played), l.subject.Answers
	file := " of trace.txt in " + evidenceFolder
	for _, a := range []struct {
		field, expected string
		right           bool
		seen            any
		hint            string
	}{
		{"Changes", "the number of changes", got.Changes == right.Changes, got.Changes, "count the rows with a number in the column \"change\"" + file},
		{"Most", "the largest number that ran", got.Most == right.Most, got.Most, "read the column \"running then\"" + file},
		{"Needed", "the replicas for the marked reading", got.Needed == right.Needed, got.Needed,
			"ready × CPU of ready / 60 %, rounded up; see the marked row" + file},
		{"Cause", "the cause of the changes before 17:20", got.Cause == right.Cause, fmt.Sprintf("%q", got.Cause),
			"at " + early(played) + file + ": did requests/s change? Was a replica starting in the minute before?"},
	} {
		if a.right {
			continue
		}
		seen := fmt.Sprint(a.seen)
		if a.seen == 0 || got.Cause == answer.Unanswered && a.field == "Cause" {
			seen = "no answer yet"
		}
		return &lab.Failure{Expected: "in " + a.field + ", " + a.expected, Seen: seen, Look: lookAnswers(a.hint)}
	}
	run.Report("changes in the trace", float64(right.Changes), "")
	run.Report("most replicas in the trace", float64(right.Most), "")
	return nil
}
