package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// databaseConnections is how many connections a worker has to each server of user data.
const databaseConnections = 10

// onceHint is the hint for an effect whose work and note are not one transaction. Work that uses
// the handler's own context is outside the transaction of Once.
const onceHint = "work and note belong into one transaction: do the work inside Orders.Once, with the context that Once gives"

// handlerLook returns the place of the handler of a queue.
func handlerLook(queue, hint string) lab.Look {
	switch queue {
	case ledgerQueue:
		return lab.Look{File: "consumers.go", Func: "effects.ledger", Hint: hint}
	case recommendationQueue:
		return lab.Look{File: "consumers.go", Func: "effects.recommendation", Hint: hint}
	case paymentQueue:
		return lab.Look{File: "consumers.go", Func: "effects.payment", Hint: hint}
	default:
		return lab.Look{File: "consumers.go", Func: "effects.email", Hint: hint}
	}
}

// desk is the subject's handlers over a shop with one order, order-1.
type desk struct {
	*shop
	consumers []roles.Consumer
}

// desk returns the handlers. Without a mailer, the shop takes the mails.
func (c *composed) desk(mailer bytebites.Mailer) (*desk, error) {
	d := &desk{shop: newShop()}
	d.orders["order-1"] = bytebites.Order{ID: "order-1", User: "ada", Total: 250, Status: bytebites.OrderPlaced, PlacedAt: time.Now().UTC()}
	d.payments["pay-order-1"] = *eventOf(bytebites.TopicPaymentProcessed, "order-1").Payment
	parts, err := d.parts(mailer)
	if err != nil {
		return nil, err
	}
	err = guard(lab.Look{File: "consumers.go", Func: "Consumers"}, func() error {
		d.consumers = c.worker.Consumers(parts)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(queues())) {
		if d.of(name) == nil {
			return nil, &lab.Failure{
				Expected: "a consumer with a handler for each of the four queues", Seen: "none for " + name,
				Look: lab.Look{File: "consumers.go", Func: "Consumers", Hint: "return a consumer for each of the four queues"},
			}
		}
	}
	return d, nil
}

// of returns the handler of a queue, or nil.
func (d *desk) of(queue string) roles.Handler {
	for _, c := range d.consumers {
		if c.Queue == queue {
			return c.Handle
		}
	}
	return nil
}

// handled is what a handler returned.
type handled struct {
	first bool
	err   error
}

// handle calls the handler of a queue with the event of order-1.
func (d *desk) handle(ctx context.Context, queue string) (h handled, err error) {
	event := eventOf(queues()[queue], "order-1")
	err = guard(handlerLook(queue, ""), func() error {
		h.first, h.err = d.of(queue)(ctx, event)
		return nil
	})
	return h, err
}

// unpaid calls the handler of payments with an event that has no payment. The same worker handles other
// messages, and a panic ends it.
func (c *composed) unpaid(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	event := eventOf(bytebites.TopicPaymentProcessed, "order-1")
	event.Payment = nil
	return guard(handlerLook(paymentQueue, "event.Payment may be nil: a message may come from a program with a mistake"), func() error {
		_, _ = d.of(paymentQueue)(ctx, event) // any answer but a panic is right
		return nil
	})
}

// handlesOnce calls the subject's handlers over a shop in memory.
func (l *trial) handlesOnce(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	for _, e := range []effectCase{
		{ledgerQueue, bytebites.EffectLedger, callBook, func(s *shop) int { return s.booked["order-1"] }},
		{recommendationQueue, bytebites.EffectRecommendation, callSaveWeek, func(s *shop) int { return s.weeks["ada"] }},
	} {
		for _, scenario := range []func(context.Context, effectCase) error{c.oneAfterAnother, c.twoAtOnce, c.workFails, c.commitFails, c.unreadOrder, c.readFailsOnce} {
			if err := scenario(ctx, e); err != nil {
				return err
			}
		}
	}
	plan := effectCase{recommendationQueue, bytebites.EffectRecommendation, callPlan, func(s *shop) int { return s.weeks["ada"] }}
	if err := c.workFails(ctx, plan); err != nil {
		return err
	}
	for _, scenario := range []func(context.Context) error{c.plansOutside, c.unpaid} {
		if err := scenario(ctx); err != nil {
			return err
		}
	}
	return c.settles(ctx)
}

// holdsFew demands a prefetch of each queue that fits its work.
func (c *composed) holdsFew() error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	for _, consumer := range d.consumers {
		least, most := 1, databaseConnections
		if consumer.Queue == mailQueue {
			least, most = 2, int(^uint16(0))
		}
		if consumer.Prefetch < least || consumer.Prefetch > most {
			return &lab.Failure{
				Expected: fmt.Sprintf("a prefetch of %d to %d for %s", least, most, consumer.Queue), Seen: fmt.Sprintf("%d", consumer.Prefetch),
				Look: lab.Look{File: "consumers.go", Func: "Consumers", Hint: fmt.Sprintf("choose 2 or more for the mails, which wait for another server, and at most %d for the others: a worker has %d connections to each database", databaseConnections, databaseConnections)},
			}
		}
	}
	return nil
}

// effectCase is an effect that is noted in one transaction with its work.
type effectCase struct {
	queue  string
	effect bytebites.Effect
	work   string // the call that does it
	times  func(*shop) int
}

// times returns how often the work was committed.
func (d *desk) times(e effectCase) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return e.times(d.shop)
}

func (e effectCase) look(hint string) lab.Look { return handlerLook(e.queue, hint) }

func (c *composed) oneAfterAnother(ctx context.Context, e effectCase) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		h, err := d.handle(ctx, e.queue)
		if err != nil {
			return err
		}
		if h.err != nil || h.first != (n == 1) || d.times(e) != 1 || !d.done("order-1", e.effect) {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s of an order done once and noted as done, and true only the first time", e.effect),
				Seen:     fmt.Sprintf("at time %d: %t, error %v, done %d times, noted %t", n, h.first, h.err, d.times(e), d.done("order-1", e.effect)),
				Look:     e.look("return the bool of Orders.Once: whether there was anything to do"),
			}
		}
	}
	return nil
}

// twoAtOnce has two workers handle one event at the same time.
func (c *composed) twoAtOnce(ctx context.Context, e effectCase) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.on(e.work, func(ctx context.Context) error { return rig.Pause(ctx, stillPause) })
	type outcome struct {
		handled
		err error
	}
	out := make(chan outcome, 2)
	for range 2 {
		go func() {
			h, err := d.handle(ctx, e.queue)
			out <- outcome{h, err}
		}()
	}
	firsts := 0
	for range 2 {
		o := <-out
		if o.err != nil {
			return o.err
		}
		if o.handled.err != nil && !errors.Is(o.handled.err, bytebites.ErrBusy) {
			return &lab.Failure{Expected: "no error when two workers have one event at once", Seen: o.handled.err.Error(), Look: e.look("do the work inside Orders.Once: of two workers the second waits for the first")}
		}
		if o.first {
			firsts++
		}
	}
	if n := d.times(e); n != 1 || firsts != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s of an order done once, when two workers have its event at the same time", e.effect), Seen: fmt.Sprintf("%d times, and %d handlers that report it", n, firsts),
			Look: e.look(onceHint),
		}
	}
	return nil
}

func (c *composed) workFails(ctx context.Context, e effectCase) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.fail(e.work, errDown)
	h, err := d.handle(ctx, e.queue)
	if err != nil {
		return err
	}
	if h.err == nil || h.first || d.times(e) != 0 || d.done("order-1", e.effect) {
		return &lab.Failure{
			Expected: fmt.Sprintf("an error, and %s neither done nor noted as done, when its work fails", e.effect),
			Seen:     fmt.Sprintf("%t, error %v, done %d times, noted %t", h.first, h.err, d.times(e), d.done("order-1", e.effect)),
			Look:     e.look(onceHint),
		}
	}
	return nil
}

// commitFails lets the note fail, as the death of a worker between the two does.
func (c *composed) commitFails(ctx context.Context, e effectCase) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.fail(callOnce, errDown)
	d.fail(callFinish, errDown)
	h, err := d.handle(ctx, e.queue)
	if err != nil {
		return err
	}
	if h.err == nil || h.first || d.times(e) != 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("an error, and %s not done, when it cannot be noted as done", e.effect),
			Seen:     fmt.Sprintf("%t, error %v, done %d times", h.first, h.err, d.times(e)),
			Look:     e.look(onceHint),
		}
	}
	return nil
}

// unreadOrder has the order's server give no answer, or not find the order.
func (c *composed) unreadOrder(ctx context.Context, e effectCase) error {
	for _, fails := range []error{bytebites.ErrBusy, bytebites.ErrNotFound} {
		d, err := c.desk(nil)
		if err != nil {
			return err
		}
		d.fail(callRead, fails)
		h, err := d.handle(ctx, e.queue)
		if err != nil {
			return err
		}
		if !errors.Is(h.err, fails) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the error %q when the order's server returns it", fails), Seen: fmt.Sprintf("%t, error %v", h.first, h.err),
				Look: e.look("return the error of the store, wrapped with %w: a message without an error is acknowledged, and gone"),
			}
		}
	}
	return nil
}

// readFailsOnce lets the first read of the order fail, and no other call. An effect that is noted as done was
// done for this order then.
func (c *composed) readFailsOnce(ctx context.Context, e effectCase) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	var read atomic.Bool
	d.on(callRead, func(context.Context) error {
		if read.Swap(true) {
			return nil
		}
		return errDown
	})
	h, err := d.handle(ctx, e.queue)
	if err != nil {
		return err
	}
	if noted := d.done("order-1", e.effect); noted != (d.times(e) == 1) || noted != (h.err == nil) {
		return &lab.Failure{
			Expected: fmt.Sprintf("an error, or %s done for the order and noted, when the order cannot be read at first", e.effect),
			Seen:     fmt.Sprintf("error %v, done %d times, noted %t", h.err, d.times(e), noted),
			Look:     e.look("return the error of the store, wrapped with %w"),
		}
	}
	return nil
}

// plansOutside demands that a week is planned before the transaction and saved in it. A week that was
// saved before is not planned again.
func (c *composed) plansOutside(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := d.handle(ctx, recommendationQueue); err != nil {
			return err
		}
	}
	if n := len(d.calls(callPlan)); n != 1 {
		return &lab.Failure{
			Expected: "one plan, when the event comes again after the week was saved", Seen: fmt.Sprintf("%d", n),
			Look: handlerLook(recommendationQueue, "return false before you plan if the effect is in order.Done: a plan costs 16 ms of CPU"),
		}
	}
	inside := func(c call) bool { return c.inside }
	if slices.ContainsFunc(d.calls(callPlan), inside) {
		return &lab.Failure{
			Expected: "a week that is planned before the transaction", Seen: "a plan inside it",
			Look: handlerLook(recommendationQueue, "call e.Steps.Plan before Orders.Once: each worker that waits for the lock waits for the plan too"),
		}
	}
	return nil
}

// settles handles payments.
func (c *composed) settles(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	for range 2 {
		h, err := d.handle(ctx, paymentQueue)
		if err != nil {
			return err
		}
		if h.err != nil {
			return &lab.Failure{Expected: "a recorded payment that is settled, also when its event comes again", Seen: h.err.Error(), Look: handlerLook(paymentQueue, "see Orders.SettlePayment")}
		}
	}
	want := *eventOf(bytebites.TopicPaymentProcessed, "order-1").Payment
	d.mu.Lock()
	settled := slices.Clone(d.settled)
	d.mu.Unlock()
	if len(settled) == 0 || settled[0] != want {
		return &lab.Failure{Expected: "the payment of the event to be settled", Seen: fmt.Sprintf("%v", settled), Look: handlerLook(paymentQueue, "see Orders.SettlePayment")}
	}
	for _, fails := range []error{errDown, bytebites.ErrBusy, bytebites.ErrNotFound, bytebites.ErrConflict} {
		d.fail(callSettle, fails)
		h, err := d.handle(ctx, paymentQueue)
		if err != nil {
			return err
		}
		if !errors.Is(h.err, fails) {
			return &lab.Failure{Expected: "the error of the store when a payment cannot be settled", Seen: fmt.Sprintf("%t, error %v", h.first, h.err), Look: handlerLook(paymentQueue, "return the error, wrapped with %w")}
		}
	}
	return nil
}

// mailsOnce calls the subject's handler of mails over a shop in memory.
func (l *trial) mailsOnce(ctx context.Context, _ *lab.Run) error {
	c, err := l.compose()
	if err != nil {
		return err
	}
	return together(ctx, c.mailsOne, c.mailsAfterAClaim, c.mailFails, c.mailNotNoted, c.mailsAtOnce, c.claimOutlastsTheMail)
}

func emailLook(hint string) lab.Look { return handlerLook(mailQueue, hint) }

// state describes the mails of the order.
func (d *desk) mailState(h handled) string {
	return fmt.Sprintf("%t, error %v, %d mails, noted %t, claimed %t", h.first, h.err,
		d.mailed("order-1"), d.done("order-1", bytebites.EffectEmail), d.claimed("order-1", bytebites.EffectEmail))
}

func (c *composed) mailsOne(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	var early atomic.Bool // the claim was given up before the note
	note := func(context.Context) error {
		early.Store(early.Load() || !d.claimed("order-1", bytebites.EffectEmail))
		return nil
	}
	d.on(callOnce, note)
	d.on(callFinish, note)
	for n := 1; n <= 3; n++ {
		h, err := d.handle(ctx, mailQueue)
		if err != nil {
			return err
		}
		if h.err != nil || h.first != (n == 1) || d.mailed("order-1") != 1 || !d.done("order-1", bytebites.EffectEmail) || d.claimed("order-1", bytebites.EffectEmail) {
			return &lab.Failure{
				Expected: "one mail, noted as sent, no claim left, and true only the first time", Seen: fmt.Sprintf("at time %d: %s", n, d.mailState(h)),
				Look: emailLook("call claim.Do: it claims, reads the order, mails, and then notes the mail and gives the claim up"),
			}
		}
	}
	if early.Load() {
		return &lab.Failure{
			Expected: "a claim that is given up when the mail is noted as sent, and not before", Seen: "a note without a claim",
			Look: emailLook("call claim.Do: without a claim another worker mails between your mail and its note"),
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.letters[0] != "ada@bytebites.example" {
		return &lab.Failure{Expected: "a mail to the address in the event", Seen: d.letters[0], Look: emailLook("mail to event.Email")}
	}
	return nil
}

// mailsAfterAClaim has another worker mail while this one claims, and hold the claim.
func (c *composed) mailsAfterAClaim(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.on(callClaim, func(context.Context) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.note("order-1", bytebites.EffectEmail)
		return nil
	})
	h, err := d.handle(ctx, mailQueue)
	if err != nil {
		return err
	}
	if h.err != nil || h.first || d.mailed("order-1") > 0 || d.claimed("order-1", bytebites.EffectEmail) {
		return &lab.Failure{
			Expected: "no mail and no claim left, when another worker has noted the mail before this one got its claim", Seen: d.mailState(h),
			Look: emailLook("call claim.Do: it reads the order after the claim, because another worker may have mailed before"),
		}
	}
	if d, err = c.desk(nil); err != nil {
		return err
	}
	d.claims[claimKey{"order-1", bytebites.EffectEmail}] = time.Now().Add(time.Hour)
	if h, err = d.handle(ctx, mailQueue); err != nil {
		return err
	}
	if !errors.Is(h.err, bytebites.ErrBusy) || d.mailed("order-1") > 0 || !d.claimed("order-1", bytebites.EffectEmail) {
		return &lab.Failure{
			Expected: "the error bytebites.ErrBusy, no mail, and the claim of another worker kept", Seen: d.mailState(h),
			Look: emailLook("call claim.Do: it returns bytebites.ErrBusy while another worker holds the claim, so the message comes again later"),
		}
	}
	return nil
}

func (c *composed) mailFails(ctx context.Context) error {
	for what, fails := range map[string]error{callMail: errDown, callRead: bytebites.ErrBusy, callClaim: bytebites.ErrBusy} {
		d, err := c.desk(nil)
		if err != nil {
			return err
		}
		d.fail(what, fails)
		h, err := d.handle(ctx, mailQueue)
		if err != nil {
			return err
		}
		if !errors.Is(h.err, fails) || d.mailed("order-1") > 0 || d.done("order-1", bytebites.EffectEmail) || d.claimed("order-1", bytebites.EffectEmail) {
			return &lab.Failure{
				Expected: fmt.Sprintf("the error of a failed call (%s), nothing noted as sent, and the claim given up", what), Seen: d.mailState(h),
				Look: emailLook("call claim.Do: it claims before it mails, and after a failure gives the claim up, so that the next try need not wait"),
			}
		}
	}
	return nil
}

// mailNotNoted sends a mail that cannot be noted as sent.
func (c *composed) mailNotNoted(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.fail(callOnce, errDown)
	d.fail(callFinish, errDown)
	h, err := d.handle(ctx, mailQueue)
	if err != nil {
		return err
	}
	if h.err == nil || h.first {
		return &lab.Failure{
			Expected: "an error when a mail is out and cannot be noted", Seen: d.mailState(h), Look: emailLook("return the error of the note, so that the message comes again"),
		}
	}
	return nil
}

// mailsAtOnce has two workers handle one event while the mail server is slow.
func (c *composed) mailsAtOnce(ctx context.Context) error {
	d, err := c.desk(nil)
	if err != nil {
		return err
	}
	d.on(callMail, func(ctx context.Context) error { return rig.Pause(ctx, 2*stillPause) })
	out := make(chan error, 2)
	for range 2 {
		go func() {
			h, err := d.handle(ctx, mailQueue)
			if err == nil && h.err != nil && !errors.Is(h.err, bytebites.ErrBusy) {
				err = &lab.Failure{Expected: "a mail, or bytebites.ErrBusy", Seen: h.err.Error(), Look: emailLook("")}
			}
			out <- err
		}()
	}
	if err := errors.Join(<-out, <-out); err != nil {
		return err
	}
	if n := d.mailed("order-1"); n != 1 {
		return &lab.Failure{
			Expected: "one mail when two workers have its event at the same time", Seen: fmt.Sprintf("%d mails", n), Look: emailLook("call claim.Do: its claim keeps two workers from sending a mail at once"),
		}
	}
	return nil
}

// slowPost accepts a mail shortly before the mail's deadline.
type slowPost struct {
	ends chan time.Time // has the deadline of each mail, which is zero without one
	sent atomic.Int64
}

// lead is how long before its deadline a mail is accepted, and late how long after it the note of
// the mail reaches the database.
const lead, late = 300 * time.Millisecond, 200 * time.Millisecond

// ConfirmOrder accepts the mail also when its time ran out at that moment.
func (p *slowPost) ConfirmOrder(ctx context.Context, _ string, _ bytebites.Order) error {
	ends, ok := ctx.Deadline()
	if ok {
		_ = rig.Pause(ctx, time.Until(ends)-lead) // the mail server has the mail in any case
	}
	p.sent.Add(1)
	p.ends <- ends
	return nil
}

// claimOutlastsTheMail has the mail server take nearly all the time that a mail may take, and the
// database some more to note it.
func (c *composed) claimOutlastsTheMail(ctx context.Context) error {
	post := &slowPost{ends: make(chan time.Time, 10)}
	d, err := c.desk(post)
	if err != nil {
		return err
	}
	var ends time.Time
	var noted time.Time
	note := func(ctx context.Context) error {
		if ends.IsZero() {
			ends = <-post.ends
		}
		if !ends.IsZero() {
			_ = rig.Pause(ctx, time.Until(ends)+late) // an error shows in the call's own result
		}
		noted = time.Now()
		return nil
	}
	d.on(callOnce, note)
	d.on(callFinish, note)
	s, err := c.shift(ctx, mailQueue, 1, d.of(mailQueue))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.put(eventOf(bytebites.TopicOrderPlaced, "order-1")); err != nil {
		return err
	}
	over := func() bool { return d.done("order-1", bytebites.EffectEmail) || len(s.republished()) > 0 }
	if _, err := within(ctx, settleTimeout+stepLimit(), over); err != nil {
		return err
	}
	if post.sent.Load() == 0 {
		return &lab.Failure{Expected: fmt.Sprintf("a mail with a deadline, within %s", settleTimeout), Seen: "none", Look: emailLook("call claim.Do: it gives the mail a deadline")}
	}
	if !d.done("order-1", bytebites.EffectEmail) {
		return &lab.Failure{
			Expected: "a mail that took nearly all of its time to be noted as sent", Seen: fmt.Sprintf("not noted, %d mails sent", post.sent.Load()),
			Look: emailLook("call claim.Do: its note has a deadline of its own, because the mail may have used up the first"),
		}
	}
	claims := d.calls(callClaim)
	if len(claims) == 0 {
		return &lab.Failure{Expected: "a claim of the mail", Seen: "none", Look: emailLook("call claim.Do: its claim keeps two workers from sending a mail at once")}
	}
	if end := claims[0].at.Add(claims[0].lasts); end.Before(noted) {
		return &lab.Failure{
			Expected: fmt.Sprintf("a claim that outlasts a slow mail and its note: %s or more", noted.Sub(claims[0].at).Round(100*time.Millisecond)), Seen: claims[0].lasts.String(),
			Look: emailLook("call claim.Do: its claim lasts longer than mail and note together"),
		}
	}
	return nil
}
