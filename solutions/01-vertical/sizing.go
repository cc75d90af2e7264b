package vertical

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
)

// Headroom is the share of its saturation goodput that a machine may be asked for at the
// peak. Close to saturation every hiccup turns into a queue.
const Headroom = 0.7

// maxConnections is a little more than the database can work on at once: a core or two,
// and a disk. More would wait inside the database, where waiting costs memory and
// nobody can call it off.
const maxConnections = 10

// Pool bounds the connections to each database.
func Pool() postgres.PoolConfig {
	return postgres.PoolConfig{MaxOpen: maxConnections, MaxIdle: maxConnections, ConnMaxLifetime: 30 * time.Minute}
}

// Size returns the cheapest of the measured sizes that holds a peak, in right answers a
// second, with headroom; false when none does. Sizes may come in any order.
func Size(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	var best instance.Type
	found := false
	for _, size := range measured {
		holds := peak <= Headroom*size.Goodput
		if holds && (!found || size.Type.PriceMicros < best.PriceMicros) {
			best, found = size.Type, true
		}
	}
	return best, found
}
