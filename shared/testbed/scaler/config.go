package scaler

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// Config holds the parts of a Controller.
type Config struct {
	Fleet  Fleet
	Policy autoscale.Policy
	Lease  Lease // nil when no other controller can exist
	Clock  Clock
	// Interval is the time of the run from one reading to the next.
	Interval time.Duration
	// Min and Max are the controller's own bounds, whatever the policy returns.
	Min, Max int
	// NamePrefix is the name of a replica without its number; "replica-" when empty.
	NamePrefix string
	// Readings bounds the history; 120 when 0.
	Readings int
	Limits   Limits
	Logger   *slog.Logger // no log when nil
}

// Limits bound what the controller waits for. They are times of the run. A zero limit has the
// default. A caller on a slow machine scales them with hostspeed.Wait.
type Limits struct {
	Read   time.Duration // of one reading of the fleet; 2 s
	Lease  time.Duration // of one question to the lease; 2 s
	Policy time.Duration // of one answer of the policy; 1 s
	Start  time.Duration // of one call that starts a replica; 30 s
	// Ready is how long a replica may be off the balancer's list: after the decision to start it, and
	// each time that it leaves the list. The controller then removes it; 60 s.
	Ready time.Duration
	Drain time.Duration // of one drain; 40 s, twice the stop timeout of a service
}

const (
	defaultReadings   = 120
	defaultNamePrefix = "replica-"
)

func defaultLimits() Limits {
	return Limits{Read: 2 * time.Second, Lease: 2 * time.Second, Policy: time.Second, Start: 30 * time.Second, Ready: 60 * time.Second, Drain: 40 * time.Second}
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	switch {
	case c.Fleet == nil:
		return errors.New("no fleet")
	case c.Policy == nil:
		return errors.New("no policy")
	case c.Interval <= 0:
		return errors.New("interval must be positive")
	case c.Min < 1 || c.Max < c.Min:
		return fmt.Errorf("bounds %d to %d: want 1 or more, and the lower first", c.Min, c.Max)
	case c.Readings < 0:
		return fmt.Errorf("readings %d: want 1 or more", c.Readings)
	}
	if err := c.Clock.validate(); err != nil {
		return err
	}
	if c.Lease == nil {
		c.Lease = alone{}
	}
	if c.NamePrefix == "" {
		c.NamePrefix = defaultNamePrefix
	}
	if c.Readings == 0 {
		c.Readings = defaultReadings
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c.Limits.complete()
}

func (l *Limits) complete() error {
	standard := defaultLimits()
	for _, limit := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&l.Read, standard.Read}, {&l.Lease, standard.Lease}, {&l.Policy, standard.Policy},
		{&l.Start, standard.Start}, {&l.Ready, standard.Ready}, {&l.Drain, standard.Drain},
	} {
		if *limit.value < 0 {
			return fmt.Errorf("limit %v: want more than 0", *limit.value)
		}
		if *limit.value == 0 {
			*limit.value = limit.standard
		}
	}
	return nil
}
