// Package service puts ByteBites together: a Composition says which parts, Config says
// where, and Run opens, wires, serves and winds down.
//
// Baseline is the slow monolith with all its faults (docs/faults.md). The solution of
// each lab is a function that replaces one part of a Composition:
//
//	func Apply(c *service.Composition) { c.Checkout = newCheckout }
//
// The same program has further roles, which do a job and end: see Composition.Roles.
package service
