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
	// hasty order while the mail server is slow, at the same time.
	hasty = 6
	// hastyPatience is how long their effects are waited for when they have their answers:
	// what a replica does after its answer it has done by then.
	hastyPatience = 2 * slowMail
)

// later are the steps that nobody has to wait for.
func later() []checkout.Step {
	return []checkout.Step{checkout.StepRecommend, checkout.StepSaveWeek, checkout.StepMail, checkout.StepLedger}
}

// doesNotWait has some people order while the mail server takes its time, looks what it has when
// each of them has an answer, and then who did the rest.
func (l *trial) doesNotWait(ctx context.Context, _ *lab.Run) (err error) {
	before, err := l.stepsOfReplicas(ctx)
	if err != nil {
		return err
	}
	if err := l.servers.Mail.SetDelay(ctx, slowMail); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.servers.Mail.SetDelay(context.WithoutCancel(ctx), quickMail)) }()
	placed, waited, err := l.orderHastily(ctx)
	l.early = append(l.early, placed...)
	if err != nil {
		return err
	}
	switch {
	case len(placed) == 0:
		return &lab.Doubt{
			Reason: fmt.Sprintf("none of %d orders was accepted at the first try", hasty),
			Remedy: "close what else runs on this machine, and check again",
		}
	case len(waited) > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("answers to %d orders before their mails are accepted by a mail server that takes %s", hasty, slowMail),
			Seen:     few(waited), Look: lab.Look{Hint: "Checkout in publisher.go: what does an order wait for?"},
		}
	}
	if _, err := l.await(ctx, placed, hastyPatience, bytebites.Effects()...); err != nil {
		return err // that none came is for another check to say
	}
	after, err := l.stepsOfReplicas(ctx)
	if err != nil {
		return err
	}
	return failIf(did(before, after), "replicas that leave to workers what can be done later",
		"Checkout in publisher.go: a replica that dies takes with it what it had in mind")
}

// orderHastily has people order at the same time, and returns the orders that were accepted at the first
// try, with a sentence for each that was told of later than it should.
func (l *trial) orderHastily(ctx context.Context) (placed []*order, waited []string, err error) {
	var mu sync.Mutex
	var failures []error
	var ordering sync.WaitGroup
	for _, p := range l.mixed(hasty) {
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
				waited = append(waited, fmt.Sprintf("the mail of order %s was accepted before its answer came", o.id))
			} else if len(o.doneAtOnce) > 0 {
				waited = append(waited, fmt.Sprintf("the answer to order %s calls %v done", o.id, o.doneAtOnce))
			}
		})
	}
	ordering.Wait()
	return placed, waited, errors.Join(failures...)
}

// steps are how often each step was gone through.
type steps map[checkout.Step]uint64

// stepsOfReplicas returns those of both replicas together.
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

// did says which of the later steps replicas went through in between.
func did(before, after steps) []string {
	var all []string
	for _, step := range later() {
		if n := after[step] - before[step]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d times", step, n))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []string{"the replicas themselves did " + strings.Join(all, ", ")}
}
