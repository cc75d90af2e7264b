package scaler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// Controller keeps the number of replicas of a fleet at what the policy asks for.
type Controller struct {
	cfg     Config
	running sync.Mutex // held by Run
	asking  chan struct{}
	acts    sync.WaitGroup

	// The loop of Run uses these alone.
	leading bool
	refused bool // the lease was refused, and the log says so

	mu      sync.Mutex
	adopted bool // the fleet was read since the lease was taken
	members map[string]*member
	removed map[string]int // act count at which a replica was removed, by name
	ended   int            // acts that have ended
	next    int            // number of the next replica's name
	again   []string       // names of starts that failed and left nothing
	// failures counts the starts that failed since the last one that succeeded. No replica starts
	// before pause has passed.
	failures int
	pause    time.Time

	state   autoscale.State
	history []autoscale.Reading
	changes []autoscale.Change
	billed  []autoscale.Change
	readied []Readied
	answers int // of the policy
}

// member is one replica that the controller knows.
type member struct {
	name string
	// decided is when this controller decided to start it; zero for an adopted replica, and when it
	// has become ready.
	decided time.Time
	// unready is since when the balancer has sent it no requests; zero while it does.
	unready    time.Time
	readySince time.Time
	ended      bool // it does not run
	draining   bool // it does not count as running
	act        *act // in progress; nil for none
	actEnded   int  // value of Controller.ended when its last act ended
}

// act is a start or a drain in progress.
type act struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Readied is a replica that the controller started, from the decision to the first request. The
// times are those of the run.
type Readied struct {
	Name    string
	Decided time.Time
	Ready   time.Time // the balancer has it on its list
}

// Took is the time from the decision to the ready replica.
func (r Readied) Took() time.Duration { return r.Ready.Sub(r.Decided) }

// New returns a controller that does nothing until Run.
func New(c Config) (*Controller, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("scaler: %w", err)
	}
	return &Controller{
		cfg: c, asking: make(chan struct{}, 1), next: 1,
		members: make(map[string]*member), removed: make(map[string]int),
	}, nil
}

// Run scales the fleet until ctx ends, which is not an error. The replicas go on serving, and the
// next controller adopts them. Run gives up the starts and drains in progress, waits until they have
// returned, and releases the lease. Calls of Run run one after another.
func (c *Controller) Run(ctx context.Context) error {
	c.running.Lock()
	defer c.running.Unlock()
	c.cfg.Logger.Info("scaler started", "clock", c.cfg.Clock.String(), "interval", c.cfg.Interval, "min", c.cfg.Min, "max", c.cfg.Max)
	ticker := time.NewTicker(c.cfg.Interval)
	defer ticker.Stop()
	for {
		c.step(ctx)
		select {
		case <-ctx.Done():
			c.acts.Wait()
			return c.release(ctx)
		case <-ticker.C:
		}
	}
}

func (c *Controller) release(ctx context.Context) error {
	held := c.leading
	c.loseLease()
	if !held {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Limits.Lease)
	defer cancel()
	if err := c.cfg.Lease.Release(ctx); err != nil {
		return fmt.Errorf("scaler: %w", err)
	}
	return nil
}

// step is one interval.
func (c *Controller) step(ctx context.Context) {
	if !c.leading && !c.take(ctx) {
		return
	}
	seen, began, err := c.read(ctx)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	if err != nil {
		c.note(nil, now)
		// Without a list of the replicas, an act may be one too many.
		c.cfg.Logger.Warn("fleet read failed", "error", err)
		return
	}
	if !c.check(ctx) {
		return
	}
	c.reconcile(ctx, seen, began, now)
	if !c.adopted { // only this goroutine writes it
		c.adopt(ctx, now)
	}
	c.note(seen, now)
	c.decide(ctx, now)
	c.converge(ctx)
}

// read reads the fleet. Began is the number of acts that had ended when the reading began.
func (c *Controller) read(ctx context.Context) (seen []Instance, began int, err error) {
	c.mu.Lock()
	began = c.ended
	c.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Limits.Read, fmt.Errorf("no answer within %v", c.cfg.Limits.Read))
	defer cancel()
	seen, err = c.cfg.Fleet.Read(ctx)
	if err != nil && context.Cause(ctx) != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return seen, began, err
}

// note adds a reading to the history. A replica that was not seen is not measured.
func (c *Controller) note(seen []Instance, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.adopted {
		return
	}
	reading := autoscale.Reading{At: c.cfg.Clock.Story(now)}
	for _, m := range c.live() {
		replica := autoscale.Replica{Name: m.name, ReadySince: c.cfg.Clock.Story(m.readySince)}
		if i := slices.IndexFunc(seen, func(s Instance) bool { return s.Name == m.name }); i >= 0 && seen[i].Measured {
			replica.Utilisation, replica.Measured = seen[i].Utilisation, true
		}
		reading.Replicas = append(reading.Replicas, replica)
	}
	c.history = append(c.history, reading)
	c.history = slices.Clone(c.history[max(0, len(c.history)-c.cfg.Readings):])
}

// live returns the replicas that run or start, sorted by name. The caller holds the lock.
func (c *Controller) live() []*member {
	var live []*member
	for _, m := range c.members {
		if !m.draining && !m.ended {
			live = append(live, m)
		}
	}
	slices.SortFunc(live, func(a, b *member) int { return c.compareNames(a.name, b.name) })
	return live
}

// bill records how many replicas exist. The caller holds the lock.
func (c *Controller) bill() {
	exist := 0
	for _, m := range c.members {
		if !m.ended {
			exist++
		}
	}
	if n := len(c.billed); n == 0 && exist == 0 || n > 0 && c.billed[n-1].Running == exist {
		return
	}
	c.billed = append(c.billed, autoscale.Change{At: c.cfg.Clock.Story(time.Now()), Running: exist})
}

// State is what the policy sees of the controller, in story time. Running is the number of replicas
// that should run. A replica that died counts, because another starts in its place.
func (c *Controller) State() autoscale.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// History returns the last readings in story time, the oldest first.
func (c *Controller) History() []autoscale.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cloneHistory(c.history)
}

// Changes returns every change of the number of replicas that should run, in story time. The first
// is the adoption of the fleet.
func (c *Controller) Changes() []autoscale.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.changes)
}

// Billed returns every change of the number of replicas that cost money, in story time. A replica
// costs money from the decision to start it until it is removed or has died, also while it drains.
// The number is 0 while another controller holds the lease.
func (c *Controller) Billed() []autoscale.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.billed)
}

// Readied returns the replicas that the controller started and that became ready, in the order in
// which they did.
func (c *Controller) Readied() []Readied {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.readied)
}

// Answers is how many times the policy returned a number. A check looks at it, so that a policy that
// is never asked does not pass for one that holds.
func (c *Controller) Answers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers
}

func cloneHistory(history []autoscale.Reading) []autoscale.Reading {
	clone := slices.Clone(history)
	for i := range clone {
		clone[i].Replicas = slices.Clone(clone[i].Replicas)
	}
	return clone
}

// take takes the lease when it can, and reports whether it did.
func (c *Controller) take(ctx context.Context) bool {
	attempt, cancel := context.WithTimeout(ctx, c.cfg.Limits.Lease)
	defer cancel()
	taken, err := c.cfg.Lease.Take(attempt)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.cfg.Logger.Warn("lease not taken", "error", err)
	case !taken && !c.refused:
		c.cfg.Logger.Info("lease held by another controller")
	case taken:
		c.cfg.Logger.Info("lease taken")
	}
	c.refused = err == nil && !taken
	c.leading = err == nil && taken
	return c.leading && ctx.Err() == nil
}

// check reports whether the lease is still held. Every act comes directly after a check. The lease
// can end between the two. The other controller then sees the replica, or chooses the same name for
// its own start, and the engine takes a name once.
func (c *Controller) check(ctx context.Context) bool {
	attempt, cancel := context.WithTimeout(ctx, c.cfg.Limits.Lease)
	defer cancel()
	held, err := c.cfg.Lease.Check(attempt)
	if ctx.Err() != nil {
		// The controller ends. Whether the lease is held is not known, so Release is called.
		return false
	}
	if err == nil && held {
		return true
	}
	c.cfg.Logger.Warn("lease lost", "error", err)
	c.loseLease()
	return false
}

// loseLease forgets the fleet, because another controller may change it from now on. The acts in
// progress are kept until they end, so that a later term does not adopt a replica that drains.
func (c *Controller) loseLease() {
	c.leading = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.adopted, c.history, c.again = false, nil, nil
	c.failures, c.pause = 0, time.Time{}
	maps.DeleteFunc(c.members, func(_ string, m *member) bool { return m.act == nil })
	c.bill()
}
