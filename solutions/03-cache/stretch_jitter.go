package cache

import (
	"math/rand/v2"
	"time"
)

// jitter is the largest share that is taken off a time to live. So entries that were stored together
// do not expire together.
const jitter = 0.1

// jittered returns a time to live that is up to a tenth shorter.
func jittered(ttl time.Duration) time.Duration {
	return ttl - time.Duration(jitter*rand.Float64()*float64(ttl))
}
