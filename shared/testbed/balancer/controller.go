package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"text/template"
	"time"
)

// Replica is one server behind the balancer.
type Replica struct {
	Name     string
	ReadyURL string // answers 200 when it is ready
	Upstream string // host:port by which the balancer reaches it
}

// Publisher writes a list of servers to the balancer's configuration and reloads it.
type Publisher interface {
	Publish(ctx context.Context, list []byte) error
}

// Prober asks a replica whether it is ready; nil means ready.
type Prober interface {
	Probe(ctx context.Context, readyURL string) error
}

// Config holds the parts of a Controller.
type Config struct {
	Publisher Publisher
	Prober    Prober       // HTTP when nil
	Policy    Policy       // DefaultPolicy when zero
	Template  string       // of the list, see package text/template; NginxServers when empty
	Logger    *slog.Logger // logs every change; no log when nil
}

// Controller probes replicas and publishes the list of ready ones.
type Controller struct {
	publisher Publisher
	prober    Prober
	policy    Policy
	template  *template.Template
	logger    *slog.Logger

	mu        sync.Mutex
	replicas  []*replica
	wanted    int           // version of the wanted list; every change increments it
	reached   int           // version of the list that the balancer has
	published []string      // names on the balancer's list
	changed   chan struct{} // closed and replaced when the balancer has a new list
	outdated  chan struct{} // holds a message when Run must publish a new list
	ctx       context.Context
	probes    sync.WaitGroup
}

type replica struct {
	Replica
	health health
	stop   context.CancelFunc // ends its probes; nil before Run
}

// New returns a controller without replicas.
func New(c Config) (*Controller, error) {
	if c.Publisher == nil {
		return nil, errors.New("balancer: no publisher")
	}
	if c.Policy == (Policy{}) {
		c.Policy = DefaultPolicy()
	}
	if err := c.Policy.validate(); err != nil {
		return nil, err
	}
	if c.Prober == nil {
		c.Prober = newHTTPProber()
	}
	if c.Template == "" {
		c.Template = NginxServers
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	parsed, err := template.New("upstreams").Parse(c.Template)
	if err != nil {
		return nil, fmt.Errorf("balancer template: %w", err)
	}
	return &Controller{
		publisher: c.Publisher,
		prober:    c.Prober,
		policy:    c.Policy,
		template:  parsed,
		logger:    c.Logger,
		changed:   make(chan struct{}),
		outdated:  make(chan struct{}, 1),
	}, nil
}

// The errors of Register and Deregister when there is nothing to do.
var (
	ErrRegistered    = errors.New("already registered")
	ErrNotRegistered = errors.New("not registered")
)

// Register adds a replica. It is on the list after Rise successful probes. The error wraps
// ErrRegistered when a replica of that name is registered.
func (c *Controller) Register(r Replica) error {
	if r.Name == "" || r.ReadyURL == "" {
		return errors.New("register replica: no name or no URL")
	}
	if err := checkUpstream(r.Upstream); err != nil {
		return fmt.Errorf("register replica %s: %w", r.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.find(r.Name) >= 0 {
		return fmt.Errorf("register replica %s: %w", r.Name, ErrRegistered)
	}
	added := &replica{Replica: r}
	c.replicas = append(c.replicas, added)
	if c.ctx != nil {
		c.ask(added)
	}
	return nil
}

// Deregister removes a replica, and returns when the balancer sends it no new requests. The
// caller may then drain and stop it. Run must be running. The error wraps ErrNotRegistered when
// no replica of that name is registered.
func (c *Controller) Deregister(ctx context.Context, name string) error {
	c.mu.Lock()
	i := c.find(name)
	if i < 0 {
		c.mu.Unlock()
		return fmt.Errorf("deregister replica %s: %w", name, ErrNotRegistered)
	}
	if stop := c.replicas[i].stop; stop != nil {
		stop()
	}
	c.replicas = slices.Delete(c.replicas, i, i+1)
	c.touch()
	without := c.wanted
	c.mu.Unlock()
	// A publish of an older list may be in progress and would add the replica again. So wait
	// for the version without it, and do not look for its name.
	if _, err := c.await(ctx, func() bool { return c.reached >= without }); err != nil {
		return fmt.Errorf("deregister replica %s: %w", name, err)
	}
	return nil
}

// Published returns the names of the replicas on the list that the balancer has.
func (c *Controller) Published() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.published)
}

// Await waits until the balancer has a list for which good returns true, and returns it.
func (c *Controller) Await(ctx context.Context, good func(published []string) bool) ([]string, error) {
	return c.await(ctx, func() bool { return good(slices.Clone(c.published)) })
}

// await waits until done returns true. It calls done with the lock held.
func (c *Controller) await(ctx context.Context, done func() bool) ([]string, error) {
	for {
		c.mu.Lock()
		met, published, changed := done(), slices.Clone(c.published), c.changed
		c.mu.Unlock()
		if met {
			return published, nil
		}
		select {
		case <-ctx.Done():
			return published, fmt.Errorf("await upstream list, now %v: %w", published, context.Cause(ctx))
		case <-changed:
		}
	}
}

// Run probes and publishes until ctx ends, which is not an error. When a publish fails, Run
// logs the error and tries again after an interval; the balancer keeps its last list. Run
// may be called once.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	if c.ctx != nil {
		c.mu.Unlock()
		return errors.New("balancer: already running")
	}
	c.ctx = ctx
	for _, r := range c.replicas {
		c.ask(r)
	}
	c.mu.Unlock()
	defer c.probes.Wait()
	defer cancel() // before the wait
	for {
		var again <-chan time.Time
		if err := c.publish(ctx); err != nil && ctx.Err() == nil {
			c.logger.Warn("publish upstream list failed", "error", err)
			again = time.After(c.policy.Interval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.outdated:
		case <-again:
		}
	}
}

func (c *Controller) publish(ctx context.Context) error {
	c.mu.Lock()
	version := c.wanted
	var names, servers []string
	for _, r := range c.replicas {
		if r.health.ready {
			names = append(names, r.Name)
			servers = append(servers, r.Upstream)
		}
	}
	c.mu.Unlock()
	content, err := render(c.template, servers)
	if err != nil {
		return err
	}
	if err := c.publisher.Publish(ctx, content); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached, c.published = version, names
	close(c.changed)
	c.changed = make(chan struct{})
	c.logger.Info("upstream list published", "replicas", names)
	return nil
}

// touch tells Run that the list is out of date. One message stands for any number of
// changes. The channel keeps it, so a change during a publish is not lost. The caller holds
// the lock.
func (c *Controller) touch() {
	c.wanted++
	select {
	case c.outdated <- struct{}{}:
	default:
	}
}

// ask starts the probes of a replica. The caller holds the lock.
func (c *Controller) ask(r *replica) {
	ctx, stop := context.WithCancel(c.ctx)
	r.stop = stop
	// Each replica has its own goroutine, so that a hanging replica delays no other.
	c.probes.Go(func() {
		ticker := time.NewTicker(c.policy.Interval)
		defer ticker.Stop()
		for {
			c.probe(ctx, r)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

func (c *Controller) probe(ctx context.Context, r *replica) {
	attempt, cancel := context.WithTimeout(ctx, c.policy.Timeout)
	defer cancel()
	err := c.prober.Probe(attempt, r.ReadyURL)
	if ctx.Err() != nil {
		return // cancelled: the result says nothing about the replica
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := r.health
	r.health = before.after(err == nil, c.policy)
	if r.health.ready != before.ready {
		c.logger.Info("replica changed", "replica", r.Name, "ready", r.health.ready, "error", err)
		c.touch()
	}
}

func (c *Controller) find(name string) int {
	return slices.IndexFunc(c.replicas, func(r *replica) bool { return r.Name == name })
}
