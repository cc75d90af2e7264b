// Package wrong is plausible wrong answers to lab 05, and right answers that differ from the solution.
// A wrong answer is the solution, or one of the right answers, with one mistake that many would make.
// Which check must reject which answer is in the solution's test.
package wrong

import (
	"maps"

	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/05-queue"
)

// The names of the variants.
const (
	AckBeforeWork        = "ack-before-work"
	PublishWithoutOutbox = "publish-without-outbox"
	NoConfirms           = "no-confirms"
	PoisonForEver        = "poison-for-ever"
	EffectsTwice         = "effects-twice"
	PublishAndForget     = "publish-and-forget"
	PlainQueues          = "plain-queues"
	AutoAck              = "autoack"
	RequeuesFailures     = "requeues-failures"
)

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	all := map[string]func(*service.Composition){
		AckBeforeWork: func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, queue.Consumers, ackFirst)
		},
		PublishWithoutOutbox: func(c *service.Composition) { c.Checkout = publishing },
		NoConfirms: func(c *service.Composition) {
			c.Roles["relay"] = roles.Relay(queue.Declare, unconfirmed)
		},
		// The flaw of step 6: a message that fails comes back at one pace, for ever.
		PoisonForEver: func(c *service.Composition) {
			topology{}.roles(c, worker{tries: 1 << 20, sameWait: true, triesUnread: true})
		},
		RequeuesFailures: func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, queue.Consumers, requeueing)
		},
		"second-delay-first": func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, queue.Consumers, worker{givenRooms: true}.serve)
		},
		PublishAndForget: publishAndForget,
		PlainQueues:      plainQueues,
		AutoAck:          autoAck,
		EffectsTwice: func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, again, queue.Serve)
		},
	}
	for name, t := range topologies() {
		all[name] = func(c *service.Composition) { t.roles(c, worker{}) }
	}
	for name, w := range workers() {
		all[name] = func(c *service.Composition) { topology{}.roles(c, w) }
	}
	for name, t := range tellers() {
		all[name] = t.checkout
	}
	for name, r := range receivers() {
		all[name] = r.payments
	}
	for name, p := range publishers() {
		all[name] = func(c *service.Composition) { c.Roles["relay"] = p.role() }
	}
	for name, h := range handlings() {
		all[name] = h.worker
	}
	for name, r := range replays() {
		all[name] = func(c *service.Composition) { c.Roles["replay"] = r.role() }
	}
	maps.Copy(all, RightAnswers())
	return all
}

// RightAnswers returns, by name, answers that keep every rule and differ from the solution.
func RightAnswers() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		"rooms-of-their-own": func(c *service.Composition) { topology{}.roles(c, worker{}) },
		"events-apart":       func(c *service.Composition) { teller{}.checkout(c); receiver{}.payments(c) },
		"channel-per-batch":  func(c *service.Composition) { c.Roles["relay"] = publisher{}.role() },
		"notes-apart":        handlers{}.worker,
		"mark-by-exchange":   func(c *service.Composition) { c.Roles["replay"] = replay{}.role() },
	}
}

func topologies() map[string]topology {
	return map[string]topology{
		"classic-queues":       {classic: true},
		"fleeting-exchange":    {transient: true},
		"nothing-parked":       {noParked: true},
		"dead-letters-lost":    {mayLose: true},
		"returns-without-end":  {endless: true},
		"log-without-end":      {endlessLog: true},
		"log-of-orders":        {shortLog: true},
		"one-waiting-room":     {oneRoom: true},
		"back-to-the-topic":    {toTheTopic: true},
		"parked-queues-mixed":  {swapped: true},
		"fleeting-retry-queue": {fleetingRoom: true},
		"one-return":           {oneReturn: true},
		"waits-for-a-day":      {expires: true},
		"parked-in-one-copy":   {oneCopy: true},
		"parked-for-a-week":    {parkedEnds: true},
		"parked-everywhere":    {toAll: true},
		"works-undeclared":     {goesOn: true},
		"parked-by-topic":      {keepsTopic: true},
		"one-consumer-at-once": {single: true},
		"parked-and-logged":    {deadOfAll: true},
		"deletes-its-queues":   {deletes: true},
	}
}

func workers() map[string]worker {
	return map[string]worker{
		"no-prefetch":             {unlimited: true},
		"one-at-a-time":           {oneAtATime: true},
		"ack-then-put-back":       {ackThenPutBack: true},
		"put-back-unconfirmed":    {noConfirm: true},
		"put-back-not-mandatory":  {notMandatory: true},
		"put-back-where-consumed": {overConn: true},
		"busy-counts":             {countsBusy: true},
		"counts-in-memory":        {inMemory: true},
		"three-tries":             {tries: 3},
		"never-parks":             {tries: 1 << 20},
		"waits-alike":             {sameWait: true},
		"tries-the-unreadable":    {triesUnread: true},
		"drops-the-unreadable":    {dropsUnread: true},
		"drops-the-failed":        {dropsFailed: true},
		"cut-off-by-stop":         {endsWithStop: true},
		"handlers-without-end":    {noDeadline: true},
		"leaves-its-handlers":     {leaves: true},
		"empties-before-stop":     {drains: true},
		"worker-counts-nothing":   {countsNothing: true},
		"acks-all-before":         {acksAll: true},
		"spins-when-cut-off":      {spins: true},
		"channel-per-put-back":    {opensAgain: true},
		"deadline-counts":         {deadlineFails: true},
		"keeps-duplicates":        {keepsDuplicate: true},
		"busy-starts-anew":        {busyResets: true},
		"busy-too-late":           {busyAtLast: true},
		"busy-is-quick":           {busyIsQuick: true},
		"first-is-duplicate":      {misreadsFirst: true},
		"redelivered-is-poison":   {parksReturned: true},
		"prefetch-of-channel":     {sharedPrefetch: true},
		"serves-without-link":     {goesOn: true},
		"takes-while-stopping":    {neverCancels: true},
		"the-only-worker":         {exclusive: true},
		"requeues-what-stays":     {requeuesUnput: true},
		"stops-with-the-broker":   {putsForEver: true},
		"drops-the-rest":          {rejectsRest: true},
		"busy-by-the-count":       {busyByCount: true},
		"deadline-is-busy":        {deadlineIsBusy: true},
		"not-found-is-poison":     {parksNotFound: true},
		"counts-deliveries":       {countsReturns: true},
		"waits-for-no-messages":   {waitsForNone: true},
	}
}

func tellers() map[string]teller {
	return map[string]teller{
		"told-after-commit":   {afterCommit: true},
		"told-before-order":   {beforePlace: true},
		"outbox-error-logged": {logsFailures: true},
		"told-outside":        {outside: true},
		"tells-orders-only":   {ordersOnly: true},
		"ids-by-the-clock":    {freshIDs: true},
		"no-replay":           {noReplay: true},
		"busy-outbox-is-fine": {busyIsFine: true},
		"tells-again":         {tellsAgain: true},
		"releases-after-all":  {releases: true},
		"orders-undrafted":    {undrafted: true},
		"mails-first":         {mails: true},
		"mails-later":         {mailsLater: true},
	}
}

func receivers() map[string]receiver {
	return map[string]receiver{
		"payment-told-after":   {afterCommit: true},
		"payment-error-logged": {logsFailures: true},
		"one-event-per-order":  {onePerOrder: true},
		"payment-told-outside": {outside: true},
		"each-payment-is-new":  {alwaysNew: true},
		"settles-at-once":      {settles: true},
	}
}

func publishers() map[string]publisher {
	return map[string]publisher{
		"confirm-by-confirm":     {oneByOne: true},
		"nack-is-an-answer":      {anyAnswer: true},
		"not-mandatory":          {notMandatory: true},
		"no-room-for-returns":    {smallRoom: true},
		"waits-for-ever":         {endless: true},
		"fleeting-messages":      {transient: true},
		"nack-is-an-error":       {nackIsError: true},
		"late-is-no-error":       {lateIsNoError: true},
		"impatient-when-blocked": {impatient: true},
		"never-asks-the-link":    {neverAsks: true},
		"relay-counts-nothing":   {countsNothing: true},
		"leaks-channels":         {leaks: true},
		"expiring-messages":      {expiring: true},
		"immediate-messages":     {immediate: true},
		"last-are-returned":      {lastReturned: true},
		"returned-for-good":      {remembers: true},
	}
}

func handlings() map[string]handlers {
	return map[string]handlers{
		"booked-then-noted":    {bookedThenNoted: true},
		"noted-then-booked":    {notedThenBooked: true},
		"plans-with-the-lock":  {plansInside: true},
		"reads-before-claim":   {readsFirst: true},
		"short-claim":          {shortClaim: true},
		"keeps-its-claim":      {keepsClaim: true},
		"claimed-is-done":      {claimedIsDone: true},
		"hides-errors":         {hidesErrors: true},
		"one-deadline":         {oneDeadline: true},
		"note-may-fail":        {neverNotes: true},
		"no-refusal-is-final":  {patient: true},
		"skips-failures":       {skipsErrors: true},
		"books-unread":         {booksUnread: true},
		"saves-no-plan":        {savesNoPlan: true},
		"always-first":         {alwaysFirst: true},
		"releases-before-note": {releasesFirst: true},
		"plans-again":          {plansAgain: true},
		"outer-context":        {outerContext: true},
		"not-found-is-done":    {lostIsDone: true},
		"trusts-the-topic":     {trustsTopic: true},
		"prefetch-of-thousand": {prefetch: 1000},
		"prefetch-of-one":      {prefetch: 1},
	}
}

func replays() map[string]replay {
	return map[string]replay{
		"quiet-is-the-end":      {untilQuiet: true},
		"any-mark-ends":         {anyMark: true},
		"replays-all-topics":    {allTopics: true},
		"replay-without-acks":   {neverAcks: true},
		"replays-from-now":      {fromNow: true},
		"replay-hides-failures": {hidesFailures: true},
		"replay-ends-at-error":  {endsAtFailure: true},
		"replay-ends-at-poison": {endsAtPoison: true},
		"replay-never-stops":    {neverStops: true},
		"replay-leaves-work":    {leaves: true},
	}
}
