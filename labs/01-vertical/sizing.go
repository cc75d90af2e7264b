package vertical

import (
	"time"

	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/instance"
)

// Headroom is the share of its saturation goodput that a machine may be asked for at the
// peak. Close to saturation every hiccup turns into a queue.
const Headroom = 0.7

// Pool bounds the connections to each database.
func Pool() postgres.PoolConfig {
	return postgres.PoolConfig{
		// TODO(lab 01): choose a limit. One connection serves one request at a time. How
		// many statements can the database work on at once? What does it do with hundreds?
		MaxOpen: 1,
		// TODO(lab 01): keep connections open. A connection beyond this number is closed
		// after each use. The next request pays for a new one: a process in the database, a
		// handshake, a log-in.
		MaxIdle:         1,
		ConnMaxLifetime: 30 * time.Minute,
	}
}

// Size returns the cheapest of the measured sizes that holds a peak, in right answers a
// second, with headroom; false when none does. Sizes may come in any order.
func Size(measured []instance.Capacity, peak float64) (instance.Type, bool) {
	// TODO(lab 01): return the cheapest size that holds the peak with headroom. This code
	// rents the largest size, whatever the peak is, and even when the largest is too small.
	var largest instance.Type
	for _, size := range measured {
		if size.Type.CPU > largest.CPU {
			largest = size.Type
		}
	}
	return largest, len(measured) > 0
}
