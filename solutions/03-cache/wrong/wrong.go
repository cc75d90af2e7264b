// Package wrong is plausible wrong answers to lab 03. Each is the cache that many would
// write, simple, with one mistake in it. Which check must reject which answer is in the
// solution's test.
package wrong

import "bytebites.example/workshop/shared/bytebites/service"

// The names of the variants.
const (
	NeverForgets   = "never-forgets"
	ForgetsFirst   = "forgets-first"
	KeepsPages     = "keeps-pages"
	CachesErrors   = "caches-errors"
	NeverExpires   = "never-expires"
	NoSingleFlight = "no-single-flight"
	FirstOnesLoad  = "first-ones-load"
	NeedsRedis     = "needs-redis"
	WriteBack      = "write-back"
	SignedOutStays = "signed-out-stays"
)

// mistakes are what may be wrong with a simple cache.
type mistakes struct {
	neverForgets   bool // nothing is deleted when it changes
	forgetsFirst   bool // it is deleted before the change is committed
	keepsPages     bool // a meal is deleted, the pages that it is on are not
	cachesErrors   bool // an error is taken for 'there is none', and kept
	neverExpires   bool // no time to live
	noSingleFlight bool // who misses, loads
	firstOnesLoad  bool // the load that all wait for ends with the first one's request
	needsRedis     bool // an error of Redis is an error of the page
	writeBack      bool // a session is written to Redis, and a second later to the database
	signedOutStays bool // a sign-out deletes the session in the database alone
}

// Variants returns, by name, what each answer changes in a service.
func Variants() map[string]func(*service.Composition) {
	variants := make(map[string]func(*service.Composition))
	for name, wrong := range map[string]mistakes{
		NeverForgets:   {neverForgets: true},
		ForgetsFirst:   {forgetsFirst: true},
		KeepsPages:     {keepsPages: true},
		CachesErrors:   {cachesErrors: true},
		NeverExpires:   {neverExpires: true},
		NoSingleFlight: {noSingleFlight: true},
		FirstOnesLoad:  {firstOnesLoad: true},
		NeedsRedis:     {needsRedis: true},
		WriteBack:      {writeBack: true},
		SignedOutStays: {signedOutStays: true},
	} {
		variants[name] = func(c *service.Composition) {
			c.Cache = func(r service.Resources) (service.Cache, error) { return open(r, wrong), nil }
		}
	}
	return variants
}
