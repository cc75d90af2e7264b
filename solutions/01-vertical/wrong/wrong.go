// Package wrong is plausible wrong answers to lab 01, those that a service carries. Which
// check must reject which answer is in the solution's test.
package wrong

import (
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/01-vertical"
)

// The names of the answers with a pool of their own. Those with a checkout of their own are in
// Checkouts.
const (
	EndlessPool      = "endless-pool"
	PoolOfOne        = "pool-of-one"
	TwoKept          = "two-kept"
	NineKept         = "nine-kept"
	ShortLived       = "short-lived"
	NeverReplaced    = "never-replaced"
	ThreeConnections = "three-connections"
)

// Variants returns, by name, what each answer changes in a service with the solution in it.
func Variants() map[string]func(*service.Composition) {
	variants := make(map[string]func(*service.Composition))
	for name, build := range Checkouts() {
		variants[name] = func(c *service.Composition) {
			c.Checkout = func(_ service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) { return build(steps), nil }
		}
	}
	for name, pool := range Pools() {
		variants[name] = func(c *service.Composition) { c.Pool = pool }
	}
	return variants
}

// Pools returns the pools by name of the answer.
func Pools() map[string]postgres.PoolConfig {
	but := func(change func(*postgres.PoolConfig)) postgres.PoolConfig {
		pool := vertical.Pool()
		change(&pool)
		return pool
	}
	return map[string]postgres.PoolConfig{
		EndlessPool: but(func(p *postgres.PoolConfig) { p.MaxOpen = 0 }),
		PoolOfOne:   but(func(p *postgres.PoolConfig) { p.MaxOpen, p.MaxIdle = 1, 1 }), // the starter's
		TwoKept:     but(func(p *postgres.PoolConfig) { p.MaxIdle = 2 }),
		NineKept:    but(func(p *postgres.PoolConfig) { p.MaxIdle = p.MaxOpen - 1 }),
		ShortLived:  but(func(p *postgres.PoolConfig) { p.ConnMaxLifetime = 5 * time.Second }),
		// Right: 0 is no end, and a pool keeps no more than it may open.
		NeverReplaced: but(func(p *postgres.PoolConfig) { p.ConnMaxLifetime, p.MaxIdle = 0, 100 }),
		// Two or three for each core of the database, which has half a one: right.
		ThreeConnections: but(func(p *postgres.PoolConfig) { p.MaxOpen, p.MaxIdle = 3, 3 }),
	}
}
