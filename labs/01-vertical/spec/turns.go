package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// crowd is the number of subscribers whose orders are held up at once. No bound on orders
	// at once that a machine needs is so low.
	crowd = 200
	// noneComes is the pause after which no further order counts as on its way. In memory
	// an order takes well under a millisecond to any call.
	noneComes = time.Second
	// triesAtOnce is the number of requests that come at once under one key.
	triesAtOnce = 20
	// retryAge is the age of an order when a retry comes while its request is still at it. A
	// request and the work after its commit may take almost AbandonedAfter.
	retryAge = checkout.AbandonedAfter * 3 / 4
	// almostAbandoned is the largest age at which a retry is tried on an order that is not abandoned.
	almostAbandoned = checkout.AbandonedAfter - time.Second
	// abandonedFor is the age of an order that its request has left undone.
	abandonedFor = 3 * checkout.AbandonedAfter
	// storedID is the id of an order that the subject's checkout did not place.
	storedID = "stored"
)

// sideBySide holds up a crowd of orders at each step, one after another, and sends one more.
func (l *trial) sideBySide(ctx context.Context, _ *lab.Run) error {
	for _, call := range []checkouttest.Call{
		checkouttest.Mail, checkouttest.Replay, checkouttest.Prices, checkouttest.Reserve,
		checkouttest.Recommend, checkouttest.Place, checkouttest.Ledger, checkouttest.SaveWeek,
	} {
		if err := l.holdCrowdAt(ctx, call); err != nil {
			return err
		}
	}
	return nil
}

// holdCrowdAt gives each order a connection of its own. An order that holds one while it waits for the
// mail is judged by step 2, so it must not hold up others here.
func (l *trial) holdCrowdAt(ctx context.Context, call checkouttest.Call) error {
	m, err := l.inMemoryOf(crowd + memoryConnections)
	if err != nil {
		return err
	}
	g := m.hold(call, crowd)
	defer g.release()
	answers := make([]<-chan answered, crowd)
	for i := range answers {
		answers[i] = m.send(ctx, request(subscriber(i), "k"))
	}
	arrived := g.await(ctx, crowd)
	if arrived == 0 {
		return &lab.Failure{
			Expected: "every order to come to " + phrase(call), Seen: "none did",
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
		}
	}
	if arrived < crowd {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d orders of different subscribers to be at %s at once", crowd, phrase(call)),
			Seen:     fmt.Sprintf("%d; the others waited for them", arrived),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.turn", Hint: "what lets only some orders through?"},
		}
	}
	a, err := m.place(ctx, request("one more", "k"))
	if err == nil && a.err != nil {
		err = &lab.Failure{
			Expected: "an order to be placed beside others", Seen: a.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
		}
	}
	if err != nil {
		return fmt.Errorf("while %d orders are held up at %s: %w", crowd, phrase(call), err)
	}
	g.release()
	for i, answer := range answers {
		a, err := await(ctx, answer)
		if err != nil {
			return err
		}
		if a.err != nil {
			return &lab.Failure{
				Expected: fmt.Sprintf("%d orders at once to be placed", crowd), Seen: a.err.Error(),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
			}
		}
		if err := m.truthful(request(subscriber(i), "k"), a); err != nil {
			return err
		}
	}
	return m.balanced()
}

// subscriber returns the id of one of a crowd. All use the same Idempotency-Key, which is a name in
// the space of each subscriber.
func subscriber(i int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("u%d", i)) }

// await returns how many calls of n arrived, once no more come.
func (g *gate) await(ctx context.Context, n int) (arrived int) {
	quiet := time.NewTimer(hostspeed.Wait(noneComes))
	defer quiet.Stop()
	for arrived < n {
		select {
		case <-g.arrived:
			arrived++
			quiet.Reset(hostspeed.Wait(noneComes))
		case <-quiet.C:
			return arrived
		case <-ctx.Done():
			return arrived
		}
	}
	return arrived
}

// oneMail sends orders twice, at every moment at which an impatient client might.
func (l *trial) oneMail(ctx context.Context, _ *lab.Run) error {
	for _, call := range []checkouttest.Call{
		checkouttest.Reserve, checkouttest.Recommend, checkouttest.Place, checkouttest.Mail, checkouttest.Ledger, checkouttest.SaveWeek,
	} {
		if err := l.retryDuring(ctx, call); err != nil {
			return fmt.Errorf("a retry comes during %s: %w", phrase(call), err)
		}
	}
	if err := l.impatientClients(ctx); err != nil {
		return err
	}
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	if err := m.oneOrder(ctx, func() (answers []<-chan answered) {
		for range triesAtOnce {
			answers = append(answers, m.send(ctx, request("u1", "k")))
		}
		return answers
	}); err != nil {
		return fmt.Errorf("%d requests come at once: %w", triesAtOnce, err)
	}
	m.age(abandonedFor)
	if err := m.oneOrder(ctx, func() []<-chan answered {
		return []<-chan answered{m.send(ctx, request("u1", "k"))}
	}); err != nil {
		return fmt.Errorf("a retry comes long after everything is done: %w", err)
	}
	other := request("u2", "k")
	a, err := m.place(ctx, other)
	if err != nil {
		return err
	}
	if a.err != nil || a.replayed {
		return fmt.Errorf("another subscriber uses the same key: %w", &lab.Failure{
			Expected: "a new order of the other subscriber", Seen: fmt.Sprintf("an order of %q, replayed %t, error %v", a.order.User, a.replayed, a.err),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "a key belongs to its subscriber"},
		})
	}
	if err := m.truthful(other, a); err != nil {
		return fmt.Errorf("another subscriber uses the same key: %w", err)
	}
	return l.otherProcess(ctx)
}

// impatientClients sends two requests under one key, the second while the first is held up. Then a
// client leaves, or the second request turns out to be for another order.
func (l *trial) impatientClients(ctx context.Context) error {
	for _, call := range []checkouttest.Call{checkouttest.Reserve, checkouttest.Recommend, checkouttest.Place, checkouttest.Mail} {
		if err := l.firstLeaves(ctx, call); err != nil {
			return fmt.Errorf("the first client disconnects during %s, and its retry waits: %w", phrase(call), err)
		}
		if err := l.otherOrder(ctx, call); err != nil {
			return fmt.Errorf("another order comes under the same key during %s: %w", phrase(call), err)
		}
	}
	if err := l.retryLeaves(ctx); err != nil {
		return fmt.Errorf("the first request is at %s, and the client of a retry disconnects: %w", phrase(checkouttest.Recommend), err)
	}
	return nil
}

// firstLeaves demands that a retry does not share the fate of the request before it.
func (l *trial) firstLeaves(ctx context.Context, call checkouttest.Call) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	g := m.hold(call, 1)
	defer g.release()
	client, disconnect := context.WithCancel(ctx)
	defer disconnect()
	first := m.send(client, request("u1", "k"))
	g.await(ctx, 1)
	retry := m.settled(ctx, m.send(ctx, request("u1", "k")))
	disconnect()
	g.release()
	if _, err := await(ctx, first); err != nil {
		return err
	}
	if err := m.oneOrderOf(ctx, retry); err != nil {
		return err
	}
	return m.eventually(ctx, func() error { return cmp.Or(m.balanced(), m.mailsMatch(), m.mailedOnce()) })
}

// oneOrderOf demands that a request is answered with the order that stands.
func (m *memory) oneOrderOf(ctx context.Context, answer <-chan answered) error {
	a, err := await(ctx, answer)
	switch {
	case err != nil:
		return err
	case a.err != nil:
		return &lab.Failure{
			Expected: "the retry to be answered with an order", Seen: a.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.turn", Hint: "does a request end when the client of another disconnects?"},
		}
	}
	return m.truthful(request("u1", "k"), a)
}

// otherOrder demands that a key names one order, also while that is being placed. Either of two orders
// may be the one.
func (l *trial) otherOrder(ctx context.Context, call checkouttest.Call) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	g := m.hold(call, 1)
	defer g.release()
	first := m.send(ctx, request("u1", "k"))
	g.await(ctx, 1)
	other := m.settled(ctx, m.send(ctx, request("u1", "k", bytebites.Line{Meal: "soup", Quantity: 1})))
	g.release()
	one, err := await(ctx, first)
	if err != nil {
		return err
	}
	two, err := await(ctx, other)
	if err != nil {
		return err
	}
	placed, refused := one, two
	if one.err != nil {
		placed, refused = two, one
	}
	if placed.err != nil || !errors.Is(refused.err, bytebites.ErrKeyReused) {
		return &lab.Failure{
			Expected: fmt.Sprintf("one of the orders to be placed, and the other to be refused with the error %q", bytebites.ErrKeyReused),
			Seen:     fmt.Sprintf("errors %v and %v", one.err, two.err),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "Replay and Place compare the lines; return their error"},
		}
	}
	return cmp.Or(m.truthful(request("u1", "k"), placed), m.balanced(), m.mailsMatch())
}

// retryLeaves demands that a retry stops waiting when its client has gone.
func (l *trial) retryLeaves(ctx context.Context) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	g := m.hold(checkouttest.Recommend, 1)
	defer g.release()
	first := m.send(ctx, request("u1", "k"))
	g.await(ctx, 1)
	client, disconnect := context.WithCancel(ctx)
	defer disconnect()
	retry := m.settled(ctx, m.send(client, request("u1", "k")))
	disconnect()
	late := time.NewTimer(hostspeed.Wait(noneComes))
	defer late.Stop()
	select {
	case <-retry:
	case <-late.C:
		return &lab.Failure{
			Expected: "the retry to stop waiting", Seen: fmt.Sprintf("it still waited after %s", noneComes),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.turn", Hint: "pass the request's context to LockKey"},
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	g.release()
	return m.oneOrderOf(ctx, first)
}

// mailedOnce demands that one mail was sent.
func (m *memory) mailedOnce() error {
	if n := len(m.mails()); n != 1 {
		return &lab.Failure{
			Expected: "one mail for one order", Seen: fmt.Sprintf("%d", n),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "does a request that finds the order placed send a mail? Does a request wait for its mail?"},
		}
	}
	return nil
}

// otherProcess has another process place the order while the subject's is about to. The other process
// has confirmed the stock of its order, or is about to.
func (l *trial) otherProcess(ctx context.Context) error {
	for _, state := range []string{"confirmed", "held"} {
		if err := l.otherIsFirst(ctx, state); err != nil {
			return fmt.Errorf("another process places the order first: %w", err)
		}
	}
	return nil
}

// otherIsFirst demands that the effects and the stock of the order are left to the other process. A
// further request under the key must go through.
func (l *trial) otherIsFirst(ctx context.Context, state string) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	asked := request("u1", "k")
	m.on(checkouttest.Place, func(context.Context) {
		if _, there := m.storedUnder(asked); !there {
			m.store(asked, bytebites.Effects(), 0)
			m.Lock()
			defer m.Unlock()
			m.Held[storedID].State = state
		}
	})
	for range 2 {
		a, err := m.place(ctx, asked)
		if err != nil {
			return err
		}
		if err := m.isReplay(a); err != nil {
			return err
		}
	}
	if n := len(m.mails()); n > 0 {
		return &lab.Failure{
			Expected: "no mail from the process whose order is a replay", Seen: fmt.Sprintf("%d", n),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what does Place report when the order was there already?"},
		}
	}
	m.Lock()
	now := m.Held[storedID].State
	if now == state {
		m.Held[storedID].State = "confirmed" // by the other process
	}
	m.Unlock()
	if now != state {
		return &lab.Failure{
			Expected: "the stock of the order that stands to be left to the other process", Seen: "it was " + now,
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "Place releases what it must; do not call Release after it"},
		}
	}
	return m.balanced()
}

func (l *trial) retryDuring(ctx context.Context, call checkouttest.Call) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	return m.oneOrder(ctx, func() []<-chan answered {
		first, retry := m.sendTwice(ctx, call, request("u1", "k"))
		return []<-chan answered{first, retry}
	})
}

// sendTwice sends a request that is held up at a call, and sends it again retryAge later.
func (m *memory) sendTwice(ctx context.Context, call checkouttest.Call, asked bytebites.OrderRequest) (first, retry <-chan answered) {
	g := m.hold(call, 1)
	defer g.release()
	first = m.send(ctx, asked)
	g.await(ctx, 1)
	m.age(retryAge)
	return first, m.settled(ctx, m.send(ctx, asked))
}

// settled waits until an answer has come or must be waiting for something, and returns where
// the answer comes.
func (m *memory) settled(ctx context.Context, answer <-chan answered) <-chan answered {
	known := make(chan answered, 1)
	select {
	case a := <-answer:
		known <- a
		return known
	case <-time.After(retryLooks):
	case <-ctx.Done():
	}
	return answer
}

// oneOrder demands that requests under one key are all answered with one order, that one of
// them placed it at most, and that it was mailed once.
func (m *memory) oneOrder(ctx context.Context, send func() []<-chan answered) error {
	fresh := 0
	ids := make(map[bytebites.OrderID]bool)
	_, there := m.storedUnder(request("u1", "k"))
	for _, answer := range send() {
		a, err := await(ctx, answer)
		if err != nil {
			return err
		}
		if a.err != nil {
			return &lab.Failure{
				Expected: "each request under one key to be answered with the order", Seen: a.err.Error(),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"},
			}
		}
		ids[a.order.ID] = true
		if !a.replayed {
			fresh++
		}
		if err := m.truthful(request("u1", "k"), a); err != nil {
			return err
		}
	}
	wantFresh := 1
	if there {
		wantFresh = 0
	}
	if len(ids) != 1 || fresh != wantFresh {
		return &lab.Failure{
			Expected: "one order for one Idempotency-Key, and PlaceOrder to report true to all but the request that placed it",
			Seen:     fmt.Sprintf("%d orders, %d times false", len(ids), fresh),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what do Replay and Place return?"},
		}
	}
	return cmp.Or(m.mailedOnce(), m.balanced(), m.mailsMatch())
}

// age makes all orders older.
func (m *memory) age(by time.Duration) {
	m.Lock()
	defer m.Unlock()
	for id, order := range m.Placed {
		order.PlacedAt = order.PlacedAt.Add(-by)
		m.Placed[id] = order
	}
}

// lastPortion sends an order of the last portion twice.
func (l *trial) lastPortion(ctx context.Context, _ *lab.Run) error {
	asked := request("u1", "k", bytebites.Line{Meal: "rare", Quantity: 1})
	for _, call := range []checkouttest.Call{checkouttest.Recommend, checkouttest.Place, checkouttest.Confirm, checkouttest.Mail} {
		for _, fails := range []bool{false, true} {
			m, err := l.inMemory()
			if err != nil {
				return err
			}
			if fails && call != checkouttest.Recommend {
				continue
			}
			if fails {
				m.Lose[call] = errBroken // for both requests
			}
			first, retry := m.sendTwice(ctx, call, asked)
			one, err := await(ctx, first)
			if err != nil {
				return err
			}
			two, err := await(ctx, retry)
			if err != nil {
				return err
			}
			if err := cmp.Or(m.bothTold(asked, one, two), m.balanced()); err != nil {
				return fmt.Errorf("the first request is at %s: %w", phrase(call), err)
			}
		}
	}
	return l.lookUpFails(ctx, asked)
}

// lookUpFails sends the order of the last portion again while the look-up of earlier orders fails. Without
// the look-up the retry cannot know that the portion is its own.
func (l *trial) lookUpFails(ctx context.Context, asked bytebites.OrderRequest) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	if _, err := m.place(ctx, asked); err != nil {
		return err
	}
	retry, err := m.take(ctx, exit{call: checkouttest.Replay}, asked)
	if err != nil {
		return err
	}
	if errors.Is(retry.err, bytebites.ErrOutOfStock) {
		return fmt.Errorf("%s fails: %w", phrase(checkouttest.Replay), &lab.Failure{
			Expected: "a retry whose order stands to be told the error of the look-up", Seen: retry.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "return the error of Replay"},
		})
	}
	return m.balanced()
}

// bothTold demands that of two requests under one key neither is told that the order failed
// when it stands.
func (m *memory) bothTold(asked bytebites.OrderRequest, first, retry answered) error {
	if err := m.truthful(asked, first); err != nil {
		return err
	}
	_, stands := m.storedUnder(asked)
	if stands && retry.err != nil && !errors.Is(retry.err, bytebites.ErrBusy) {
		return &lab.Failure{
			Expected: "a retry to be answered with the order that the first request placed", Seen: retry.err.Error(),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.turn", Hint: "requests with the same Idempotency-Key must wait for each other: use LockKey"},
		}
	}
	return nil
}

// abandonedOrder sends orders again whose first request has died after the commit.
func (l *trial) abandonedOrder(ctx context.Context, _ *lab.Run) error {
	email := bytebites.EffectEmail
	for _, c := range []struct {
		what   string
		undone []bytebites.Effect
		retry  func(*memory) error
	}{
		{"nothing of it is done", bytebites.Effects(), nil},
		{"only its mail is missing", []bytebites.Effect{email}, nil},
		{"all but its mail is missing", []bytebites.Effect{bytebites.EffectLedger, bytebites.EffectRecommendation}, nil},
		{"the client of the retry disconnects", bytebites.Effects(), func(m *memory) error { return m.retryAndDisconnect(ctx) }},
		{"its mail is refused again, and then not", bytebites.Effects(), func(m *memory) error {
			return m.retryWithout(ctx, checkouttest.Mail, email)
		}},
		{"its week cannot be planned, and then can", bytebites.Effects(), func(m *memory) error {
			return m.retryWithout(ctx, checkouttest.Recommend, bytebites.EffectRecommendation)
		}},
		{"two retries come at once", bytebites.Effects(), func(m *memory) error { return m.retryTwice(ctx, checkouttest.Mail) }},
		{"two retries come at once, and the first is at the look-up", bytebites.Effects(), func(m *memory) error { return m.retryTwice(ctx, checkouttest.Replay) }},
	} {
		if err := l.abandon(ctx, c.undone, c.retry); err != nil {
			return fmt.Errorf("an order is %s old, and %s: %w", abandonedFor, c.what, err)
		}
	}
	return nil
}

// youngOrder sends an order again while its first request may still be at its effects. The order is
// stored as that request left it, so no lock decides. The retry must leave the effects alone.
func (l *trial) youngOrder(ctx context.Context, _ *lab.Run) error {
	for _, age := range []time.Duration{0, retryAge, almostAbandoned} {
		if err := l.leaveAlone(ctx, age); err != nil {
			return fmt.Errorf("an order is %s old, and none of its effects is done: %w", age, err)
		}
	}
	return l.otherProcess(ctx)
}

// leaveAlone stores an order of that age without effects, and sends it again.
func (l *trial) leaveAlone(ctx context.Context, age time.Duration) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	asked := request("u1", "k")
	began := time.Now()
	m.store(asked, bytebites.Effects(), age)
	a, err := m.place(ctx, asked)
	if err != nil {
		return err
	}
	abandoned := age+time.Since(began) > checkout.AbandonedAfter // the machine stood still
	if err := m.isReplay(a); err != nil {
		return err
	}
	var repeated []string
	for _, effect := range bytebites.Effects() {
		if m.happened(a.order, effect) {
			repeated = append(repeated, string(effect))
		}
	}
	switch {
	case len(repeated) > 0 && abandoned:
		return &lab.Doubt{
			Reason: fmt.Sprintf("the retry took %s, and so its order was abandoned", time.Since(began).Round(time.Millisecond)),
			Remedy: "close what else runs on this machine, and check again",
		}
	case len(repeated) > 0:
		return &lab.Failure{
			Expected: "a retry to leave the effects to the request that placed the order",
			Seen:     "the retry did " + strings.Join(repeated, ", "),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "call finish for an order of Replay only if Abandoned reports true"},
		}
	}
	return cmp.Or(m.truthful(asked, a), m.balanced())
}

// abandon stores an order with undone effects, sends it again, first as first does, and
// demands that it is whole then.
func (l *trial) abandon(ctx context.Context, undone []bytebites.Effect, first func(*memory) error) error {
	m, err := l.inMemory()
	if err != nil {
		return err
	}
	asked := request("u1", "k")
	m.store(asked, undone, abandonedFor)
	mails := 0
	if slices.Contains(undone, bytebites.EffectEmail) {
		mails = 1
	}
	if first != nil {
		if err := first(m); err != nil {
			return err
		}
	}
	a, err := m.place(ctx, asked)
	if err != nil {
		return err
	}
	if err := m.isReplay(a); err != nil {
		return err
	}
	var missing []bytebites.Effect
	for _, effect := range undone {
		if !m.happened(a.order, effect) {
			missing = append(missing, effect)
		}
	}
	switch n := len(m.mails()); {
	case len(missing) > 0:
		return &lab.Failure{
			Expected: "a retry to do what is undone of an order that its request has abandoned", Seen: fmt.Sprintf("undone: %v", missing),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what does a retry do when Replay finds the order and Abandoned says true?"},
		}
	case n != mails:
		return &lab.Failure{
			Expected: "a mail exactly when it is undone: " + strconv.Itoa(mails), Seen: strconv.Itoa(n),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "send the mail in an Effect, and keep the lock of an abandoned order until finish has returned: two retries must take turns"},
		}
	}
	return cmp.Or(m.didAllBut(a.order.ID, nil), m.tellsDone(a), m.mailsMatch(), m.mailedFreely(), m.balanced())
}

// store stores an order of some age under the id storedID.
func (m *memory) store(asked bytebites.OrderRequest, undone []bytebites.Effect, age time.Duration) {
	m.Lock()
	defer m.Unlock()
	order := bytebites.Order{
		ID: storedID, User: asked.User, IdempotencyKey: asked.IdempotencyKey, Status: bytebites.OrderPlaced,
		PlacedAt: time.Now().Add(-age), Done: make(map[bytebites.Effect]time.Time),
	}
	for _, line := range asked.Lines {
		order.Lines = append(order.Lines, bytebites.OrderLine{Meal: line.Meal, Name: "a " + string(line.Meal), Quantity: line.Quantity, Price: 500})
		order.Total += 500 * bytebites.Cents(line.Quantity)
		m.Shelf[line.Meal] -= line.Quantity
	}
	for _, effect := range bytebites.Effects() {
		order.Done[effect] = order.PlacedAt
	}
	maps.DeleteFunc(order.Done, func(effect bytebites.Effect, _ time.Time) bool {
		return slices.Contains(undone, effect)
	})
	m.Placed[order.ID] = order
	m.Held[order.ID] = &checkouttest.Reservation{User: order.User, Lines: asked.Lines, State: "confirmed"}
}

// isReplay demands that a retry is answered with the stored order.
func (m *memory) isReplay(a answered) error {
	if a.err != nil || !a.replayed || a.order.ID != storedID {
		return &lab.Failure{
			Expected: "a retry to be answered with the order that stands, as a replay",
			Seen:     fmt.Sprintf("order %q, replayed %t, error %v", a.order.ID, a.replayed, a.err),
			Look:     lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "an effect that fails does not fail the retry"},
		}
	}
	return nil
}

// retryAndDisconnect sends a retry whose client disconnects during the mail.
func (m *memory) retryAndDisconnect(ctx context.Context) error {
	client, disconnect := context.WithCancel(ctx)
	defer disconnect()
	m.on(checkouttest.Mail, func(context.Context) { disconnect() })
	defer m.on(checkouttest.Mail, nil)
	if _, err := await(ctx, m.send(client, request("u1", "k"))); err != nil {
		return err
	}
	return m.eventually(ctx, func() error { return m.didAllBut(storedID, nil) })
}

// retryWithout sends a retry while a call fails. The effect stays undone, and the others are
// done.
func (m *memory) retryWithout(ctx context.Context, call checkouttest.Call, effect bytebites.Effect) error {
	asked := request("u1", "k")
	a, err := m.take(ctx, exit{call: call}, asked)
	if err != nil {
		return err
	}
	return cmp.Or(m.isReplay(a), m.truthful(asked, a), m.didAllBut(storedID, []bytebites.Effect{effect}))
}

// retryTwice sends two retries at once, the first held up at a call.
func (m *memory) retryTwice(ctx context.Context, call checkouttest.Call) error {
	first, second := m.sendTwice(ctx, call, request("u1", "k"))
	for _, answer := range []<-chan answered{first, second} {
		a, err := await(ctx, answer)
		if err != nil {
			return err
		}
		if err := m.isReplay(a); err != nil {
			return err
		}
	}
	return nil
}
