package vertical_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"bytebites.example/workshop/labs/01-vertical/spec"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/01-vertical"
	"bytebites.example/workshop/solutions/01-vertical/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:    vertical.Files(),
		Checkout: func(steps *checkout.Steps) bytebites.Checkout { return vertical.NewCheckout(steps) },
		Size:     vertical.Size,
		Pool:     vertical.Pool,
		Package:  "./solutions/service",
		Args:     []string{"--through", "01"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestFull(t *testing.T) { labtest.Full(t, spec.Full(solution())) }

func TestAnswers(t *testing.T) {
	checkouts, pools := wrong.Checkouts(), wrong.Pools()
	variant := func(name string) frame.Lab {
		s := solution()
		s.Args = append(s.Args, "--variant", name)
		if build, ok := checkouts[name]; ok {
			s.Checkout = build
		}
		if pool, ok := pools[name]; ok {
			s.Pool = func() postgres.PoolConfig { return pool }
		}
		return spec.Lab(s)
	}
	sized := func(size func([]instance.Capacity, float64) (instance.Type, bool)) frame.Lab {
		s := solution()
		s.Size = size
		return spec.Lab(s)
	}
	labtest.Answers(t, frame.Answers{
		Wrong: []frame.Wrong{
			{
				Name: "lock-kept", Flaw: 1, Check: "side by side", Lab: variant("lock-kept"),
				Why:  "the mail has left the transaction, so the lock seems to do no harm",
				Also: []string{"one mail"},
			},
			{
				Name: "four-places", Check: "side by side", Lab: variant("four-places"),
				Why: "some limit must protect the machine, and four orders at once never failed in a test",
			},
			{
				Name: "mail-lock", Check: "side by side", Lab: variant("mail-lock"),
				Why: "orders do not wait, but the mail server should not get two mails at once",
			},
			{
				Name: "hundred-mail", Check: "side by side", Lab: variant("hundred-mail"),
				Why: "a hundred mails at once are more than any evening so far had",
			},
			{
				Name: "no-turns", Check: "last portion", Lab: variant("no-turns"),
				Why:  "the unique index prevents the double order, so no lock seems to be needed",
				Also: []string{"abandoned order"},
			},
			{
				Name: "turns-to-look", Check: "last portion", Lab: variant("turns-to-look"),
				Why: "only the look-up must not happen twice at once, so the turn seems to end there",
			},
			{
				Name: "blind-retry", Check: "last portion", Lab: variant("blind-retry"),
				Why: "Place finds an earlier order too, so a look-up that fails seems to be no reason to refuse the order",
			},
			{
				Name: "defers-first", Check: "caller gone", Lab: variant("defers-first"),
				Why: "the defer stands next to the call that it undoes, so that no return can miss it",
			},
			{
				Name: "busy-retry", Check: "one mail", Lab: variant("busy-retry"),
				Why:  "the client retries anyway, so the second request may as well be sent away",
				Also: []string{"abandoned order"},
			},
			{
				Name: "mails-on-replay", Check: "young order", Lab: variant("mails-on-replay"),
				Why:  "an order that says that its mail is not out should be mailed, and the lock that made that safe is gone",
				Also: []string{"one mail"},
			},
			{
				Name: "hasty-retry", Check: "young order", Lab: variant("hasty-retry"),
				Why:  "an order takes half a second, so after a second its request must have died",
				Also: []string{"one mail"},
			},
			{
				Name: "hides-replay", Check: "one mail", Lab: variant("hides-replay"),
				Why:  "the client gets its order either way",
				Also: []string{"every exit", "abandoned order", "young order"},
			},
			{
				Name: "loser-finishes", Check: "young order", Lab: variant("loser-finishes"),
				Why:  "the order is there when Place returns, so its effects seem to be due",
				Also: []string{"one mail"},
			},
			{
				Name: "never-resumes", Check: "abandoned order", Lab: variant("never-resumes"),
				Why: "a replay that does nothing can do nothing twice",
			},
			{
				Name: "resumes-next-day", Check: "abandoned order", Lab: variant("resumes-next-day"),
				Why: "a day is how long an Idempotency-Key lives, so it seems to be how long one waits",
			},
			{
				Name: "resumes-mail-only", Check: "abandoned order", Lab: variant("resumes-mail-only"),
				Why: "the mail is what the customer misses",
			},
			{
				Name: "resumes-alone", Check: "abandoned order", Lab: variant("resumes-alone"),
				Why: "the turn is for placing orders, and this order is placed",
			},
			{
				Name: "resume-in-request", Check: "abandoned order", Lab: variant("resume-in-request"),
				Why: "the retry is a request like any other, so its context seems to be the right one",
			},
			{
				Name: "mail-in-transaction", Flaw: 2, Check: "mail after commit", Lab: variant("mail-in-transaction"),
				Why:  "no order without a confirmation: the transaction seems to promise just that",
				Also: []string{"effect fails", "every exit", "abandoned order", "free connections"},
			},
			{
				Name: "mail-before-place", Check: "mail after commit", Lab: variant("mail-before-place"),
				Why:  "outside the transaction is where the mail should go, and before it there is no order to undo",
				Also: []string{"one mail", "effect fails", "every exit", "caller gone", "abandoned order", "young order", "free connections"},
			},
			{
				Name: "background-effects", Check: "mail after commit", Lab: variant("background-effects"),
				Why:  "nobody should wait for a mail, and go is one word",
				Also: []string{"one mail", "effect fails", "every exit"},
			},
			{
				Name: "mail-and-forget", Check: "effect fails", Lab: variant("mail-and-forget"),
				Why:  "the mail is on its way, so it counts as sent",
				Also: []string{"one mail", "last portion", "mail after commit", "every exit", "abandoned order"},
			},
			{
				Name: "refused-mail-done", Check: "effect fails", Lab: variant("refused-mail-done"),
				Why:  "a refused mail must not disturb the order, so its error is dropped",
				Also: []string{"abandoned order"},
			},
			{
				Name: "mail-error-fatal", Check: "effect fails", Lab: variant("mail-error-fatal"),
				Why:  "an order without a confirmation went wrong, so it is answered as an error",
				Also: []string{"abandoned order"},
			},
			{
				Name: "stops-at-failure", Check: "effect fails", Lab: variant("stops-at-failure"),
				Why:  "on an error one returns",
				Also: []string{"abandoned order"},
			},
			{
				Name: "mail-only", Check: "effect fails", Lab: variant("mail-only"),
				Why:  "the mail was what had to move, and the rest got lost on the way",
				Also: []string{"side by side", "mail after commit", "every exit", "caller gone", "abandoned order"},
			},
			{
				Name: "releases-after-place", Check: "every exit", Lab: variant("releases-after-place"),
				Why: "the reservation was made here, so it seems to be released here",
			},
			{
				Name: "impatient-mail", Check: "mail after commit", Lab: variant("impatient-mail"),
				Why:  "a subscriber should not wait for a slow mail server",
				Also: []string{"abandoned order"},
			},
			{
				Name: "endless-mail", Check: "mail after commit", Lab: variant("endless-mail"),
				Why:  "the mail must go out, however long it takes",
				Also: []string{"abandoned order"},
			},
			{
				Name: "cached-orders", Check: "one mail", Lab: variant("cached-orders"),
				Why:  "an order that was placed a moment ago need not be looked up, and a key looks unique",
				Also: []string{"every exit", "contract", "abandoned order"},
			},
			{
				Name: "keeps-stock", Check: "every exit", Lab: variant("keeps-stock"),
				Why:  "the sweeper gives the stock back in the end",
				Also: []string{"last portion", "caller gone"},
			},
			{
				Name: "answers-early", Check: "every exit", Lab: variant("answers-early"),
				Why:  "an answer that waits for nothing is the fastest",
				Also: []string{"side by side", "one mail", "last portion", "mail after commit", "effect fails", "caller gone", "abandoned order", "young order", "free connections", "contract", "crash"},
			},
			{
				Name: "waits-for-gone", Check: "one mail", Lab: variant("waits-for-gone"),
				Why: "a turn that has begun to wait seems to need no end of its own",
			},
			{
				Name: "flight-of-first", Check: "one mail", Lab: variant("flight-of-first"),
				Why: "requests that come at once share one call, and the call has a context already",
			},
			{
				Name: "flight-by-key", Check: "one mail", Lab: variant("flight-by-key"),
				Why:  "the key says which order it is, so it seems to name the flight",
				Also: []string{"every exit"},
			},
			{
				Name: "lost-race-locks", Check: "young order", Lab: variant("lost-race-locks"),
				Why:  "the turn is given back where an order is placed, and here none was",
				Also: []string{"one mail"},
			},
			{
				Name: "releases-winner", Check: "young order", Lab: variant("releases-winner"),
				Why:  "no order came of this request, so its stock seems to be due back",
				Also: []string{"one mail"},
			},
			{
				Name: "resumes-early", Check: "young order", Lab: variant("resumes-early"),
				Why: "a request ends after ten seconds, and some seconds more look safe",
			},
			{
				Name: "generous-mail", Check: "mail after commit", Lab: variant("generous-mail"),
				Why:  "ten seconds are short for a mail server that is busy",
				Also: []string{"abandoned order"},
			},
			{
				Name: "ten-seconds-each", Check: "mail after commit", Lab: variant("ten-seconds-each"),
				Why: "a slow mail must not take the time of the other effects",
			},
			{
				Name: "patient-for-a-second", Check: "mail after commit", Lab: variant("patient-for-a-second"),
				Why: "a subscriber waits a second at most, and the effects go on without them",
			},
			{
				Name: "answers-copy", Check: "mail after commit", Lab: variant("answers-copy"),
				Why:  "a copy cannot be changed by others, and what is noted in it seems to be for the database",
				Also: []string{"effect fails", "abandoned order"},
			},
			{
				Name: "plans-in-transaction", Check: "mail after commit", Lab: variant("plans-in-transaction"),
				Why: "Place releases the stock when what it calls fails, so no Release is needed",
			},
			{
				Name: "mails-again", Check: "effect fails", Lab: variant("mails-again"),
				Why: "most failures pass, so a second try is worth it",
			},
			{
				Name: "calls-all-sold-out", Check: "every exit", Lab: variant("calls-all-sold-out"),
				Why: "a reservation that fails means that the stock is gone",
			},
			{
				Name: "effects-in-request", Check: "caller gone", Lab: variant("effects-in-request"),
				Why: "the context of the request is at hand, and everything takes a context",
			},
			{
				Name: wrong.EndlessPool, Check: "pool", Lab: variant(wrong.EndlessPool),
				Why:  "if one connection is too few, why have a limit at all",
				Also: []string{"kept connections"},
			},
			{
				Name: wrong.PoolOfOne, Flaw: 3, Check: "pool", Lab: variant(wrong.PoolOfOne),
				Why: "once nothing holds the connection for long, one seems to be enough",
			},
			{
				Name: wrong.TwoKept, Check: "kept connections", Lab: variant(wrong.TwoKept),
				Why: "two idle connections are what database/sql keeps by default",
			},
			{
				Name: wrong.NineKept, Check: "kept connections", Lab: variant(wrong.NineKept),
				Why: "one connection less hardly counts",
			},
			{
				Name: wrong.ShortLived, Check: "kept connections", Lab: variant(wrong.ShortLived),
				Why: "a fresh connection is never stale",
			},
			{
				Name: "largest-size", Flaw: 4, Check: "size", Lab: sized(largest),
				Why: "the largest machine is the safe choice",
			},
			{
				Name: "no-headroom", Check: "size", Lab: sized(cheapestThatJustHolds),
				Why: "the size that was measured at the peak's rate holds the peak, by the letter",
			},
			{
				Name: "first-that-holds", Check: "size", Lab: sized(firstThatHolds),
				Why: "the table of sizes is sorted by price, as all price lists are",
			},
			{
				Name: "cheapest-order", Check: "size", Lab: sized(cheapestOrder),
				Why: "the price of an order is what counts, so the size with the lowest seems to be the choice",
			},
			{
				Name: "whole-orders", Check: "size", Lab: sized(wholeOrders),
				Why: "orders come in whole numbers, so what a size holds is rounded down",
			},
			{
				Name: "least-goodput", Check: "size", Lab: sized(leastGoodput),
				Why: "the smallest size that holds the peak is the cheapest, as on all price lists",
			},
			{
				Name: "stops-at-first-too-small", Check: "size", Lab: sized(stopsAtFirst),
				Why: "the sizes are sorted by price, so all below the first that is too small are too small",
			},
			{
				Name: "largest-if-none", Check: "size", Lab: sized(largestIfNone),
				Why: "the largest size is better than none",
			},
		},
		Right: []frame.Right{
			{
				Name: "one-flight", Lab: variant("one-flight"), Checks: []string{"one mail", "last portion", "caller gone", "abandoned order", "young order"},
				Why: "Requests that come at once share one flight that outlives them, instead of taking turns.",
			},
			{
				Name: "turns-by-subscriber", Lab: variant("turns-by-subscriber"), Checks: []string{"side by side", "one mail", "last portion"},
				Why: "All orders of one subscriber take turns; orders of others do not wait.",
			},
			{
				Name: "turns-to-the-end", Lab: variant("turns-to-the-end"), Checks: []string{"one mail", "last portion", "abandoned order"},
				Why: "The turn ends with the effects, so a retry waits for the mail.",
			},
			{
				Name: "plans-first", Lab: variant("plans-first"), Checks: []string{"every exit", "caller gone", "last portion"},
				Why: "The week is planned before the stock is reserved.",
			},
			{
				Name: "plans-in-effect", Lab: variant("plans-in-effect"), Checks: []string{"every exit", "effect fails", "caller gone"},
				Why: "The week is planned after the commit; an order stands without it.",
			},
			{
				Name: "abandoned-later", Lab: variant("abandoned-later"), Checks: []string{"one mail", "abandoned order", "young order"},
				Why: "An order counts as abandoned after 45 s instead of 20 s.",
			},
			{
				Name: "looks-first", Lab: variant("looks-first"), Checks: []string{"one mail", "every exit", "abandoned order", "young order"},
				Why: "A retry of an order that is done looks before it waits for its turn, and again after that.",
			},
			{
				Name: "mail-last", Lab: variant("mail-last"), Checks: []string{"mail after commit", "effect fails", "caller gone", "abandoned order"},
				Why: "The other effects come before the mail.",
			},
			{
				Name: "effects-at-once", Lab: variant("effects-at-once"), Checks: []string{"mail after commit", "effect fails", "caller gone", "abandoned order"},
				Why: "The mail and the other effects go on side by side, each with a copy of the order.",
			},
			{
				Name: wrong.NeverReplaced, Lab: variant(wrong.NeverReplaced), Checks: []string{"kept connections"},
				Why: "A connection lives until the server closes it, and more may be kept than opened.",
			},
			{
				Name: wrong.ThreeConnections, Lab: variant(wrong.ThreeConnections), Checks: []string{"pool", "kept connections"},
				Why: "Two or three connections for each core is what the lesson starts from.",
			},
			{
				Name: "last-of-equal-price", Lab: sized(lastOfEqualPrice), Checks: []string{"size"},
				Why: "Of two sizes with one price either is right, and so is any type beside false.",
			},
			{
				Name: "sorted-sizes", Lab: sized(sortedSizes), Checks: []string{"size"},
				Why: "The sizes are sorted by price in place, and the first that holds the peak is taken.",
			},
		},
	})
}

// holds reports whether a size holds a peak with headroom.
func holds(size instance.Capacity, peak float64) bool {
	return peak/size.Goodput <= vertical.MaxUtilisation
}

// sortedSizes is right, and sorts what it was given.
func sortedSizes(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	slices.SortFunc(measured, func(a, b instance.Capacity) int { return cmp.Compare(a.Type.PriceMicros, b.Type.PriceMicros) })
	return firstThatHolds(measured, peak)
}

// cheapest returns the last of the sizes with the lowest price that a rule accepts, and the size that
// it was given if there is none.
func cheapest(measured []instance.Capacity, otherwise instance.Type, accept func(instance.Capacity) bool) (instance.Type, bool) {
	best, found := otherwise, false
	for _, size := range measured {
		if accept(size) && (!found || size.Type.PriceMicros <= best.PriceMicros) {
			best, found = size.Type, true
		}
	}
	return best, found
}

// lastOfEqualPrice is right.
func lastOfEqualPrice(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	return cheapest(measured, instance.Nano(), func(size instance.Capacity) bool { return holds(size, peak) })
}

// wholeOrders rounds down what a size holds.
func wholeOrders(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	return cheapest(measured, instance.Type{}, func(size instance.Capacity) bool {
		return peak <= math.Floor(vertical.MaxUtilisation*size.Goodput)
	})
}

// leastGoodput takes the size that is the least able.
func leastGoodput(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	slices.SortFunc(measured, func(a, b instance.Capacity) int { return cmp.Compare(a.Goodput, b.Goodput) })
	return firstThatHolds(measured, peak)
}

// stopsAtFirst goes down the prices.
func stopsAtFirst(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	slices.SortFunc(measured, func(a, b instance.Capacity) int { return cmp.Compare(b.Type.PriceMicros, a.Type.PriceMicros) })
	var best instance.Type
	for i, size := range measured {
		if !holds(size, peak) {
			return best, i > 0
		}
		best = size.Type
	}
	return best, len(measured) > 0
}

// firstThatHolds trusts the order of the table.
func firstThatHolds(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	for _, size := range measured {
		if holds(size, peak) {
			return size.Type, true
		}
	}
	return instance.Type{}, false
}

// cheapestOrder compares prices of orders, not of hours.
func cheapestOrder(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	var best instance.Capacity
	found := false
	for _, size := range measured {
		if holds(size, peak) && (!found || size.PerMillion() < best.PerMillion()) {
			best, found = size, true
		}
	}
	return best.Type, found
}

// largestIfNone rents the largest size when none holds the peak.
func largestIfNone(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	if best, ok := vertical.Size(measured, peak); ok {
		return best, true
	}
	return largest(measured, peak)
}

// largest rents the largest size, as the starter does.
func largest(measured []instance.Capacity, _ float64) (instance.Type, bool) {
	var best instance.Type
	for _, size := range measured {
		if size.Type.CPU > best.CPU {
			best = size.Type
		}
	}
	return best, len(measured) > 0
}

// cheapestThatJustHolds forgets that a machine near saturation is a queue.
func cheapestThatJustHolds(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	var best instance.Type
	found := false
	for _, size := range measured {
		if size.Goodput >= peak && (!found || size.Type.PriceMicros < best.PriceMicros) {
			best, found = size.Type, true
		}
	}
	return best, found
}
