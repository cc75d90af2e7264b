package vertical

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
)

// MaxUtilisation is the share of its saturation goodput that a machine may be asked for at the peak.
// The rest is headroom: close to saturation, every short pause turns into a queue.
const MaxUtilisation = 0.7

// maxConnections is a little more than the half core and the disk of the database can work on at
// once. Further statements would wait inside the database, where each costs a process and memory.
const maxConnections = 10

// Pool bounds the connections to each database.
func Pool() postgres.PoolConfig {
	return postgres.PoolConfig{MaxOpen: maxConnections, MaxIdle: maxConnections, ConnMaxLifetime: 30 * time.Minute}
}

// Size returns the measured size with the lowest price an hour that holds the peak with headroom,
// and false if no size does. The peak is in right answers a second. Sizes come in any order.
func Size(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	var best instance.Type
	found := false
	for _, size := range measured {
		holds := peak <= MaxUtilisation*size.Goodput
		if holds && (!found || size.Type.PriceMicros < best.PriceMicros) {
			best, found = size.Type, true
		}
	}
	return best, found
}
