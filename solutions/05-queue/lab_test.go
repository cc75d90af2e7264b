package queue_test

import (
	"testing"

	"bytebites.example/workshop/labs/05-queue/spec"
	"bytebites.example/workshop/shared/bytebites/service"
	frame "bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/05-queue"
	"bytebites.example/workshop/solutions/05-queue/wrong"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:   queue.Files(),
		Package: "./solutions/service",
		Args:    []string{"--through", "05"},
		Apply:   queue.Apply,
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestFull(t *testing.T) { labtest.Full(t, spec.Full(solution())) }

// with returns the subject with one of the variants.
func with(variants map[string]func(*service.Composition), name string) spec.Subject {
	s := solution()
	s.Args = append(s.Args, "--variant", name)
	s.Apply = func(c *service.Composition) {
		queue.Apply(c)
		variants[name](c)
	}
	return s
}

func TestAnswers(t *testing.T) {
	// variant returns a wrong answer that is a part of the service.
	variant := func(name, check, why string, also ...string) frame.Wrong {
		return frame.Wrong{Name: name, Check: check, Why: why, Lab: spec.Lab(with(wrong.Variants(), name)), Also: also}
	}
	flaw := func(step int, name, check, why string, also ...string) frame.Wrong {
		w := variant(name, check, why, also...)
		w.Flaw = step
		return w
	}
	right := func(name, why string, checks ...string) frame.Right {
		return frame.Right{Name: name, Why: why, Lab: spec.Lab(with(wrong.RightAnswers(), name)), Checks: checks}
	}
	labtest.Answers(t, frame.Answers{Wrong: []frame.Wrong{
		flaw(1, wrong.PublishAndForget, "order and events", "the order is committed, so now it can be announced",
			"payment and event", "outbox fails", "broker down", "unroutable"),
		flaw(2, wrong.PlainQueues, "queues", "durable queues are what the tutorials declare"),
		// Messages that a killed broker had not read are lost too, and returned messages are not noticed.
		flaw(3, wrong.NoConfirms, "confirms", "what was written to the connection without an error has arrived: TCP sees to that",
			"lost on the way", "unroutable"),
		flaw(4, wrong.AutoAck, "worker killed", "autoack saves a call for each message", "acknowledgements", "told to stop"),
		// A message comes again whenever a worker dies or finds a claim taken, and unroutable ones as above.
		flaw(5, wrong.EffectsTwice, "handlers", "the broker hands each message to one worker, and an acknowledged message does not come again",
			"duplicates", "mail claim", "replay", "unroutable"),
		// The check kills the workers to remove the poison. They bind their queues again when they start.
		flaw(6, wrong.PoisonForEver, "retries", "what fails is tried again: it will go better some time, and nothing is ever lost",
			"poison", "mail server away", "unroutable"),

		// What it has acknowledged and not done yet changes orders after the queues are empty.
		variant(wrong.AckBeforeWork, "acknowledgements", "the broker need not keep what a worker has, and what fails the worker can try again itself",
			"told to stop", "worker killed", "duplicates", "retries", "mail server away"),
		// The events of its orders are never in an outbox.
		variant(wrong.PublishWithoutOutbox, "broker down", "a broker with confirms is there to be relied on: why write everything down twice?",
			"order and events", "unroutable"),
		variant(wrong.RequeuesFailures, "acknowledgements", "what fails is put back, and the broker has a call for that",
			"told to stop", "retries", "mail server away", "poison", "mail begun", "broker killed"),

		variant("classic-queues", "queues", "a durable queue sounds as if it kept what is in it"),
		variant("fleeting-exchange", "queues", "an exchange keeps nothing, so why should it outlive the broker?"),
		variant("nothing-parked", "queues", "after five tries nobody will want the message any more", "retries", "mail server away", "poison"),
		variant("dead-letters-lost", "queues", "a dead letter moves within the broker, and what could get lost there?"),
		variant("returns-without-end", "queues", "a message that comes back is never dropped, so no dinner is"),
		variant("log-without-end", "queues", "a log keeps everything: that is what it is for"),
		variant("log-of-orders", "queues", "only orders are ever replayed"),
		variant("parked-queues-mixed", "queues", "two keys that look alike are easily swapped", "retries", "mail server away", "poison", "acknowledgements"),
		variant("one-waiting-room", "retries", "a time to live of each message needs one queue less for each delay"),
		variant("back-to-the-topic", "retries", "the message came by its topic, so it goes back by its topic", "effects", "duplicates", "poison"),
		variant("fleeting-retry-queue", "retries", "what waits there waits for seconds only"),
		variant("busy-counts", "retries", "an error is an error", "mail server away"),
		variant("counts-in-memory", "retries", "a worker remembers how often a message has failed it"),
		variant("three-tries", "retries", "three tries are what everybody does"),
		variant("never-parks", "retries", "it will go better some time, and nothing is ever lost", "mail server away", "poison"),
		variant("waits-alike", "retries", "a second is as good a pause as any"),
		variant("tries-the-unreadable", "retries", "an error is an error, and all errors are tried again", "acknowledgements"),
		variant("drops-the-unreadable", "retries", "what nobody can read is of no use to anybody", "poison"),
		variant("drops-the-failed", "retries", "after five tries the log has what went wrong", "mail server away", "poison"),
		variant("no-prefetch", "acknowledgements", "the broker knows best how much a worker can take", "told to stop"),
		variant("one-at-a-time", "acknowledgements", "the prefetch says how much is fetched, not how much is done at once", "told to stop"),
		variant("ack-then-put-back", "acknowledgements", "the message goes back in a moment, so the old one can go", "told to stop"),
		variant("put-back-unconfirmed", "acknowledgements", "what was written to the connection without an error has arrived"),
		variant("put-back-not-mandatory", "acknowledgements", "the retry queue was declared a moment ago, so it is there"),
		variant("put-back-where-consumed", "acknowledgements", "there is a connection already", "told to stop"),
		variant("worker-counts-nothing", "acknowledgements", "what the worker does is in its log"),
		variant("cut-off-by-stop", "told to stop", "the context of Serve is the one to pass on"),
		variant("handlers-without-end", "told to stop", "a handler knows itself when it has to end", "mail server away"),
		variant("leaves-its-handlers", "told to stop", "what is not acknowledged comes again anyway"),
		variant("empties-before-stop", "told to stop", "a worker that stops should leave no work behind"),
		variant("told-after-commit", "outbox fails", "an event must not announce an order that is not there yet", "order and events"),
		variant("told-before-order", "order and events", "when the outbox fails there is no order to undo", "outbox fails"),
		variant("outbox-error-logged", "order and events", "an order must not fail because of a mail", "outbox fails"),
		variant("told-outside", "order and events", "the context of the request is at hand", "outbox fails"),
		variant("tells-orders-only", "order and events", "who plans the week can hear of the order as well", "effects", "new consumer", "does not wait"),
		variant("mails-first", "order and events", "the mail is what the subscriber waits for", "does not wait", "contract", "effects", "outbox fails"),
		variant("mails-later", "does not wait", "a goroutine keeps nobody waiting", "order and events", "contract", "effects", "outbox fails"),
		variant("ids-by-the-clock", "order and events", "an id with the time in it is unique"),
		variant("payment-told-after", "payment and event", "an event must not announce a payment that is not kept yet", "outbox fails"),
		variant("payment-error-logged", "payment and event", "the provider must not hear of our outbox", "outbox fails"),
		variant("payment-told-outside", "payment and event", "the context of the request is at hand", "outbox fails"),
		variant("one-event-per-order", "payment and event", "NewID makes the id of every other event"),
		variant("each-payment-is-new", "payment and event", "the provider only wants to hear that the webhook came", "payments"),
		variant("confirm-by-confirm", "confirms", "publish and wait, publish and wait: that is easy to follow"),
		variant("nack-is-an-answer", "confirms", "the wait for the confirm returned no error"),
		variant("not-mandatory", "confirms", "the queues are declared, so an event always has one", "unroutable"),
		variant("no-room-for-returns", "confirms", "an unbuffered channel is what most examples use"),
		variant("waits-for-ever", "confirms", "a broker answers some time, or the connection ends", "lost on the way"),
		variant("fleeting-messages", "confirms", "the queue is durable, and so is what is in it"),
		variant("nack-is-an-error", "confirms", "a broker that refuses an event needs a fresh connection"),
		variant("late-is-no-error", "confirms", "the ids that are confirmed say it all"),
		variant("impatient-when-blocked", "confirms", "300 ms are a long time for a broker"),
		variant("never-asks-the-link", "confirms", "the channel was opened when the link was free", "unroutable"),
		variant("relay-counts-nothing", "confirms", "what the relay does is in its log", "unroutable"),
		variant("booked-then-noted", "handlers", "first the work, and then the note that it is done"),
		variant("noted-then-booked", "handlers", "first the note, so that no other worker begins"),
		variant("plans-with-the-lock", "handlers", "all work of an effect belongs into its transaction"),
		variant("hides-errors", "handlers", "the text of the cause is in the new error", "mail claim", "mail server away"),
		variant("skips-failures", "handlers", "an order must not be held up by bookkeeping", "poison"),
		variant("books-unread", "handlers", "Once returns the error of a server that is away, so nothing more can go wrong"),
		variant("saves-no-plan", "handlers", "a subscriber with an empty week can still choose meals"),
		variant("trusts-the-topic", "handlers", "an event of that topic has a payment"),
		variant("always-first", "handlers", "the handler did what it was asked to"),
		variant("prefetch-of-thousand", "acknowledgements", "the more a worker holds, the less it waits for the broker"),
		variant("prefetch-of-one", "acknowledgements", "one message at a time is the safest"),
		variant("reads-before-claim", "mail claim", "the order must be read to know whom to mail"),
		variant("short-claim", "mail claim", "mails take milliseconds, and a claim should end soon when its worker dies"),
		variant("keeps-its-claim", "mail claim", "a claim ends by itself", "mail server away", "mail begun"),
		variant("claimed-is-done", "mail claim", "another worker is at the mail, so it will be sent", "mail begun", "duplicates"),
		variant("one-deadline", "mail claim", "one deadline for all that belongs to a mail"),
		variant("note-may-fail", "mail claim", "the mail is out, and that is what counts"),
		variant("no-refusal-is-final", "mail server away", "mail servers change their mind", "mail claim"),
		variant("quiet-is-the-end", "whole log", "when nothing comes for half a second, all has been read"),
		variant("any-mark-ends", "whole log", "a mark is a mark", "replay"),
		variant("replays-all-topics", "whole log", "a handler knows what is its own", "replay"),
		variant("replay-without-acks", "whole log", "a log keeps its messages, whatever is acknowledged", "replay"),
		variant("replays-from-now", "whole log", "a replay begins where the log ends", "replay"),
		variant("replay-hides-failures", "whole log", "the log of the program says which events failed"),
		variant("replay-ends-at-error", "whole log", "an error ends a program"),
		variant("replay-ends-at-poison", "whole log", "a message that cannot be read is an error too", "replay"),
		variant("replay-never-stops", "whole log", "the mark comes soon, and then the replay ends anyway"),
		variant("acks-all-before", "acknowledgements", "multiple saves a frame for each message", "retries", "told to stop"),
		variant("spins-when-cut-off", "acknowledgements", "a closed channel only delivers nothing"),
		variant("waits-for-no-messages", "acknowledgements", "the queue was declared when the program started, so it is there"),
		variant("keeps-duplicates", "acknowledgements", "nothing was done, so there is nothing to acknowledge"),
		variant("channel-per-put-back", "retries", "a channel costs nothing"),
		variant("deadline-counts", "mail server away", "a mail that ran into its deadline has failed"),
		variant("one-return", "queues", "a message that comes back once will come back again", "worker killed"),
		variant("waits-for-a-day", "queues", "what has waited for a day is of no use"),
		variant("busy-starts-anew", "retries", "a server that is back is a fresh start"),
		variant("busy-too-late", "retries", "what has failed too often is parked, whatever the error is"),
		variant("busy-is-quick", "retries", "the sooner it is tried again, the sooner it is done"),
		variant("first-is-duplicate", "acknowledgements", "a handler reports whether the work was done already"),
		variant("redelivered-is-poison", "retries", "a message that comes again has killed its worker", "worker killed"),
		variant("parked-in-one-copy", "queues", "parked messages are few, and nobody waits for them"),
		variant("parked-for-a-week", "queues", "after a week nobody wants the dinner"),
		variant("parked-by-topic", "queues", "the dead letter has a routing key already", "poison"),
		variant("parked-everywhere", "queues", "a fanout exchange needs no keys", "retries", "mail server away", "poison", "acknowledgements"),
		variant("prefetch-of-channel", "acknowledgements", "the channel has one consumer, so its prefetch is the same", "told to stop", "mail claim"),
		variant("serves-without-link", "acknowledgements", "an error of one message must not stop the others"),
		variant("takes-while-stopping", "told to stop", "the loop has ended, so no message is begun any more"),
		variant("plans-again", "handlers", "Once throws the second plan away"),
		variant("outer-context", "handlers", "the context of the handler is at hand, and it has the time limit"),
		variant("leaks-channels", "confirms", "the connection closes its channels when it ends"),
		variant("expiring-messages", "confirms", "an event that is a minute old is of no use"),
		variant("orders-undrafted", "order and events", "the subscriber has just seen the meals, so they exist"),
		variant("works-undeclared", "queues", "an error of Declare says that a queue is there already"),
		variant("no-replay", "order and events", "Place finds an earlier order, too"),
		variant("busy-outbox-is-fine", "order and events", "an outbox that is busy must not send dinner away"),
		variant("releases-before-note", "mail claim", "the mail is out, so the claim is of no use"),
		variant("tells-again", "order and events", "a client that asks again may have lost the first answer, and so may the outbox"),
		variant("releases-after-all", "order and events", "an order that fails must leave no reservation"),
		variant("settles-at-once", "payment and event", "the order is at hand, so why not set its status now?"),
		variant("parked-and-logged", "queues", "there is an exchange already"),
		variant("deletes-its-queues", "queues", "other arguments for an existing queue close the channel", "worker killed", "mail begun", "broker down", "broker killed", "poison"),
		variant("one-consumer-at-once", "acknowledgements", "one consumer at a time keeps the order of the messages", "two workers"),
		variant("the-only-worker", "acknowledgements", "an exclusive consumer shares its prefetch with no other", "duplicates", "worker killed", "two workers"),
		variant("requeues-what-stays", "acknowledgements", "what could not be put back goes back to its queue"),
		variant("drops-the-rest", "told to stop", "each delivery must be settled"),
		variant("stops-with-the-broker", "told to stop", "a stopped worker finishes what it has begun"),
		variant("immediate-messages", "confirms", "immediate sounds like quick", "does not wait", "new consumer", "payments", "lost on the way", "unroutable"),
		variant("last-are-returned", "confirms", "a batch that came back has nothing else in it"),
		variant("returned-for-good", "confirms", "an event that no queue takes is noted once", "unroutable"),
		variant("not-found-is-done", "handlers", "an order that is gone needs no work"),
		variant("busy-by-the-count", "retries", "the delays are there to be taken in turn"),
		variant("second-delay-first", "retries", "the count is raised first, and is the index then"),
		variant("deadline-is-busy", "retries", "what takes too long waits for a server that is busy"),
		variant("not-found-is-poison", "retries", "an order that is not there now is not there later"),
		variant("counts-deliveries", "retries", "the broker counts the deliveries, so why count them again?"),
		variant("replay-leaves-work", "whole log", "a goroutine for each event makes a replay quick", "replay"),
	}, Right: []frame.Right{
		right("rooms-of-their-own", "each queue has four waiting queues of its own, published to by name, and a fixed number of goroutines take the deliveries",
			"queues", "acknowledgements", "retries", "told to stop"),
		right("events-apart", "the events are made before the transaction, and added in another order by a call each", "order and events", "payment and event", effectsCheck),
		right("channel-per-batch", "each batch has a channel of its own, and goes out in windows of 50", "confirms"),
		right("notes-apart", "a mail is noted, and its claim given up, by two calls; other prefetches and time limits", "handlers", "mail claim", "mail server away"),
		right("mark-by-exchange", "the mark of a replay goes by the exchange, under a key that only the log is bound to", "whole log"),
	}})
}

// effectsCheck is the check that counts all effects of orders on real servers.
const effectsCheck = "effects"
