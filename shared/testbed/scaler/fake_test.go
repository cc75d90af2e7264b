package scaler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/testbed/scaler"
)

// fakeReplica is a container of the fake fleet.
type fakeReplica struct {
	runs  time.Time // from then on it runs
	ready time.Time // zero while the balancer does not have it
	ended bool
}

// fakeFleet is a fleet in memory. Like an engine it takes a name once.
type fakeFleet struct {
	mu       sync.Mutex
	replicas map[string]*fakeReplica
	// registered are the replicas that the balancer asks.
	registered map[string]bool
	created    []string // names in the order of creation
	drained    []string
	acting     map[string]bool // names with a start or a drain in progress
	clashes    int             // acts on a name that had one in progress
	starting   int             // starts in progress
	together   int             // the most starts that were in progress at one time
	most       int             // the most replicas that existed at one time
	reads      int

	// What follows is set by a test, with set.
	startTakes, drainTakes, readTakes time.Duration
	giveUpTakes                       time.Duration // from the end of a start's context to its return
	neverReady                        func(name string) bool
	failStart                         func(name string) error
	// lateCreate is how long after a start has given up its container appears; 0 for never.
	lateCreate time.Duration
	// abandon says that a start that gives up leaves its container.
	abandon    bool
	load       float64 // replicas' worth of CPU
	unmeasured func(name string) bool
}

func newFleet() *fakeFleet {
	return &fakeFleet{replicas: make(map[string]*fakeReplica), registered: make(map[string]bool), acting: make(map[string]bool), startTakes: 3 * time.Second, drainTakes: 4 * time.Second}
}

func (f *fakeFleet) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// nap sleeps for d or until ctx ends.
func nap(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeFleet) Read(ctx context.Context) ([]scaler.Instance, error) {
	f.mu.Lock()
	f.reads++
	takes := f.readTakes
	ready := 0
	for _, r := range f.replicas {
		if !r.ready.IsZero() && !r.ended {
			ready++
		}
	}
	// The answer is that of the beginning, as with an engine that answers late.
	var all []scaler.Instance
	for name, r := range f.replicas {
		s := scaler.Instance{Name: name, Ended: r.ended || time.Now().Before(r.runs)}
		if !s.Ended {
			s.ReadySince = r.ready
			s.Measured = f.unmeasured == nil || !f.unmeasured(name)
			if s.Measured && !r.ready.IsZero() {
				s.Utilisation = min(1, f.load/float64(ready))
			}
		}
		all = append(all, s)
	}
	f.mu.Unlock()
	if late := nap(ctx, takes); late != nil {
		return nil, late
	}
	return all, nil
}

// create makes a replica, unless the name is taken.
func (f *fakeFleet) create(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.replicas[name] != nil {
		return false
	}
	// A container is created first, and runs when its files are there.
	f.replicas[name] = &fakeReplica{runs: time.Now().Add(f.startTakes * 8 / 10)}
	f.created = append(f.created, name)
	f.most = max(f.most, len(f.replicas))
	return true
}

// act notes an act on a name, until the returned function is called.
func (f *fakeFleet) act(name string) (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.acting[name] {
		f.clashes++
	}
	f.acting[name] = true
	return func() { f.set(func() { delete(f.acting, name) }) }
}

func (f *fakeFleet) Start(ctx context.Context, name string) error {
	defer f.act(name)()
	f.mu.Lock()
	f.starting++
	f.together = max(f.together, f.starting)
	takes, late, abandon, fails := f.startTakes, f.lateCreate, f.abandon, f.failStart
	if r := f.replicas[name]; r != nil && (r.ended || time.Now().Before(r.runs)) {
		delete(f.replicas, name)
	}
	f.mu.Unlock()
	defer f.set(func() { f.starting-- })
	if fails != nil {
		if err := fails(name); err != nil {
			return err
		}
	}
	if late > 0 { // the engine does not answer in time, and creates the container later
		<-ctx.Done()
		time.AfterFunc(late, func() {
			if f.create(name) {
				f.set(func() { f.replicas[name].runs = time.Now() })
			}
		})
		return ctx.Err()
	}
	made := f.create(name)
	if err := nap(ctx, takes); err != nil {
		f.mu.Lock()
		cleanup := f.giveUpTakes
		f.mu.Unlock()
		time.Sleep(cleanup)
		if made && !abandon {
			f.set(func() { delete(f.replicas, name) })
		}
		return err
	}
	for {
		done := false
		f.set(func() {
			r := f.replicas[name]
			switch {
			case r == nil || r.ended:
				done = true
			case f.neverReady == nil || !f.neverReady(name):
				r.ready, done = time.Now(), true
				f.registered[name] = true
			}
		})
		if done {
			return nil
		}
		if err := nap(ctx, 100*time.Millisecond); err != nil {
			return err // it runs and is left
		}
	}
}

func (f *fakeFleet) Drain(ctx context.Context, name string) error {
	defer f.act(name)()
	f.mu.Lock()
	r, takes := f.replicas[name], f.drainTakes
	delete(f.registered, name)
	if r == nil {
		f.mu.Unlock()
		return nil
	}
	ended := r.ended
	r.ready = time.Time{}
	f.drained = append(f.drained, name)
	f.mu.Unlock()
	if !ended {
		if err := nap(ctx, takes); err != nil {
			return err
		}
	}
	f.set(func() { delete(f.replicas, name) })
	return nil
}

// names returns the replicas that exist, sorted; those that the balancer has when ready is true.
func (f *fakeFleet) names(ready bool) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name, r := range f.replicas {
		if !ready || !r.ready.IsZero() && !r.ended {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fakeLease is a lease in memory. Several controllers share its holder.
type fakeLease struct {
	shared *holder
	name   string
}

type holder struct {
	mu   sync.Mutex
	name string
	err  error
}

func (h *holder) set(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name, h.err = name, err
}

func (h *holder) get() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.name
}

func (l fakeLease) Take(context.Context) (bool, error) {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	if l.shared.err != nil {
		return false, l.shared.err
	}
	if l.shared.name == "" {
		l.shared.name = l.name
	}
	return l.shared.name == l.name, nil
}

func (l fakeLease) Check(context.Context) (bool, error) {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	if l.shared.err != nil {
		return false, l.shared.err
	}
	return l.shared.name == l.name, nil
}

func (l fakeLease) Release(context.Context) error {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	if l.shared.name == l.name {
		l.shared.name = ""
	}
	return nil
}

// log keeps what a controller logs.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count returns how many lines hold all texts.
func (l *log) count(texts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.buf.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// script is a policy that returns the number that a test has set, or what the test's function returns.
type script struct {
	mu    sync.Mutex
	n     int
	do    func(history []autoscale.Reading, now time.Time, state autoscale.State) int
	last  call
	calls int
}

type call struct {
	history []autoscale.Reading
	now     time.Time
	state   autoscale.State
}

func (s *script) want(n int) { s.set(func() { s.n, s.do = n, nil }) }

func (s *script) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *script) policy(history []autoscale.Reading, now time.Time, state autoscale.State) int {
	s.mu.Lock()
	do, n := s.do, s.n
	s.last = call{history, now, state}
	s.calls++
	s.mu.Unlock()
	if do != nil {
		return do(history, now, state)
	}
	return n
}

func (s *script) seen() call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// trial is a controller on a fake fleet, in fake time.
type trial struct {
	t      *testing.T
	fleet  *fakeFleet
	policy *script
	log    *log
	clock  scaler.Clock
	config scaler.Config
}

const (
	interval = time.Second
	factor   = 30
	instant  = time.Millisecond
)

// inFakeTime runs a test with a fleet, and a policy that wants 2 of at most 10.
func inFakeTime(t *testing.T, body func(t *testing.T, r *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t, fleet: newFleet(), policy: &script{n: 2}, log: &log{}, clock: scaler.Clock{Start: time.Now(), Factor: factor}}
		r.config = scaler.Config{
			Fleet: r.fleet, Policy: r.policy.policy, Clock: r.clock, Interval: interval, Min: 2, Max: 10,
			Limits: scaler.Limits{Read: 2 * time.Second, Ready: 20 * time.Second, Drain: 20 * time.Second},
			Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		}
		body(t, r)
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
}

// run starts a controller. End ends it and waits for it; the test's end does so too.
func (r *trial) run(config scaler.Config) (c *scaler.Controller, end func()) {
	r.t.Helper()
	c, err := scaler.New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
	r.t.Cleanup(end)
	return c, end
}

// after waits for d of fake time.
func after(d time.Duration) {
	time.Sleep(d + instant)
	synctest.Wait()
}

func (r *trial) wantReady(names ...string) {
	r.t.Helper()
	slices.Sort(names)
	if got := r.fleet.names(true); !slices.Equal(got, names) {
		r.t.Errorf("ready are %v, want %v", got, names)
	}
}

func (r *trial) wantLog(n int, texts ...string) {
	r.t.Helper()
	if got := r.log.count(texts...); got != n {
		r.t.Errorf("log has %d lines with %q, want %d", got, texts, n)
	}
}

// replicas returns names 1 to n.
func replicas(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("replica-%d", i+1))
	}
	return names
}

// give puts ready replicas into a fleet, as an earlier controller has left them.
func (f *fakeFleet) give(names ...string) {
	for i, name := range names {
		f.create(name)
		f.set(func() {
			f.replicas[name].runs = time.Now()
			f.replicas[name].ready = time.Now().Add(time.Duration(i-len(names)) * time.Minute)
		})
	}
}

var errEngine = errors.New("engine is busy")
