// Package wrong is plausible wrong answers to lab 04. Each is sharding as many would write it,
// simple, with one mistake in it. Which check must reject which answer is in the solution's
// test.
package wrong

import (
	"context"
	"errors"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
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
	BusyForAll           = "busy-for-all"
	NoPreflight          = "no-preflight"
)

// The names of right answers that are built in another way than the solution. All are variants of the
// service.
const (
	OtherRouter = "other-router"
	LaterCopies = "later-copies"
	LastMarks   = "last-marks"
)

// ApplyOther puts a right answer with another router, other stores and another mover into a service.
func ApplyOther(c *service.Composition) {
	router := Other()
	StoresFlaw{Router: router}.Apply(c)
	c.OrderID = router.NewOrderID
	c.Roles["migrate"] = shardstore.Role(MoverFlaw{}.mover(router).migrate)
}

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	right, byRange := sharding.NewRouter(), ByRange()
	return map[string]func(*service.Composition){
		RangeOfIDs: func(c *service.Composition) {
			c.UserData = mistake{router: byRange}.open
			c.OrderID = byRange.NewOrderID
			c.Roles["migrate"] = shardstore.Role(MoverFlaw{}.mover(byRange).migrate)
		},
		CollidingIDs: func(c *service.Composition) { c.OrderID = Colliding().NewOrderID },
		OverwritesNewer: func(c *service.Composition) {
			c.Roles["migrate"] = shardstore.Role(MoverFlaw{OverwritesNewer: true}.mover(right).migrate)
		},
		IgnoresSecondFailure: func(c *service.Composition) {
			c.Roles["migrate"] = shardstore.Role(MoverFlaw{IgnoresUncopied: true}.mover(right).migrate)
		},
		ElsewhereWhenDown: func(c *service.Composition) { c.UserData = mistake{router: right, elsewhere: true}.open },
		OtherRouter:       ApplyOther,
		LaterCopies:       StoresFlaw{CopiesLater: true}.Apply,
		LastMarks:         StoresFlaw{MarksLast: true, NeedsMost: true}.Apply,
		BusyForAll:        StoresFlaw{BusyForAll: true}.Apply,
		NoPreflight:       func(c *service.Composition) { c.Roles["migrate"] = service.Job(atOnce) },
		NoCompensation:    applyHasty,
		AsksEveryServer:   func(c *service.Composition) { c.UserData = mistake{router: right, everyServer: true}.open },
	}
}

// atOnce is a role that moves user data without the pre-flight check.
func atOnce(ctx context.Context, r service.Resources, args []string) error {
	control, err := shard.NewMover(ctx, r.Catalogue, shardstore.Pools(r), r.Logger)
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	for _, server := range shardstore.Pools(r) {
		if err := errors.Join(r.PrepareUserData(ctx, server), shard.Prepare(ctx, server)); err != nil {
			return err
		}
	}
	return MoverFlaw{}.mover(sharding.NewRouter()).migrate(ctx, r, control, args[0])
}
