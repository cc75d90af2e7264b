//go:build !linux

package load

import "time"

// fineSleep is as fine as the runtime's timers are.
func fineSleep(d time.Duration) { time.Sleep(d) }
