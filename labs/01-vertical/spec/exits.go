package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
	"bytebites.example/workshop/shared/workshop/lab"
)

// errBroken is the error of a part that a check has broken.
var errBroken = errors.New("broken for this check")

const (
	// minMailTime is the least time that a mail server gets to take a message.
	minMailTime = 5 * time.Second
	// maxEffectTime is the most time that all effects of an order get together. A request lives for at
	// most RequestTimeout, so no effect goes on after AbandonedAfter.
	maxEffectTime = checkout.AbandonedAfter - checkout.RequestTimeout
	// sameMoment is how far apart two limits may lie that effects get which begin together.
	sameMoment = time.Second
)

// effectCalls are the calls that do the work of the effects.
func effectCalls() []checkouttest.Call {
	return []checkouttest.Call{checkouttest.Mail, checkouttest.Ledger, checkouttest.SaveWeek}
}

// exit is a way out of a checkout: a call fails, or its answer is lost.
type exit struct {
	call checkouttest.Call
	lost bool // the call does its work, and the answer is an error
	// sweeper says that the reservation is left to the sweeper.
	sweeper bool
	// undone are the effects that may be undone if the order stands.
	undone []bytebites.Effect
}

func (e exit) String() string {
	if e.lost {
		return "when the answer of " + phrase(e.call) + " is lost"
	}
	return "when " + phrase(e.call) + " fails"
}

// exitsBefore are those before the order is committed, and of the reservation's confirmation.
func exitsBefore() []exit {
	week := []bytebites.Effect{bytebites.EffectRecommendation}
	return []exit{
		{call: checkouttest.Replay},
		{call: checkouttest.Prices},
		{call: checkouttest.Reserve},
		{call: checkouttest.Reserve, lost: true},
		{call: checkouttest.Recommend, undone: week},
		{call: checkouttest.Place},
		{call: checkouttest.Commit, sweeper: true},
		{call: checkouttest.Commit, lost: true},
		{call: checkouttest.Confirm, sweeper: true},
		{call: checkouttest.Confirm, lost: true},
	}
}

// exitsAfter are those of the effects of a committed order.
func exitsAfter() []exit {
	return []exit{
		{call: checkouttest.Mail, undone: []bytebites.Effect{bytebites.EffectEmail}},
		{call: checkouttest.Mail, lost: true, undone: []bytebites.Effect{bytebites.EffectEmail}},
		{call: checkouttest.Ledger, undone: []bytebites.Effect{bytebites.EffectLedger}},
		{call: checkouttest.SaveWeek, undone: []bytebites.Effect{bytebites.EffectRecommendation}},
		{call: checkouttest.Finish, undone: bytebites.Effects()},
	}
}

// take sends a request whose checkout leaves by an exit.
func (m *memory) take(ctx context.Context, e exit, request bytebites.OrderRequest) (answered, error) {
	broken := m.Fail
	if e.lost {
		broken = m.Lose
	}
	m.Lock()
	broken[e.call] = errBroken
	m.Unlock()
	defer func() {
		m.Lock()
		defer m.Unlock()
		delete(broken, e.call)
	}()
	return m.place(ctx, request)
}

// everyExit takes each exit in turn and then sends the order again.
func (l *trial) everyExit(ctx context.Context, _ *lab.Run) error {
	for _, e := range exitsBefore() {
		if err := l.leaveBy(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	if err := l.commitUnknown(ctx); err != nil {
		return fmt.Errorf("when the outcome of the order's commit is unknown: %w", err)
	}
	return l.refusals(ctx)
}

func (l *trial) leaveBy(ctx context.Context, e exit) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	asked := request("u1", "k")
	first, err := m.take(ctx, e, asked)
	if err != nil {
		return err
	}
	if err := m.truthful(asked, first); err != nil {
		return err
	}
	if err := notRefused(first.err); err != nil {
		return err
	}
	if first.err == nil {
		if err := m.didAllBut(first.order.ID, e.undone); err != nil {
			return err
		}
	}
	if e.sweeper {
		if err := m.Settle(ctx); err != nil {
			return err
		}
	}
	if err := cmp.Or(m.balanced(), m.mailsMatch()); err != nil {
		return err
	}
	again, err := m.place(ctx, asked)
	switch {
	case err != nil:
		return err
	case again.err != nil:
		return &lab.Failure{
			Expected: "the order to go through when it is sent again", Seen: again.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what did the first try leave behind?"},
		}
	case again.replayed != (first.err == nil):
		return &lab.Failure{
			Expected: "PlaceOrder to report true for an order that stands already, and false for a new one",
			Seen:     fmt.Sprintf("%t", again.replayed),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
		}
	}
	return cmp.Or(m.truthful(asked, again), m.balanced(), m.mailsMatch())
}

// notRefused demands that the error of a part that is broken is not told as a refusal, which blames the
// request.
func notRefused(err error) error {
	for _, refusal := range []error{bytebites.ErrOutOfStock, bytebites.ErrNotFound, bytebites.ErrKeyReused, bytebites.ErrUnauthorized} {
		if errors.Is(err, refusal) {
			return &lab.Failure{
				Expected: "the error of the part that failed", Seen: err.Error(),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "return the error of the step, or wrap it with %w"},
			}
		}
	}
	return nil
}

// tellsDone demands that an order which was answered says of each effect that is done that it is. It
// is for requests that no other request meets.
func (m *memory) tellsDone(a answered) error {
	m.Lock()
	stored := maps.Clone(m.Placed[a.order.ID].Done)
	m.Unlock()
	for _, effect := range bytebites.Effects() {
		_, done := stored[effect]
		if _, told := a.order.Done[effect]; done && !told {
			return &lab.Failure{
				Expected: "the order to say which effects are done", Seen: fmt.Sprintf("%s is done, and the answer calls it undone", effect),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "pass finish a pointer to the order that you return: Effect notes in it what is done"},
			}
		}
	}
	return nil
}

// didAllBut demands that an order's effects are done, but for those that may be undone.
func (m *memory) didAllBut(id bytebites.OrderID, undone []bytebites.Effect) error {
	m.Lock()
	done := maps.Clone(m.Placed[id].Done)
	m.Unlock()
	var missing []string
	for _, effect := range bytebites.Effects() {
		if _, ok := done[effect]; !ok && !slices.Contains(undone, effect) {
			missing = append(missing, string(effect))
		}
	}
	if len(missing) > 0 {
		return &lab.Failure{
			Expected: "every other effect of an order that stands to be done when the order is answered",
			Seen:     "undone: " + strings.Join(missing, ", "),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "one Effect for each, with the context of Aftermath, and wait for all of them"},
		}
	}
	return nil
}

// refusals demands that the errors of a request reach the caller as what they are, and that
// the refused order leaves no trace.
func (l *trial) refusals(ctx context.Context) error {
	soup := bytebites.Line{Meal: "soup", Quantity: 1}
	for _, refused := range []struct {
		what  string
		key   string
		lines []bytebites.Line
		want  error
	}{
		{"an order of a meal that does not exist", "a", []bytebites.Line{soup, {Meal: "gone", Quantity: 1}}, bytebites.ErrNotFound},
		{"an order of more than there is", "b", []bytebites.Line{soup, {Meal: "rare", Quantity: 2}}, bytebites.ErrOutOfStock},
		{"another order under the key of an order", "k", []bytebites.Line{soup}, bytebites.ErrKeyReused},
	} {
		m, err := l.inMemory()
		if err != nil {
			return err
		}
		if _, err := m.place(ctx, request("u1", "k")); err != nil {
			return err
		}
		mails := len(m.mails())
		a, err := m.place(ctx, request("u1", refused.key, refused.lines...))
		if err != nil {
			return err
		}
		if !errors.Is(a.err, refused.want) || len(m.mails()) != mails {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s to be refused with the error %q, and no mail", refused.what, refused.want),
				Seen:     fmt.Sprintf("error %v, %d mails", a.err, len(m.mails())-mails),
				Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "return the error of the step, or wrap it with %w"},
			}
		}
		if err := m.balanced(); err != nil {
			return fmt.Errorf("after %s: %w", refused.what, err)
		}
	}
	return nil
}

// effectFails breaks each effect in turn.
func (l *trial) effectFails(ctx context.Context, _ *lab.Run) error {
	for _, e := range exitsAfter() {
		m, err := l.inMemory()
		if err != nil {
			return err
		}
		asked := request("u1", "k")
		a, err := m.take(ctx, e, asked)
		if err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
		if a.err != nil {
			return fmt.Errorf("%s: %w", e, &lab.Failure{
				Expected: "the order to stand", Seen: a.err.Error(),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "an Effect that fails is logged and stays undone; the order stands"},
			})
		}
		for _, effect := range e.undone {
			if _, done := a.order.Done[effect]; done {
				return fmt.Errorf("%s: %w", e, &lab.Failure{
					Expected: "the order to say that the effect is not done", Seen: fmt.Sprintf("%s is called done", effect),
					Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "return the error of the work from the Effect"},
				})
			}
		}
		if n := len(m.mails()); n > 1 {
			return fmt.Errorf("%s: %w", e, &lab.Failure{
				Expected: "one mail: a mail server that reports a failure may have sent it", Seen: fmt.Sprintf("%d", n),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "try each effect once; one that fails stays undone"},
			})
		}
		if err := cmp.Or(m.truthful(asked, a), m.tellsDone(a), m.didAllBut(a.order.ID, e.undone), m.balanced()); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	return nil
}

// callerGone has the client disconnect at each step of an order.
func (l *trial) callerGone(ctx context.Context, _ *lab.Run) error {
	for _, call := range []checkouttest.Call{
		checkouttest.Replay, checkouttest.Prices, checkouttest.Reserve, checkouttest.Recommend, checkouttest.Place, checkouttest.Commit,
		checkouttest.Confirm, checkouttest.Mail, checkouttest.Ledger, checkouttest.SaveWeek, checkouttest.Finish,
	} {
		if err := l.disconnectAt(ctx, call); err != nil {
			return fmt.Errorf("the client disconnects during %s: %w", phrase(call), err)
		}
	}
	if err := l.disconnectInTurn(ctx); err != nil {
		return fmt.Errorf("the client of a retry disconnects while the first request is at %s: %w", phrase(checkouttest.Reserve), err)
	}
	return nil
}

// disconnectInTurn has the client of a retry disconnect while the retry waits for the first request.
func (l *trial) disconnectInTurn(ctx context.Context) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	asked := request("u1", "k")
	g := m.hold(checkouttest.Reserve, 1)
	defer g.release()
	first := m.send(ctx, asked)
	g.await(ctx, 1)
	client, disconnect := context.WithCancel(ctx)
	defer disconnect()
	retry := m.settled(ctx, m.send(client, asked))
	disconnect()
	g.release()
	if _, err := await(ctx, retry); err != nil {
		return err
	}
	a, err := await(ctx, first)
	switch {
	case err != nil:
		return err
	case a.err != nil:
		return &lab.Failure{
			Expected: "the first request to place the order", Seen: a.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
		}
	}
	return cmp.Or(m.truthful(asked, a), m.didAllBut(a.order.ID, nil), m.balanced(), m.mailsMatch())
}

func (l *trial) disconnectAt(ctx context.Context, call checkouttest.Call) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	client, disconnect := context.WithCancel(ctx)
	defer disconnect()
	m.on(call, func(context.Context) { disconnect() })
	asked := request("u1", "k")
	if _, err := await(ctx, m.send(client, asked)); err != nil {
		return err
	}
	return m.eventually(ctx, func() error {
		if order, stands := m.storedUnder(asked); stands {
			if err := m.didAllBut(order.ID, nil); err != nil {
				return err
			}
		}
		return cmp.Or(m.balanced(), m.mailsMatch())
	})
}

// mailAfterCommit counts open transactions while a mail is sent.
func (l *trial) mailAfterCommit(ctx context.Context, _ *lab.Run) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	var within []string
	for _, call := range append(effectCalls(), checkouttest.Recommend) {
		m.on(call, func(context.Context) {
			if m.OpenTransactions() > 0 {
				m.Lock()
				defer m.Unlock()
				within = append(within, phrase(call))
			}
		})
	}
	asked := request("u1", "k")
	a, err := m.place(ctx, asked)
	if err != nil {
		return err
	}
	if a.err != nil || a.replayed {
		return &lab.Failure{Expected: "a new order to be placed", Seen: fmt.Sprintf("replayed %t, error %v", a.replayed, a.err), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"}}
	}
	if err := cmp.Or(m.truthful(asked, a), m.didAllBut(a.order.ID, nil), m.tellsDone(a), m.balanced(), m.mailsMatch(), m.mailedFreely()); err != nil {
		return err
	}
	m.Lock()
	inside := strings.Join(within, ", ")
	m.Unlock()
	if inside != "" {
		return &lab.Failure{
			Expected: "no other work inside the order's transaction, which holds a connection", Seen: inside,
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "the third argument of Place is nil"},
		}
	}
	return l.slowEffects(ctx)
}

// slowEffects holds up each effect in turn, all at the same time.
func (l *trial) slowEffects(ctx context.Context) error {
	errs := make([]error, len(effectCalls()))
	var orders sync.WaitGroup
	for i, call := range effectCalls() {
		orders.Go(func() {
			if err := l.slowEffect(ctx, call); err != nil {
				errs[i] = fmt.Errorf("%s takes %s: %w", phrase(call), minMailTime, err)
			}
		})
	}
	orders.Wait()
	return cmp.Or(errs...)
}

// slowEffect holds up an effect for minMailTime. The order must not be answered meanwhile, and the
// effects that follow must end as early as if it had been quick.
func (l *trial) slowEffect(ctx context.Context, slow checkouttest.Call) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	g := &gate{room: 1, arrived: make(chan struct{}, 1), open: make(chan struct{})}
	defer g.release()
	var began time.Time // the first of the effects
	late := ""
	for _, call := range effectCalls() {
		m.on(call, func(ctx context.Context) {
			m.Lock()
			if began.IsZero() {
				began = time.Now()
			}
			end, limited := ctx.Deadline()
			switch {
			case !limited:
				late = phrase(call) + " has no time limit"
			case end.Sub(began) > maxEffectTime+sameMoment:
				late = fmt.Sprintf("%s may end %s after the first effect began", phrase(call), end.Sub(began).Round(time.Second))
			}
			m.Unlock()
			if call == slow {
				g.hold(ctx)
			}
		})
	}
	asked := request("u1", "k")
	answer := m.send(ctx, asked)
	held := time.NewTimer(minMailTime)
	defer held.Stop()
	select {
	case a := <-answer:
		if g.await(ctx, 1) == 0 {
			return &lab.Failure{
				Expected: "the order to come to " + phrase(slow), Seen: fmt.Sprintf("it did not, error %v", a.err),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
			}
		}
		return &lab.Failure{
			Expected: "the answer after all effects were tried", Seen: "an answer before that",
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "wait for the effects: nothing else remembers that they are due"},
		}
	case <-held.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	g.release()
	a, err := await(ctx, answer)
	if err != nil {
		return err
	}
	if a.err != nil {
		return &lab.Failure{Expected: "the order to be placed", Seen: a.err.Error(), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"}}
	}
	m.Lock()
	seen := late
	m.Unlock()
	if seen != "" {
		return &lab.Failure{
			Expected: fmt.Sprintf("all effects to end within %s, so that a retry may count what is undone as abandoned", maxEffectTime), Seen: seen,
			Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "call Aftermath once, and give its context to all effects"},
		}
	}
	return cmp.Or(m.truthful(asked, a), m.didAllBut(a.order.ID, nil), m.tellsDone(a), m.balanced())
}

// mailedFreely demands that no transaction was open when a mail was sent, and that the mail's
// order was stored.
func (m *memory) mailedFreely() error {
	for _, mail := range m.mails() {
		if mail.OpenTransactions > 0 || !mail.Stored {
			return &lab.Failure{
				Expected: "an order to be committed before its mail is sent",
				Seen:     fmt.Sprintf("open transactions: %d, order in the database: %t", mail.OpenTransactions, mail.Stored),
				Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what runs inside Place, and what runs before it?"},
			}
		}
		if mail.TimeLeft < minMailTime || mail.TimeLeft > maxEffectTime {
			return &lab.Failure{
				Expected: fmt.Sprintf("the mail server to get between %s and %s for a mail", minMailTime, maxEffectTime), Seen: timeLeft(mail.TimeLeft),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "send the mail with the context that Aftermath returned"},
			}
		}
	}
	return nil
}

func timeLeft(left time.Duration) string {
	if left == 0 {
		return "no time limit"
	}
	return left.Round(time.Millisecond).String()
}

// commitUnknown has a commit end without an answer, and the database silent after it. The order
// may be there, so its stock must not be given back before the sweeper knows.
func (l *trial) commitUnknown(ctx context.Context) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	m.Lock()
	m.Lose[checkouttest.Commit], m.Fail[checkouttest.Order] = errBroken, errBroken
	m.Unlock()
	a, err := m.place(ctx, request("u1", "k"))
	if err != nil {
		return err
	}
	if a.err == nil {
		return &lab.Failure{
			Expected: "an error when it is not known whether the order stands", Seen: "an order",
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "return the error of Place"},
		}
	}
	m.Lock()
	clear(m.Lose)
	clear(m.Fail)
	m.Unlock()
	if err := m.Settle(ctx); err != nil {
		return err
	}
	if err := m.Books(); err != nil {
		return &lab.Failure{
			Expected: "the stock of an order that may stand to be left to the sweeper", Seen: err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "Place releases what it can; do not call Release after it"},
		}
	}
	return nil
}
