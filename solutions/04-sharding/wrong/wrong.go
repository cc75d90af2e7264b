// Package wrong is plausible wrong answers to lab 04. Each is sharding as many would write it,
// simple, with one mistake in it. Which check must reject which answer is in the solution's
// test.
package wrong

import (
	"bytebites.example/workshop/shared/service"
	"bytebites.example/workshop/shared/sharded"
)

// The names of the wrong answers. All but SignedModulo are variants of the service.
const (
	SignedModulo         = "signed-modulo"
	CollidingIDs         = "colliding-ids"
	OverwritesNewer      = "overwrites-newer"
	IgnoresSecondFailure = "ignores-second-failure"
	ElsewhereWhenDown    = "elsewhere-when-down"
	NoCompensation       = "no-compensation"
	AsksEveryServer      = "asks-every-server"
)

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	return map[string]func(*service.Composition){
		CollidingIDs: func(c *service.Composition) { c.OrderID = Colliding().NewOrderID },
		OverwritesNewer: func(c *service.Composition) {
			c.Roles["migrate"] = sharded.Role(mover{overwritesNewer: true}.migrate)
		},
		IgnoresSecondFailure: func(c *service.Composition) {
			c.Roles["migrate"] = sharded.Role(mover{ignoresUncopied: true}.migrate)
		},
		ElsewhereWhenDown: func(c *service.Composition) { c.UserData = mistake{elsewhere: true}.open },
		NoCompensation:    applyHasty,
		AsksEveryServer:   func(c *service.Composition) { c.UserData = mistake{everyServer: true}.open },
	}
}
