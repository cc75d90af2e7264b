// Package wrong is plausible wrong answers to lab 04. Each is sharding as many would write it,
// simple, with one mistake in it. Which check must reject which answer is in the solution's
// test.
package wrong

import (
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/solutions/04-sharding"
)

// The names of the wrong answers. All but SignedModulo are variants of the service.
const (
	SignedModulo         = "signed-modulo"
	RangeOfIDs           = "range-of-ids"
	CollidingIDs         = "colliding-ids"
	OverwritesNewer      = "overwrites-newer"
	IgnoresSecondFailure = "ignores-second-failure"
	ElsewhereWhenDown    = "elsewhere-when-down"
	NoCompensation       = "no-compensation"
	AsksEveryServer      = "asks-every-server"
)

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	right, byRange := sharding.NewRouter(), ByRange()
	return map[string]func(*service.Composition){
		RangeOfIDs: func(c *service.Composition) {
			c.UserData = mistake{router: byRange}.open
			c.OrderID = byRange.NewOrderID
			c.Roles["migrate"] = shardstore.Role(mover{router: byRange}.migrate)
		},
		CollidingIDs: func(c *service.Composition) { c.OrderID = Colliding().NewOrderID },
		OverwritesNewer: func(c *service.Composition) {
			c.Roles["migrate"] = shardstore.Role(mover{router: right, overwritesNewer: true}.migrate)
		},
		IgnoresSecondFailure: func(c *service.Composition) {
			c.Roles["migrate"] = shardstore.Role(mover{router: right, ignoresUncopied: true}.migrate)
		},
		ElsewhereWhenDown: func(c *service.Composition) { c.UserData = mistake{router: right, elsewhere: true}.open },
		NoCompensation:    applyHasty,
		AsksEveryServer:   func(c *service.Composition) { c.UserData = mistake{router: right, everyServer: true}.open },
	}
}
