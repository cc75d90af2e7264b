package spec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout/checkouttest"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// memoryConnections is the size of the pool of the database in memory.
	memoryConnections = 10
	// answerWithin bounds one order in memory, where it takes well under a millisecond. An
	// order that takes longer waits for something that never comes.
	answerWithin = 10 * time.Second
	// retryLooks is how long a retry is left alone while the first request is held up. A retry
	// that does not wait for the first request is answered within a millisecond.
	retryLooks = 50 * time.Millisecond
)

// memory is the subject's checkout over a fake of all that it calls.
type memory struct {
	*checkouttest.World
	checkout bytebites.Checkout
}

// inMemory builds the subject's checkout over a fresh fake, with memoryConnections.
func (l *trial) inMemory() (*memory, error) { return l.inMemoryOf(memoryConnections) }

// inMemoryOf builds it over a fake database with a pool of that many connections.
func (l *trial) inMemoryOf(connections int) (*memory, error) {
	world := checkouttest.New(connections, map[bytebites.MealID]int{"soup": 10_000, "stew": 10_000, "rare": 1})
	steps, err := world.Steps(nil)
	if err != nil {
		return nil, err
	}
	return &memory{World: world, checkout: l.subject.Checkout(steps)}, nil
}

// request is an order of two soups and a stew unless it names other lines.
func request(user bytebites.UserID, key string, lines ...bytebites.Line) bytebites.OrderRequest {
	if lines == nil {
		lines = []bytebites.Line{{Meal: "soup", Quantity: 2}, {Meal: "stew", Quantity: 1}}
	}
	return bytebites.OrderRequest{User: user, Email: string(user) + "@example.com", IdempotencyKey: key, Lines: lines}
}

// answered is the answer to a request.
type answered struct {
	order    bytebites.Order
	replayed bool
	err      error
	panicked any
}

// send sends a request and returns where its answer comes.
func (m *memory) send(ctx context.Context, request bytebites.OrderRequest) <-chan answered {
	answer := make(chan answered, 1)
	go func() {
		var a answered
		defer func() {
			a.panicked = recover()
			answer <- a
		}()
		a.order, a.replayed, a.err = m.checkout.PlaceOrder(ctx, request)
	}()
	return answer
}

// await returns an answer, or a failure if none comes within answerWithin.
func await(ctx context.Context, answer <-chan answered) (answered, error) {
	late := time.NewTimer(hostspeed.Wait(answerWithin))
	defer late.Stop()
	select {
	case a := <-answer:
		if a.panicked != nil {
			return a, &lab.Failure{Expected: "an order to be answered", Seen: fmt.Sprintf("a panic: %v", a.panicked), Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder"}}
		}
		return a, nil
	case <-late.C:
		return answered{}, &lab.Failure{
			Expected: "an order to be answered", Seen: fmt.Sprintf("no answer after %s", answerWithin),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "what does the order wait for, and which request holds it?"},
		}
	case <-ctx.Done():
		return answered{}, ctx.Err()
	}
}

// place sends a request and returns its answer.
func (m *memory) place(ctx context.Context, request bytebites.OrderRequest) (answered, error) {
	return await(ctx, m.send(ctx, request))
}

// gate holds up calls until it is opened.
type gate struct {
	mu      sync.Mutex
	room    int           // how many more calls are held up
	arrived chan struct{} // a value for each call that is held up
	open    chan struct{}
	once    sync.Once
}

// hold holds up the first n calls of a kind.
func (m *memory) hold(call checkouttest.Call, n int) *gate {
	g := &gate{room: n, arrived: make(chan struct{}, n), open: make(chan struct{})}
	m.on(call, g.hold)
	return g
}

// hold holds up a call, if there is room.
func (g *gate) hold(ctx context.Context) {
	g.mu.Lock()
	held := g.room > 0
	if held {
		g.room--
		g.arrived <- struct{}{}
	}
	g.mu.Unlock()
	if held {
		select {
		case <-g.open:
		case <-ctx.Done():
		}
	}
}

// on has a hook run before a call; nil is none.
func (m *memory) on(call checkouttest.Call, hook func(ctx context.Context)) {
	m.Lock()
	defer m.Unlock()
	m.On[call] = hook
}

// release lets all calls go on.
func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// phrase says what a call does.
func phrase(call checkouttest.Call) string {
	phrases := map[checkouttest.Call]string{
		checkouttest.Replay:    "the look-up of an earlier order",
		checkouttest.Prices:    "the look-up of prices",
		checkouttest.Reserve:   "the reservation of stock",
		checkouttest.Recommend: "the plan of next week",
		checkouttest.Place:     "the order's transaction",
		checkouttest.Commit:    "the order's commit",
		checkouttest.Confirm:   "the confirmation of the reservation",
		checkouttest.Mail:      "the mail",
		checkouttest.Ledger:    "the suppliers' ledger",
		checkouttest.SaveWeek:  "the storing of the week",
		checkouttest.Finish:    "the record of a finished effect",
	}
	if text, ok := phrases[call]; ok {
		return text
	}
	return string(call)
}

// eventually waits until a demand is met: an order may go on after its client has gone. It
// returns the last error.
func (m *memory) eventually(ctx context.Context, demand func() error) error {
	for deadline := time.Now().Add(hostspeed.Wait(noneComes)); ; {
		err := demand()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := rig.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// storedUnder returns the order of a subscriber under a key.
func (m *memory) storedUnder(request bytebites.OrderRequest) (bytebites.Order, bool) {
	m.Lock()
	defer m.Unlock()
	for _, order := range m.Placed {
		if order.User == request.User && order.IdempotencyKey == request.IdempotencyKey {
			order.Done = maps.Clone(order.Done)
			return order, true
		}
	}
	return bytebites.Order{}, false
}

// happened reports whether the work of an effect was done.
func (m *memory) happened(order bytebites.Order, effect bytebites.Effect) bool {
	m.Lock()
	defer m.Unlock()
	switch effect {
	case bytebites.EffectEmail:
		return m.Mailed(order.ID) > 0
	case bytebites.EffectLedger:
		return m.Booked[order.ID] > 0
	default:
		return len(m.Weeks[order.User].Meals) > 0
	}
}

// mails returns the mails so far.
func (m *memory) mails() []checkouttest.Message {
	m.Lock()
	defer m.Unlock()
	return slices.Clone(m.Mails)
}

// truthful demands that an order which was answered is stored, that one which was not is not,
// and that no effect is called done that did not happen.
func (m *memory) truthful(request bytebites.OrderRequest, a answered) error {
	order, stands := m.storedUnder(request)
	switch {
	case a.err != nil && stands:
		return &lab.Failure{
			Expected: "no order when the answer is an error", Seen: fmt.Sprintf("%q, and the order stands", a.err),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "after Place the order stands, whatever fails later"},
		}
	case a.err == nil && (!stands || order.ID != a.order.ID):
		return &lab.Failure{
			Expected: "an order to be in the database when it is answered", Seen: "it is not there",
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "return the order that Place returned"},
		}
	case !stands:
		return nil
	}
	for _, effect := range bytebites.Effects() {
		_, answeredDone := a.order.Done[effect]
		_, storedDone := order.Done[effect]
		if (answeredDone && a.err == nil || storedDone) && !m.happened(order, effect) {
			return &lab.Failure{
				Expected: "no effect that is called done and was not", Seen: fmt.Sprintf("%s is called done", effect),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.finish", Hint: "do the work inside the Effect, and return its error"},
			}
		}
	}
	return nil
}

// balanced demands that every order has its stock, and that no other stock is taken.
func (m *memory) balanced() error {
	if err := m.Books(); err != nil {
		return &lab.Failure{
			Expected: "every order to have its stock, and all other stock to be given back", Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "call Release on each return between Reserve and Place"},
		}
	}
	return nil
}

// mailsMatch demands that each mail goes to its subscriber, about an order that is stored.
func (m *memory) mailsMatch() error {
	for _, mail := range m.mails() {
		m.Lock()
		order, stands := m.Placed[mail.Order.ID]
		m.Unlock()
		switch {
		case !stands:
			return &lab.Failure{
				Expected: "mails only about orders that stand", Seen: "a mail about an order that does not exist",
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "send the mail after the order is committed"},
			}
		case mail.To != string(order.User)+"@example.com" || mail.Order.Total != order.Total:
			return &lab.Failure{
				Expected: "the confirmation of an order to go to its subscriber", Seen: fmt.Sprintf("a mail to %q about the order of %s", mail.To, order.User),
				Look: lab.Look{File: "checkout.go", Func: "Checkout.PlaceOrder", Hint: "mail the order that Place returned, to request.Email"},
			}
		}
	}
	return nil
}
