// Package wrong is plausible wrong answers to lab 05. Each is the solution with one part of it
// as many would write it. Which check must reject which answer is in the solution's test.
package wrong

import (
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
)

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		AckBeforeWork: func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, queue.Consumers, ackFirst)
		},
		PublishWithoutOutbox: func(c *service.Composition) { c.Checkout = publishing },
		NoConfirms: func(c *service.Composition) {
			c.Roles["relay"] = roles.Relay(queue.Declare, unconfirmed)
		},
		PoisonForEver: func(c *service.Composition) {
			c.Roles["relay"] = roles.Relay(withoutLimit, queue.NewPublisher)
			c.Roles["worker"] = roles.Worker(withoutLimit, queue.Consumers, requeueing)
			c.Roles["replay"] = roles.Replaying(withoutLimit, queue.Consumers, queue.Replay)
		},
		EffectsTwice: func(c *service.Composition) {
			c.Roles["worker"] = roles.Worker(queue.Declare, again, queue.Serve)
		},
	}
}
