// Package queue is lab 05: an order stops waiting for its effects, and no effect is lost. The learner
// edits publisher.go, topology.go and consumers.go; README.md is the lesson.
package queue

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/rabbit/roles"
	"bytebites.example/workshop/shared/bytebites/service"
)

//go:embed consumers.go publisher.go stretch_replay.go topology.go
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// Apply has a service write events with orders and payments, and adds the roles that publish and
// handle them.
func Apply(c *service.Composition) {
	c.Outbox = true
	c.Checkout = func(r service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		return NewCheckout(r, steps), nil
	}
	c.Payments = func(r service.Resources, p service.Parts) (bytebites.Payments, error) {
		return NewPayments(r, p.Orders, p.Outbox), nil
	}
	c.Roles["relay"] = roles.Relay(Declare, NewPublisher)
	c.Roles["worker"] = roles.Worker(Declare, Consumers, Serve)
	c.Roles["replay"] = roles.Replaying(Declare, Consumers, Replay)
}
