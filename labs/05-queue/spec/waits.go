package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/smtp"
	"bytebites.example/workshop/shared/measure/probe/promstat"
	"bytebites.example/workshop/shared/testbed/mailsink"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// slowMailOrders are placed at the same time while the mail server is slow.
	slowMailOrders = 6
	// aftermathTimeout is how long their effects are waited for before the steps of the replicas
	// are counted, once the mail server is quick again. Work that a replica does after its answer is
	// done by then.
	aftermathTimeout = 2 * slowMail
)

// deferrable are the steps that an order need not wait for.
func deferrable() []checkout.Step {
	return []checkout.Step{checkout.StepRecommend, checkout.StepSaveWeek, checkout.StepMail, checkout.StepLedger}
}

// doesNotWait places orders while the mail server is slow. Each answer must come before the mail
// server has the mail. No replica may do what can be done later, and all effects must come.
func (l *trial) doesNotWait(ctx context.Context, _ *lab.Run) error {
	before, err := l.stepsOfReplicas(ctx)
	if err != nil {
		return err
	}
	placed, late, err := l.orderWhileMailIsSlow(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(placed) == 0:
		return &lab.Doubt{
			Reason: fmt.Sprintf("none of %d orders was accepted at the first try", slowMailOrders),
			Remedy: "close what else runs on this machine, and check again",
		}
	case len(late) > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("answers to %d orders before their mails are accepted by a mail server that takes %s", slowMailOrders, slowMail),
			Seen:     few(late), Waited: lab.Waited{Each: slowMail}, Look: lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "let an order wait for Replay, Draft, Reserve and Place only"},
		}
	}
	if _, err := l.await(ctx, placed, aftermathTimeout, bytebites.Effects()...); err != nil {
		return err // missing effects are reported below
	}
	after, err := l.stepsOfReplicas(ctx)
	if err != nil {
		return err
	}
	err = failIf(stepsBetween(before, after), "workers, not replicas, to do what can be done later",
		lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "a replica that dies loses the work that it has deferred: leave it to the workers"})
	if err != nil {
		return err
	}
	err = l.wantDone(ctx, placed, "all effects of orders that were answered before their mails were sent",
		lab.Look{File: "publisher.go", Func: "Checkout.PlaceOrder", Hint: "write the events of the order by c.Tell; see also relay.log and worker.log in .workshop/05-queue"})
	if err != nil {
		return err
	}
	return l.wantOnce(ctx, placed, lab.Look{File: "consumers.go", Func: "Consumers", Hint: "an event may come twice: do each effect once"})
}

// orderWhileMailIsSlow places orders as orderAtOnce does. The mail server is quick again when they
// are answered, because a worker may send its mails one after another.
func (l *trial) orderWhileMailIsSlow(ctx context.Context) (placed []*order, late []string, err error) {
	if err := l.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, l.servers.Mail.SetDelay(context.WithoutCancel(ctx), quickMail)) }()
	return l.orderAtOnce(ctx)
}

// orderAtOnce places orders at the same time. It returns those that were accepted at the first
// try, with a sentence for each whose answer came too late.
func (l *trial) orderAtOnce(ctx context.Context) (placed []*order, late []string, err error) {
	var mu sync.Mutex
	var failures []error
	var ordering sync.WaitGroup
	for _, p := range l.mixed(slowMailOrders) {
		ordering.Go(func() {
			o, err := l.place(ctx, p)
			var mails []mailsink.Message
			if err == nil {
				mails, err = l.servers.Mail.Messages(ctx, p.email)
			}
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err)
			if err != nil || o.tries > 1 {
				return
			}
			placed = append(placed, o)
			id := smtp.MessageID(o.id, mailDomain)
			if slices.ContainsFunc(mails, func(m mailsink.Message) bool { return m.MessageID == id }) {
				late = append(late, fmt.Sprintf("the mail of order %s was accepted before its answer came", o.id))
			} else if len(o.doneAtOnce) > 0 {
				late = append(late, fmt.Sprintf("the answer to order %s reports %v as done", o.id, o.doneAtOnce))
			}
		})
	}
	ordering.Wait()
	return placed, late, errors.Join(failures...)
}

// steps counts how often each step of a checkout was done.
type steps map[checkout.Step]uint64

// stepsOfReplicas returns the steps of both replicas together.
func (l *trial) stepsOfReplicas(ctx context.Context) (steps, error) {
	sum := make(steps)
	for _, r := range l.replicas {
		metrics, err := promstat.Read(ctx, r.URL()+"/metrics")
		if err != nil {
			return nil, err
		}
		for step, seen := range metrics.Histogram("bytebites_order_step_seconds", "step") {
			sum[checkout.Step(step)] += seen.Count
		}
	}
	return sum, nil
}

// stepsBetween says which deferrable steps replicas did between two counts.
func stepsBetween(before, after steps) []string {
	var all []string
	for _, step := range deferrable() {
		if n := after[step] - before[step]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d times", step, n))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []string{"the replicas themselves did " + strings.Join(all, ", ")}
}
