package wrong

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
)

// Checkouts returns, by name of the answer, checkouts that are the solution's but for one edit.
// Some are right all the same: the solution's test says which.
func Checkouts() map[string]func(*checkout.Steps) bytebites.Checkout {
	all := make(map[string]func(*checkout.Steps) bytebites.Checkout)
	for name, e := range edits() {
		all[name] = func(steps *checkout.Steps) bytebites.Checkout {
			c := &edited{Steps: steps, edit: e}
			if e.places > 0 {
				c.places = make(chan struct{}, e.places)
			}
			if e.mailers > 0 {
				c.mailers = make(chan struct{}, e.mailers)
			}
			return c
		}
	}
	for _, name := range []string{"one-flight", "flight-of-first", "flight-by-key"} {
		all[name] = func(steps *checkout.Steps) bytebites.Checkout {
			return &oneFlight{
				inner:   &edited{Steps: steps, edit: edit{noTurns: true}},
				ofFirst: name == "flight-of-first", byKey: name == "flight-by-key",
			}
		}
	}
	all["cached-orders"] = func(steps *checkout.Steps) bytebites.Checkout {
		return &cachedOrders{edited: &edited{Steps: steps}}
	}
	all["answers-early"] = func(steps *checkout.Steps) bytebites.Checkout { return answersEarly{&edited{Steps: steps}} }
	return all
}

// edit is what differs from the solution's checkout.
type edit struct {
	places  int // orders at once, in all
	mailers int // mails at once

	noTurns     bool // requests with one key do not wait for one another
	busyTurns   bool // the second of two such requests is told 'busy'
	perUser     bool // requests of one subscriber wait for one another
	shortTurns  bool // they wait for the look-up only
	toTheEnd    bool // they wait for the effects too
	waitsOn     bool // they wait for one another when their clients have gone
	staysLocked bool // after a lost race
	looksFirst  bool // before it is their turn, too
	resumeAlone bool // two retries of an abandoned order do not wait for each other
	defersFirst bool // the unlock, before the error of the turn is looked at
	blindRetry  bool // the error of the look-up is no reason to stop

	resumes        func(bytebites.Order) bool // instead of Abandoned
	resumesMail    bool                       // and nothing else
	resumeInCtx    bool                       // which ends with the request
	hidesReplay    bool
	loserFinishes  bool
	mailsIn        bool // inside the order's transaction
	mailsBefore    bool // the order is placed
	keepsStock     bool // when the plan fails
	releases       bool // whenever Place fails
	releasesWinner bool // when Place reports a replay
	outOfStock     bool // is what any failed reservation is called
	planFirst      bool
	planInEffect   bool
	planWithin     bool // the order's transaction
	inCtx          bool // effects end with the request
	background     bool
	forgets        bool // mails on the side, and calls it done
	mailErrorLost  bool
	mailErrorFatal bool
	stops          bool // at the first effect that fails
	mailOnly       bool // forgets the other effects
	mailTime       time.Duration
	mailAgain      bool // when it was refused
	mailLast       bool
	atOnce         bool          // all effects
	eachTime       bool          // ten seconds for each of the effects after the mail
	patience       time.Duration // with the effects, before the order is answered
	answersCopy    bool          // without what finish notes
}

func edits() map[string]edit {
	older := func(age time.Duration) func(bytebites.Order) bool {
		return func(order bytebites.Order) bool { return time.Since(order.PlacedAt) > age }
	}
	always := func(bytebites.Order) bool { return true }
	return map[string]edit{
		"lock-kept":    {places: 1, toTheEnd: true}, // the starter's step 1
		"four-places":  {places: 4},
		"mail-lock":    {mailers: 1},
		"hundred-mail": {mailers: 100},

		"no-turns":        {noTurns: true},
		"turns-to-look":   {shortTurns: true},
		"busy-retry":      {busyTurns: true},
		"mails-on-replay": {resumes: always},
		"hasty-retry":     {resumes: older(time.Second)},
		"hides-replay":    {hidesReplay: true},
		"loser-finishes":  {loserFinishes: true},
		"waits-for-gone":  {waitsOn: true},
		"lost-race-locks": {staysLocked: true},
		"releases-winner": {releasesWinner: true},

		"never-resumes":     {resumes: func(bytebites.Order) bool { return false }},
		"resumes-next-day":  {resumes: older(24 * time.Hour)},
		"resumes-mail-only": {resumesMail: true},
		"resumes-alone":     {resumeAlone: true},
		"blind-retry":       {blindRetry: true},
		"defers-first":      {defersFirst: true},
		"resume-in-request": {resumeInCtx: true},
		"resumes-early":     {resumes: older(18 * time.Second)},

		"mail-in-transaction":  {mailsIn: true, resumes: func(bytebites.Order) bool { return false }}, // the starter's step 2
		"mail-before-place":    {mailsBefore: true},
		"background-effects":   {background: true},
		"mail-and-forget":      {forgets: true},
		"refused-mail-done":    {mailErrorLost: true},
		"mail-error-fatal":     {mailErrorFatal: true},
		"stops-at-failure":     {stops: true},
		"mail-only":            {mailOnly: true},
		"keeps-stock":          {keepsStock: true},
		"releases-after-place": {releases: true},
		"impatient-mail":       {mailTime: time.Second},
		"endless-mail":         {mailTime: 24 * time.Hour},
		"generous-mail":        {mailTime: 15 * time.Second},
		"ten-seconds-each":     {eachTime: true},
		"mails-again":          {mailAgain: true},
		"plans-in-transaction": {planWithin: true},
		"patient-for-a-second": {patience: time.Second},
		"answers-copy":         {answersCopy: true},
		"calls-all-sold-out":   {outOfStock: true},
		"effects-in-request":   {inCtx: true},

		"turns-by-subscriber": {perUser: true},
		"turns-to-the-end":    {toTheEnd: true},
		"plans-first":         {planFirst: true},
		"plans-in-effect":     {planInEffect: true},
		"abandoned-later":     {resumes: older(45 * time.Second)},
		"looks-first":         {looksFirst: true},
		"mail-last":           {mailLast: true},
		"effects-at-once":     {atOnce: true},
	}
}

// edited is the solution's checkout with an edit.
type edited struct {
	*checkout.Steps
	edit

	places, mailers chan struct{}
	turns           sync.Map // of keys that a request is at, for busyTurns
}

func (c *edited) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if c.places != nil {
		c.places <- struct{}{}
		defer func() { <-c.places }()
	}
	if c.looksFirst {
		if order, found, err := c.Replay(ctx, request); err != nil || found && !c.Abandoned(order) {
			return order, found, err
		}
	}
	unlock, err := c.turn(ctx, request)
	if err != nil && !c.defersFirst {
		return bytebites.Order{}, false, err
	}
	defer func() { unlock() }()
	if err != nil {
		return bytebites.Order{}, false, err
	}
	if order, found, err := c.Replay(ctx, request); err != nil && !c.blindRetry {
		return bytebites.Order{}, false, err
	} else if found {
		if c.resumeAlone {
			unlock()
		}
		c.resume(ctx, request.Email, &order)
		return order, !c.hidesReplay, nil
	}
	if c.shortTurns {
		unlock()
	}
	order, week, err := c.prepare(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	reserved := order
	order, replayed, err := c.Place(ctx, order, c.within(request, order, &week))
	if err != nil && c.releases {
		c.Release(ctx, reserved)
	}
	if replayed && c.releasesWinner {
		c.Release(ctx, order)
	}
	if replayed && c.staysLocked {
		unlock = func() {}
	}
	if err != nil || replayed && !c.loserFinishes {
		return order, replayed, err
	}
	if !c.toTheEnd {
		unlock()
	}
	if c.background || c.patience > 0 {
		return c.answerBefore(ctx, request, order, week), replayed, nil
	}
	return order, replayed, c.finish(ctx, request.Email, &order, known(week))
}

// within returns what runs inside the order's transaction.
func (c *edited) within(request bytebites.OrderRequest, order bytebites.Order, week *bytebites.Week) func(context.Context) error {
	switch {
	case c.mailsIn:
		return func(ctx context.Context) error { return c.Mail(ctx, request.Email, order) }
	case c.planWithin:
		return func(ctx context.Context) (err error) {
			*week, err = c.Plan(ctx, order.User)
			return err
		}
	}
	return nil
}

// answerBefore does the effects on the side, and waits for them for as long as it has patience.
func (c *edited) answerBefore(ctx context.Context, request bytebites.OrderRequest, order bytebites.Order, week bytebites.Week) bytebites.Order {
	late := order
	late.Done = maps.Clone(order.Done)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_ = c.finish(context.WithoutCancel(ctx), request.Email, &late, known(week))
	}()
	if c.background {
		return order
	}
	select {
	case <-finished:
		return late
	case <-time.After(c.patience):
		return order
	}
}

func known(week bytebites.Week) func(context.Context) (bytebites.Week, error) {
	return func(context.Context) (bytebites.Week, error) { return week, nil }
}

// turn waits until it is the request's turn.
func (c *edited) turn(ctx context.Context, request bytebites.OrderRequest) (func(), error) {
	switch {
	case c.noTurns:
		return func() {}, nil
	case c.busyTurns:
		key := [2]string{string(request.User), request.IdempotencyKey}
		if _, taken := c.turns.LoadOrStore(key, true); taken {
			return nil, bytebites.ErrBusy
		}
		return sync.OnceFunc(func() { c.turns.Delete(key) }), nil
	case c.perUser:
		request.IdempotencyKey = ""
	case c.waitsOn:
		ctx = context.WithoutCancel(ctx)
	}
	return c.LockKey(ctx, request)
}

func (c *edited) resume(ctx context.Context, email string, order *bytebites.Order) {
	abandoned := c.Abandoned
	if c.resumes != nil {
		abandoned = c.resumes
	}
	if !abandoned(*order) {
		return
	}
	if c.resumesMail {
		after, cancel := c.Aftermath(ctx)
		defer cancel()
		c.Effect(after, order, bytebites.EffectEmail, func(ctx context.Context) error { return c.Mail(ctx, email, *order) })
		return
	}
	if !c.resumeInCtx {
		var cancel context.CancelFunc
		ctx, cancel = c.Aftermath(ctx)
		defer cancel()
	}
	_ = c.effects(ctx, email, order, func(ctx context.Context) (bytebites.Week, error) { return c.Plan(ctx, order.User) })
}

// prepare goes through the steps before the order's transaction.
func (c *edited) prepare(ctx context.Context, request bytebites.OrderRequest) (order bytebites.Order, week bytebites.Week, err error) {
	if order, err = c.Draft(ctx, request); err != nil {
		return order, week, err
	}
	if c.planFirst {
		if week, err = c.Plan(ctx, order.User); err != nil {
			return order, week, err
		}
	}
	if err = c.Reserve(ctx, order); err != nil {
		if c.outOfStock {
			err = bytebites.ErrOutOfStock
		}
		return order, week, err
	}
	if !c.planFirst && !c.planInEffect && !c.planWithin {
		if week, err = c.Plan(ctx, order.User); err != nil {
			if !c.keepsStock {
				c.Release(ctx, order)
			}
			return order, week, err
		}
	}
	if c.mailsBefore {
		if err = c.Mail(ctx, request.Email, order); err != nil {
			c.Release(ctx, order)
		}
	}
	return order, week, err
}

// finish does the effects of a new order.
func (c *edited) finish(ctx context.Context, email string, order *bytebites.Order, plan func(context.Context) (bytebites.Week, error)) error {
	if c.inCtx {
		return c.effects(ctx, email, order, plan)
	}
	after, cancel := c.Aftermath(ctx)
	defer cancel()
	return c.effects(after, email, order, plan)
}

// effects does the effects of a placed order that are undone.
func (c *edited) effects(ctx context.Context, email string, order *bytebites.Order, plan func(context.Context) (bytebites.Week, error)) error {
	if c.answersCopy {
		order = copied(*order)
	}
	switch {
	case c.mailLast:
		c.others(ctx, order, plan)
		_ = c.confirmation(ctx, email, order)
		return nil
	case c.atOnce:
		mailed, rest := copied(*order), copied(*order)
		var both sync.WaitGroup
		both.Go(func() { _ = c.confirmation(ctx, email, mailed) })
		both.Go(func() { c.others(ctx, rest, plan) })
		both.Wait()
		maps.Copy(order.Done, mailed.Done)
		maps.Copy(order.Done, rest.Done)
		return nil
	}
	mailed := c.confirmation(ctx, email, order)
	switch {
	case mailed != nil && c.mailErrorFatal:
		return mailed
	case mailed != nil && c.stops, c.mailOnly:
		return nil
	}
	c.others(ctx, order, plan)
	return nil
}

func copied(order bytebites.Order) *bytebites.Order {
	order.Done = maps.Clone(order.Done)
	return &order
}

// confirmation does the effect of the mail, and returns the mail's error.
func (c *edited) confirmation(ctx context.Context, email string, order *bytebites.Order) (mailed error) {
	c.Effect(ctx, order, bytebites.EffectEmail, func(ctx context.Context) error {
		if c.mailsIn || c.mailsBefore {
			return nil // sent before
		}
		if c.forgets {
			go func() { _ = c.Mail(ctx, email, *order) }()
			return nil
		}
		mailed = c.mail(ctx, email, *order)
		if mailed != nil && c.mailAgain {
			mailed = c.mail(ctx, email, *order)
		}
		if c.mailErrorLost {
			return nil
		}
		return mailed
	})
	return mailed
}

// others does the effects other than the mail.
func (c *edited) others(ctx context.Context, order *bytebites.Order, plan func(context.Context) (bytebites.Week, error)) {
	if c.eachTime {
		var cancel context.CancelFunc
		ctx, cancel = c.Aftermath(ctx)
		defer cancel()
	}
	c.Effect(ctx, order, bytebites.EffectLedger, func(ctx context.Context) error { return c.Book(ctx, *order) })
	c.Effect(ctx, order, bytebites.EffectRecommendation, func(ctx context.Context) error {
		if c.planInEffect {
			plan = func(ctx context.Context) (bytebites.Week, error) { return c.Plan(ctx, order.User) }
		}
		week, err := plan(ctx)
		if err != nil {
			return err
		}
		return c.SaveWeek(ctx, order.User, week)
	})
}

func (c *edited) mail(ctx context.Context, email string, order bytebites.Order) error {
	if c.mailers != nil {
		c.mailers <- struct{}{}
		defer func() { <-c.mailers }()
	}
	if c.mailTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), c.mailTime)
		defer cancel()
	}
	return c.Mail(ctx, email, order)
}

// oneFlight answers requests that come at once under one key from one flight. It is right when the
// flight does not end with the request that began it, and has orders of the same lines only.
type oneFlight struct {
	inner   *edited
	ofFirst bool // ends with the request that began it
	byKey   bool // whatever the lines
	flight  singleflight.Group
}

type landed struct {
	order    bytebites.Order
	replayed bool
}

func (c *oneFlight) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	first := false
	name := fmt.Sprint(request)
	if c.byKey {
		name = fmt.Sprint(request.User, " ", request.IdempotencyKey)
	}
	answer := c.flight.DoChan(name, func() (any, error) {
		first = true
		if !c.ofFirst {
			ctx = context.WithoutCancel(ctx)
		}
		ctx, cancel := context.WithTimeout(ctx, checkout.RequestTimeout)
		defer cancel()
		order, replayed, err := c.inner.PlaceOrder(ctx, request)
		return landed{order, replayed}, err
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return bytebites.Order{}, false, a.Err
		}
		l, ok := a.Val.(landed)
		if !ok {
			return bytebites.Order{}, false, errors.New("no order landed")
		}
		return l.order, l.replayed || !first, nil
	case <-ctx.Done():
		return bytebites.Order{}, false, errors.Join(bytebites.ErrBusy, context.Cause(ctx))
	}
}

// answersEarly answers a new order before it is placed.
type answersEarly struct{ *edited }

func (c answersEarly) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, found, err := c.Replay(ctx, request); err != nil || found {
		return order, found, err
	}
	order, week, err := c.prepare(ctx, request)
	if err != nil {
		return bytebites.Order{}, false, err
	}
	answer := order
	answer.Done = maps.Clone(order.Done)
	go func() {
		late, cancel := c.Aftermath(ctx)
		defer cancel()
		if placed, replayed, err := c.Place(late, order, nil); err == nil && !replayed {
			_ = c.finish(late, request.Email, &placed, known(week))
		}
	}()
	return answer, false, nil
}

// cachedOrders remembers the orders by key, and forgets that a key belongs to its subscriber.
type cachedOrders struct {
	*edited
	placed sync.Map
}

func (c *cachedOrders) PlaceOrder(ctx context.Context, request bytebites.OrderRequest) (bytebites.Order, bool, error) {
	if order, ok := c.placed.Load(request.IdempotencyKey); ok {
		return order.(bytebites.Order), true, nil //nolint:forcetypeassert // nothing else is stored
	}
	order, replayed, err := c.edited.PlaceOrder(ctx, request)
	if err == nil {
		c.placed.Store(request.IdempotencyKey, order)
	}
	return order, replayed, err
}
