// Package spec has the checks and the gain of lab 01: orders that do not wait for each other, a pool
// with a sensible bound, a rule that finds the right size, and a gain from four times the CPU.
package spec

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// Name is the name of the lab's folder.
const Name = "01-vertical"

// evidenceFolder is where learners find the evidence, from the module's root.
const evidenceFolder = ".workshop/" + Name

// Subject is the code under test: the learner's, the solution or a wrong answer.
type Subject struct {
	Files fs.FS // where TODO marks are looked for
	// Checkout and Pool are what the service gets. Most checks run the checkout in memory.
	Checkout func(*checkout.Steps) bytebites.Checkout
	Pool     func() postgres.PoolConfig
	Size     func(measured []instance.Capacity, peak float64) (instance.Type, bool)
	// Package and Args start a service with the subject's checkout and pool.
	Package string
	Args    []string
}

const (
	// minConnections and maxConnections bound what a pool may open under a burst.
	minConnections = 2
	maxConnections = 50
	// minLifetime is the least life of a connection. A shorter one costs more log-ins than it
	// balances load.
	minLifetime = time.Minute
	// floor is the least gain in goodput from tuning and four times the CPU. Four would
	// be perfect.
	floor = 2
)

// Lab returns the lab's demands on a subject.
func Lab(subject Subject) lab.Lab {
	l := &trial{subject: subject}
	return lab.Lab{
		Name:   Name,
		Files:  subject.Files,
		Claim:  rig.Claim,
		Stages: l.stages(),
		// The checks without a server come first.
		Checks: []lab.Check{
			{Name: "size", Kind: lab.Core, Step: 4, Run: l.size,
				Proves: "your rule finds the size with the lowest price an hour that holds a peak with headroom"},
			{Name: "kept connections", Kind: lab.Core, Step: 3, Run: l.keptConnections,
				Proves: "connections stay open for the next request"},
			{Name: "side by side", Kind: lab.Core, Step: 1, Run: l.sideBySide,
				Proves: fmt.Sprintf("orders of different subscribers do not wait for each other, not even %d at once", crowd)},
			{Name: "one mail", Kind: lab.Core, Step: 1, Run: l.oneMail,
				Proves: "an order that is sent twice at once is placed once and mailed once"},
			{Name: "last portion", Kind: lab.Core, Step: 1, Run: l.lastPortion,
				Proves: "a retry is not told 'out of stock' while the first request holds the last portion for the same order"},
			{Name: "mail after commit", Kind: lab.Core, Step: 2, Run: l.mailAfterCommit,
				Proves: "an order is committed before its mail is sent, and all its effects are done when it is answered"},
			{Name: "effect fails", Kind: lab.Core, Step: 2, Run: l.effectFails,
				Proves: "an order stands when an effect fails, such as a refused mail; it calls that one undone and does the others"},
			{Name: "every exit", Kind: lab.Core, Step: 2, Run: l.everyExit,
				Proves: "whichever step fails, the stock is given back, the answer is true and a retry goes through"},
			{Name: "caller gone", Kind: lab.Core, Step: 2, Run: l.callerGone,
				Proves: "an order whose client disconnects has all its effects, or leaves nothing behind"},
			{Name: "abandoned order", Kind: lab.Core, Step: 2, Run: l.abandonedOrder,
				Proves: "a retry finishes an order that its request has abandoned, and two retries at once mail once"},
			{Name: "young order", Kind: lab.Core, Step: 2, Run: l.youngOrder,
				Proves: "a retry leaves an order alone that its own request may still be at"},
			{Name: "free connections", Kind: lab.Core, Step: 2, Needs: []string{stageSlowMail}, Run: l.freeConnections,
				Proves: "no order holds a connection or a transaction while its mail is sent"},
			{Name: "pool", Kind: lab.Core, Step: 3, Needs: []string{stageService}, Run: l.pool,
				Proves: "a burst of readers gets several connections, and not hundreds"},
			{Name: "contract", Kind: lab.Core, Step: 2, Needs: []string{stageService}, Run: l.contract,
				Proves: "orders still keep every promise of the API, also when twenty come at once"},
			{Name: "crash", Kind: lab.Core, Step: 2, Needs: []string{stageService}, Run: l.crash,
				Proves: "the machine is killed under load: no accepted order is lost or doubled"},
		},
		Gains: []lab.Gain{{
			Name: "order goodput", Unit: "orders/s", Floor: floor, Timed: true, Needs: []string{stageService}, Measure: l.gain,
			Proves: "right answers a second under overload: untuned on " + small().Name + ", tuned on " + large().Name + ", four times the CPU",
		}},
		Starter: []string{
			"size", "side by side", "one mail", "mail after commit", "effect fails", "every exit", "abandoned order", "free connections", "pool", "order goodput",
		},
		Next: "go tool workshop list",
	}
}

func (l *trial) freeConnections(context.Context, *lab.Run) error {
	switch s := l.slow; {
	case s.failed != nil:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d orders at once to be placed while the mail server takes %s", ordersAtOnce, slowMail),
			Seen:     s.failed.Error(), Waited: lab.Late(s.failed), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
		}
	case s.idleInTransaction > 0:
		return &lab.Failure{
			Expected: "no transaction open while mail is sent",
			Seen:     fmt.Sprintf("%d connections idle in a transaction, in pg_stat_activity", s.idleInTransaction),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what runs inside Place?"},
		}
	case s.stored < s.atMailServerSeen:
		return &lab.Failure{
			Expected: "orders whose mail is on its way to be in the database",
			Seen:     fmt.Sprintf("%d at the mail server, %d in the database", s.atMailServerSeen, s.stored),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "send the mail after the order is committed"},
		}
	case s.readsFailed > 0:
		// No connection waits for the mail server, so the reads waited for the machine.
		return &lab.Doubt{
			Reason: fmt.Sprintf("%d of %d reads were not answered within %s, and no order held a connection", s.readsFailed, readsAtOnce, readTimeout),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	return nil
}

func (l *trial) size(context.Context, *lab.Run) error {
	for _, c := range append(sizeCases(), manyPeaks()...) {
		if seen, right := l.sized(c); !right {
			return &lab.Failure{
				Expected: fmt.Sprintf("for a peak of %g orders/s, of %s: %s", c.peak, describe(c.measured), c.answer()),
				Seen:     seen,
				Look:     lab.Look{File: "sizing.go", Func: "Size", Hint: "which sizes hold the peak with headroom? which of those has the lowest PriceMicros?"},
			}
		}
	}
	return nil
}

// sized puts one question to the learner's rule.
func (l *trial) sized(c sizeCase) (seen string, right bool) {
	defer func() {
		if p := recover(); p != nil {
			seen, right = fmt.Sprintf("a panic: %v", p), false
		}
	}()
	got, ok := l.subject.Size(slices.Clone(c.measured), c.peak) // Size may sort what it gets
	return sizeAnswer(got.Name, ok), ok == c.ok && (!ok || got.Name == c.want)
}

// sizeCase is a question to the learner's rule.
type sizeCase struct {
	measured []instance.Capacity
	peak     float64 // right answers a second
	want     string  // name of the type
	ok       bool
}

func (c sizeCase) answer() string { return sizeAnswer(c.want, c.ok) }

func sizeAnswer(name string, ok bool) string {
	if !ok {
		return "none is large enough"
	}
	return name
}

func describe(measured []instance.Capacity) string {
	if len(measured) == 0 {
		return "no sizes"
	}
	text := ""
	for i, m := range measured {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s ($%.3f an hour) with %g orders/s", m.Type.Name, float64(m.Type.PriceMicros)/1e6, m.Goodput)
	}
	return text
}

// maxUtilisation is what the lesson demands. The learner's constant is the learner's to change.
const maxUtilisation = 0.7

// manyPeaks returns questions about sizes of another provider: the dearest answers neither most nor
// least. Their peaks go from 0 to beyond the largest size, in steps that no limit is a multiple of.
func manyPeaks() []sizeCase {
	const step = 0.1
	offered := []instance.Capacity{ // by price
		{Type: instance.Type{Name: "c2.new", CPU: 1, MemoryMiB: 1024, PriceMicros: 20_000}, Goodput: 17.35},
		{Type: instance.Type{Name: "c1.old", CPU: 2, MemoryMiB: 4096, PriceMicros: 30_000}, Goodput: 41.15},
		{Type: instance.Type{Name: "c2.burst", CPU: 0.5, MemoryMiB: 2048, PriceMicros: 45_000}, Goodput: 26.75},
	}
	shuffled := []instance.Capacity{offered[2], offered[0], offered[1]}
	most := 0.0
	for _, size := range offered {
		most = max(most, maxUtilisation*size.Goodput)
	}
	var cases []sizeCase
	for i := range int(most/step) + 10 {
		c := sizeCase{measured: shuffled, peak: float64(i) * step}
		for _, size := range offered {
			if c.peak <= maxUtilisation*size.Goodput {
				c.want, c.ok = size.Type.Name, true
				break
			}
		}
		cases = append(cases, c)
	}
	return cases
}

// sizeCases returns questions to the learner's rule. Goodput does not follow from the size in them,
// as in measurements: a machine with four times the CPU may do hardly more than a small one.
func sizeCases() []sizeCase {
	of := func(t instance.Type, goodput float64) instance.Capacity {
		return instance.Capacity{Type: t, Goodput: goodput}
	}
	nano, micro, small, medium := instance.Nano(), instance.Micro(), instance.Small(), instance.Medium()
	linear := []instance.Capacity{of(nano, 4), of(micro, 10), of(small, 20), of(medium, 40)}
	shuffled := []instance.Capacity{linear[2], linear[0], linear[3], linear[1]}
	ceiling := []instance.Capacity{of(medium, 11), of(small, 10.5), of(micro, 10), of(nano, 4)}
	// The price of an order is lowest on the medium, and the price of an hour on the small.
	steep := []instance.Capacity{of(micro, 9), of(small, 20), of(medium, 60)}
	dear := medium // costs three times as much an hour
	dear.Name, dear.PriceMicros = "b1.dear", 3*medium.PriceMicros
	return []sizeCase{
		{measured: linear, peak: 13, want: small.Name, ok: true},
		{measured: shuffled, peak: 2, want: nano.Name, ok: true},
		{measured: shuffled, peak: 27, want: medium.Name, ok: true},
		{measured: linear, peak: 15, want: medium.Name, ok: true}, // a small holds 14 with headroom
		{measured: ceiling, peak: 7, want: micro.Name, ok: true},
		{measured: []instance.Capacity{of(dear, 50), of(medium, 45)}, peak: 20, want: medium.Name, ok: true},
		{measured: steep, peak: 13, want: small.Name, ok: true},
		{measured: []instance.Capacity{of(medium, 12), of(micro, 10), of(small, 40)}, peak: 6.5, want: micro.Name, ok: true},
		{measured: []instance.Capacity{of(small, 19), of(medium, 40)}, peak: 13.5, want: medium.Name, ok: true}, // a small holds 13.3
		{measured: linear, peak: 29},
		{measured: []instance.Capacity{of(nano, 4)}, peak: 3},
		{measured: ceiling, peak: 20},
		{measured: nil, peak: 1},
	}
}
