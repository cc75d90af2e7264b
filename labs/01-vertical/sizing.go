package vertical

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
)

// MaxUtilisation is the share of its saturation goodput that a machine may be asked for at the peak.
// The rest is headroom: close to saturation, every short pause turns into a queue.
const MaxUtilisation = 0.7

// Pool bounds the connections to each database.
func Pool() postgres.PoolConfig {
	return postgres.PoolConfig{
		// TODO(lab 01), step 3: choose a limit. One connection serves one request at a time.
		// The database has half a core, and each connection is a process in it.
		MaxOpen: 1,
		// TODO(lab 01), step 3: keep connections open. The pool closes each connection beyond
		// this number after use. The next request pays for a new one: a process in the
		// database, a handshake and a login.
		MaxIdle:         1,
		ConnMaxLifetime: 30 * time.Minute,
	}
}

// Size returns the measured size with the lowest price an hour that holds the peak with headroom,
// and false if no size does. The peak is in right answers a second. Sizes come in any order.
func Size(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	// TODO(lab 01), step 4: return the size with the lowest price an hour that holds the peak
	// with headroom. This code rents the largest size, even if it is too small for the peak.
	var largest instance.Type
	for _, size := range measured {
		if size.Type.CPU > largest.CPU {
			largest = size.Type
		}
	}
	return largest, len(measured) > 0
}
