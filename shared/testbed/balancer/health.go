package balancer

import (
	"errors"
	"time"
)

// Policy says how often replicas are probed, and how many results change their state.
type Policy struct {
	Interval time.Duration // from one probe to the next
	Timeout  time.Duration // of one probe; less than Interval
	Rise     int           // successes in a row that make a replica ready
	Fall     int           // failures in a row that make it not ready
}

// DefaultPolicy removes a replica within a second of its first failure. Cloud balancers
// probe every 5 to 30 s; the workshop's runs are short.
func DefaultPolicy() Policy {
	return Policy{Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond, Rise: 2, Fall: 2}
}

func (p Policy) validate() error {
	switch {
	case p.Interval <= 0:
		return errors.New("balancer policy: interval must be positive")
	case p.Timeout <= 0 || p.Timeout >= p.Interval:
		return errors.New("balancer policy: timeout must be positive and less than the interval")
	case p.Rise < 1 || p.Fall < 1:
		return errors.New("balancer policy: rise and fall must be at least 1")
	}
	return nil
}

// health is the state of one replica. The zero health is that of a new replica, which gets
// no traffic until Rise probes have succeeded.
type health struct {
	ready  bool
	streak int // probes in a row whose result contradicts ready
}

// after returns the health after one more probe.
func (h health) after(success bool, p Policy) health {
	if success == h.ready {
		return health{ready: h.ready}
	}
	h.streak++
	needed := p.Fall
	if success {
		needed = p.Rise
	}
	if h.streak >= needed {
		return health{ready: success}
	}
	return h
}
