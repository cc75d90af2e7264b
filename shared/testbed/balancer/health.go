package balancer

import (
	"errors"
	"time"
)

// Policy says how often replicas are asked, and what counts as a change.
type Policy struct {
	Interval time.Duration // from one question to the next
	Timeout  time.Duration // after which no answer is a failure; less than Interval
	Rise     int           // successes in a row that make a replica ready
	Fall     int           // failures in a row that make it not ready
}

// DefaultPolicy takes a replica out within a second of its first failure. Cloud
// balancers ask less often, every 5 to 30 s; the workshop's runs are short.
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

// health is what is known of one replica. The zero health is that of a new replica,
// which gets no traffic until it has proved itself.
type health struct {
	ready  bool
	streak int // answers in a row that contradict ready
}

// after returns the health after one more answer.
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
