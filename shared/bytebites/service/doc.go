// Package service puts ByteBites together. A Composition lists the parts, a Config gives the
// addresses, and Run opens, connects, serves and stops them.
//
// Baseline is the slow monolith with all its faults (docs/faults.md). The solution of each lab is a
// function that replaces one part of a Composition:
//
//	func Apply(c *service.Composition) { c.Checkout = newCheckout }
//
// The same program has further roles, which do a job and end: see Composition.Roles.
package service
