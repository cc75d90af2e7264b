// Package spec has the checks and the gain of lab 00. The answers must agree with the measurements of
// the same run, and the index must save the database its largest scan.
package spec

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"

	"bytebites.example/workshop/labs/00-baseline/answer"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab's folder.
const Name = "00-baseline"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files   fs.FS // with index.sql; TODO marks are looked for in all of them
	Answers answer.Sheet
	// Package and Args start a service with the subject's index.
	Package string
	Args    []string
}

const (
	// maxPages is how many pages of 8 KiB one order history may read. A subscriber has
	// some ten orders, each on a page of its own, below an index of three levels, and
	// each order brings its lines and effects along.
	maxPages = 150
	// pagesFloor is the least factor between the pages read before and after. A scan
	// of a million orders reads more than 10,000, one of the fifth of them that there are
	// where nothing is timed more than 2,000.
	pagesFloor = 20
	// dominance is by how much the first must exceed the second where an answer
	// depends on which is larger.
	dominance = 1.25
	// The ramp goes from 6 requests a second to 68, past the knee and not much further:
	// rampStep is the factor between two levels, and so the accuracy with which anyone
	// can name the knee.
	rampStart  = 6
	rampStep   = 1.5
	rampLevels = 7
	// minutes is how many seconds a minute has: a rate beyond the bound may be in requests a minute.
	minutes = 60
)

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		// The check without servers comes first, then the checks that need stageFound: see stages.
		Checks: []lab.Check{
			{Name: "knee bound", Kind: lab.Core, Step: 5, Run: l.kneeBound,
				Proves: "your knee is a rate that is possible while orders go one at a time and wait for the mail server"},
			{Name: "slow table", Kind: lab.Core, Step: 1, Needs: []string{stageFound}, Run: l.slowTable,
				Proves: "you know which table the costliest statement reads"},
			{Name: "harmless", Kind: lab.Core, Step: 2, Needs: []string{stageServers}, Run: l.harmless,
				Proves: "your statement adds at most one index, and changes nothing else and nothing more at each further start"},
			{Name: "index", Kind: lab.Core, Step: 2, Needs: []string{"harmless", stageIndexed}, Run: l.index,
				Proves: "an order history reads only the orders of its subscriber"},
			{Name: "order waits for", Kind: lab.Core, Step: 3, Needs: []string{"index", stageOrders}, Run: l.orderWaitsFor,
				Proves: "you know what an order spends its time on"},
			{Name: "restart", Kind: lab.Core, Step: 4, Needs: []string{"harmless", stageIndexed}, Run: l.restart,
				Proves: "you know which state lives in the process"},
			{Name: "knee", Kind: lab.Core, Step: 5, Timed: true, Needs: []string{"index"}, Run: l.knee,
				Proves: "you know the rate at which the service level breaks"},
			{Name: "ledger", Kind: lab.Core, Step: 5, Timed: true, Needs: []string{"index", stageOrders}, Run: l.ledger,
				Proves: "after all this load the books balance: no order lost, doubled or oversold"},
		},
		Gains: []lab.Gain{{
			Name: "pages per history", Unit: "pages", Floor: pagesFloor, Needs: []string{"index"}, Measure: l.pages,
			Proves: "pages that the database reads for one order history, before and after your index",
		}},
		// The starter has no index and no answers. The questions that need the index are
		// not reached, and neither is the gain.
		Starter: []string{"knee bound", "slow table", "index", "restart"},
		Next:    "go tool workshop list",
	}
}

// served returns why the load says nothing about the steps of an order: a request failed. The
// index of the learner cannot cause that, because it has passed "harmless" and "index".
func (l *trial) served() error {
	r := l.after.load
	if r.Failed == 0 {
		return nil
	}
	if reasons := machineAlone(r); reasons != "" {
		return &lab.Doubt{
			Reason: fmt.Sprintf("%d of %d requests timed out, and %s", r.Failed, r.Sent, reasons),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	return fmt.Errorf("%d of %d requests failed at %d a second, and no file of this lab is at fault; please report it: %v",
		r.Failed, r.Sent, quietRate, r.Failures)
}

// machineAlone returns why the failures of a load say nothing about the service, or "". A timeout
// does not when the generator was late or the machine had no idle time.
func machineAlone(r load.Result) string {
	if r.Failures[load.CauseTimeout] < r.Failed {
		return ""
	}
	return strings.Join(measure.Round{Result: r}.Check().Reasons, "; ")
}

func (l *trial) index(_ context.Context, run *lab.Run) error {
	run.Report("pages per history, before", l.before.pagesPerHistory, "pages")
	run.Report("pages per history, after", l.after.pagesPerHistory, "pages")
	if l.after.pagesPerHistory > maxPages {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d pages for one history", maxPages),
			Seen:     fmt.Sprintf("%.0f (%.0f before your index)", l.after.pagesPerHistory, l.before.pagesPerHistory),
			Look:     lab.Look{File: "index.sql", Hint: "put the column that WHERE compares with = first, and the column of ORDER BY after it"},
		}
	}
	return nil
}

func (l *trial) pages(context.Context, *lab.Run) (lab.Measured, error) {
	return lab.Measured{
		Before: l.before.pagesPerHistory, After: l.after.pagesPerHistory,
		Ratio: l.before.pagesPerHistory / l.after.pagesPerHistory,
	}, nil
}

func (l *trial) slowTable(_ context.Context, run *lab.Run) error {
	times := make(map[string]float64)
	for _, s := range l.before.statements {
		if table := s.Table(); table != "" {
			times[table] += s.Typical().Seconds()
		}
	}
	first, second := largest(times)
	if err := clear(times, first, second); err != nil {
		return err
	}
	given := l.subject.Answers.SlowTable
	if tableName(given) != first {
		hint := "read the first row of statements.txt in " + evidenceFolder
		if given != "" {
			hint = "write the table after FROM in the text of statement 1, in statements.txt"
		}
		return &lab.Failure{
			Expected: "in SlowTable, the table that took most of the database's time", Seen: quoted(given),
			Look: lab.Look{File: "answers.go", Func: "Answers", Hint: hint},
		}
	}
	// Only now, because the name of this figure is the answer.
	run.Report("database time of statements on "+first, times[first], "s")
	return nil
}

// tableName returns a table's name without its schema. "public.orders" is "orders".
func tableName(answer string) string {
	name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(answer)), `"`, "")
	return strings.TrimPrefix(name, "public.")
}

func (l *trial) orderWaitsFor(_ context.Context, run *lab.Run) error {
	times := medians(l.after.orders, func(step checkout.Step) string { return string(placeOf(step)) })
	first, second := largest(times)
	if err := clear(times, first, second); err != nil {
		return err
	}
	given := string(l.subject.Answers.OrderWaitsFor)
	if given != first {
		hint := "read the first row of order-steps.txt in " + evidenceFolder
		if given != "" {
			hint = "add up the steps of each part of the system in order-steps.txt, and name the part with the largest sum"
		}
		return &lab.Failure{
			Expected: "in OrderWaitsFor, the part of the system that takes most of an order's time", Seen: quoted(given),
			Look: lab.Look{File: "answers.go", Func: "Answers", Hint: hint},
		}
	}
	// Only now, because these figures are the answer.
	for _, place := range slices.Sorted(maps.Keys(times)) {
		run.Report("of an order: "+place, 1000*times[place], "ms")
	}
	return nil
}

// kneeBound demands a rate that the ramp can find. One lock lets one order at a time through, and
// each order waits mailDelay for the mail server. So orders have a highest rate, and the dinner
// mix has one too, by the share of orders in it. It starts no server.
func (l *trial) kneeBound(_ context.Context, run *lab.Run) error {
	_, most := kneeBounds()
	run.Report("knee, at most", most, "requests/s")
	return l.kneeInBounds()
}

// kneeBounds returns the least rate that the ramp can find, and the most that can be answered.
func kneeBounds() (least, most float64) {
	return rampStart / rampStep, 1 / (mailDelay.Seconds() * orderShare(load.Dinner()))
}

func (l *trial) kneeInBounds() error {
	least, most := kneeBounds()
	given := l.subject.Answers.KneePerSecond
	if given >= least && given <= most {
		return nil
	}
	hint := "find the last level that met the service level, in ramp.txt in " + evidenceFolder
	if given/minutes >= least && given/minutes <= most {
		hint = "the unit is requests a second, and this may be requests a minute"
	}
	seen := quoted("")
	if given != 0 {
		seen = fmt.Sprintf("%g", given)
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("KneePerSecond from %.0f to %.0f requests a second; no more can be answered while orders go one at a time", least, most),
		Seen:     seen,
		Look:     lab.Look{File: "answers.go", Func: "Answers", Hint: hint},
	}
}

// orderShare returns the share of orders among the requests of a mix.
func orderShare(mix load.Mix) float64 {
	orders, all := 0.0, 0.0
	for _, s := range mix.Shares {
		all += s.Weight
		if s.Kind == load.PlaceOrder {
			orders += s.Weight
		}
	}
	return orders / all
}

// knee runs the ramp. A blank answer gets one too, because the learner reads the answer in its
// file. An answer beyond the bounds gets none: no ramp can confirm it.
func (l *trial) knee(ctx context.Context, run *lab.Run) error {
	if l.subject.Answers.KneePerSecond != 0 {
		if err := l.kneeInBounds(); err != nil {
			return err
		}
	}
	ramp, err := l.ramp(ctx, run)
	if err != nil {
		return err
	}
	run.Report("SLO capacity", ramp.SLOCapacity, "requests/s")
	run.Report("highest goodput of the ramp", ramp.Goodput, "requests/s")
	for _, level := range ramp.Levels {
		// The other levels say nothing about where the knee is.
		beside := level.Rate == ramp.Knee.Low || level.Rate == ramp.Knee.High
		if beside && !level.Discarded && !level.Validity.OK {
			return &lab.Doubt{
				Reason: fmt.Sprintf("the level of %.1f/s beside the knee cannot be trusted: %s", level.Rate, strings.Join(level.Validity.Reasons, "; ")),
				Remedy: "close what else runs on this machine, and check again",
			}
		}
	}
	if ramp.Knee.Low == 0 || ramp.Knee.High == 0 {
		return &lab.Doubt{Reason: fmt.Sprintf("the ramp found no knee: %+v", ramp.Knee), Remedy: "see ramp.txt in " + evidenceFolder}
	}
	answer := l.subject.Answers.KneePerSecond
	if answer < ramp.Knee.Low/rampStep || answer > ramp.Knee.High*rampStep {
		return &lab.Failure{
			Expected: "in KneePerSecond, a rate within one level of the knee that this run's ramp found",
			Seen:     kneeSeen(answer, ramp.Knee),
			Look:     lab.Look{File: "answers.go", Func: "Answers", Hint: "find the last level that met the service level, in ramp.txt in " + evidenceFolder},
		}
	}
	return nil
}

func (l *trial) ledger(ctx context.Context, _ *lab.Run) error {
	// No request is left once the service has stopped, so half-done orders can be settled at once.
	if err := l.after.variant.Service.Stop(ctx); err != nil {
		return err
	}
	if err := rig.Settle(ctx, l.servers.Pool, postgres.NewOrders(l.servers.Pool), 0); err != nil {
		return err
	}
	if err := postgres.Invariants(ctx, l.servers.Pool, l.servers.Pool); err != nil {
		return fmt.Errorf("the books do not balance, and no file of this lab is at fault; please report it: %w", err)
	}
	return nil
}

// largest returns the keys of the two largest values.
func largest(values map[string]float64) (first, second string) {
	best, next := math.Inf(-1), math.Inf(-1)
	for key, value := range values {
		switch {
		case value > best:
			first, second, best, next = key, first, value, best
		case value > next:
			second, next = key, value
		}
	}
	return first, second
}

// clear says, as a doubt, that the first does not stand out from the second.
func clear(values map[string]float64, first, second string) error {
	if values[first] <= 0 {
		return &lab.Doubt{Reason: "nothing was measured", Remedy: "run the check again"}
	}
	if values[first] < dominance*values[second] {
		return &lab.Doubt{
			Reason: fmt.Sprintf("too close to tell: %.3g s for %s, %.3g s for %s", values[first], first, values[second], second),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	return nil
}

// kneeSeen sets an answer beside the ramp, once there is an answer.
func kneeSeen(answer float64, knee measure.Knee) string {
	if answer == 0 {
		return quoted("")
	}
	return fmt.Sprintf("%g a second, where %.1f met the service level and %.1f did not", answer, knee.Low, knee.High)
}

func quoted(answer string) string {
	if answer == "" {
		return "no answer yet"
	}
	return fmt.Sprintf("%q", answer)
}
