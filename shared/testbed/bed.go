package testbed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// labelBed is the label that holds the id of the bed of a container or network.
const labelBed = "bytebites.bed"

const (
	connectTimeout = 30 * time.Second
	closeTimeout   = 60 * time.Second
)

// Options describe a bed. The zero value is valid.
type Options struct {
	// Progress reports slow steps: images, builds. Nil reports nothing.
	Progress *progress.Reporter
	// QuotaPeriod is the period of every CPU quota on the bed; 100 ms when zero. With a
	// shorter period a small server has many short pauses and no long ones, and a little
	// less capacity. From 1 ms to 1 s. A kernel rejects a quota below 1 ms a period; the
	// smallest type has 0.1 CPU, so its shortest period is 10 ms.
	QuotaPeriod time.Duration
	// Reusable has PostgreSQL servers keep a copy of their first state, so that Recycle can
	// bring it back. The copy takes as much disk space as the data.
	Reusable bool
}

// Bed is a private network and the servers on it. Its methods may be called from
// several goroutines.
type Bed struct {
	id       string
	docker   *engine.Engine
	progress *progress.Reporter
	period   time.Duration
	labels   map[string]string
	builder  *gobuild.Builder
	secrets  secrets

	network   string // name
	networkID string
	addresses *addresses
	ports     ports
	ctx       context.Context // of starts in progress; ends with Close
	stop      context.CancelCauseFunc
	unhook    func() bool
	closeOnce sync.Once
	closeErr  error
	mu        sync.Mutex
	closed    bool
	starts    sync.WaitGroup
	names     map[string]bool // names of servers in use
	servers   []*Server
	programs  sync.Mutex        // guards volumes, while one is made
	volumes   map[string]string // names of volumes with programs, by package
	reuse     bool
	reusables map[string]*reusable // by name
}

// secrets are made for each bed: the workshop has no default secret.
type secrets struct {
	databasePassword string
	brokerPassword   string
	staffToken       string
	paymentSecret    string
}

// Start sweeps the leftovers of dead owners and makes an empty bed. Close closes the bed,
// and so does the end of ctx. Without a usable engine the error wraps an
// *engine.Unavailable.
func Start(ctx context.Context, o Options) (*Bed, error) {
	if o.QuotaPeriod == 0 {
		o.QuotaPeriod = defaultPeriod
	}
	if o.QuotaPeriod < time.Millisecond || o.QuotaPeriod > time.Second {
		return nil, fmt.Errorf("start test bed: quota period %v: want 1 ms to 1 s", o.QuotaPeriod)
	}
	setUp, cancel := hostlock.WithTimeout(ctx, hostspeed.Wait(connectTimeout)) // another process may sweep
	defer cancel()
	docker, err := engine.Connect(setUp)
	if err != nil {
		return nil, fmt.Errorf("start test bed: %w", err)
	}
	b, err := newBed(setUp, docker, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start test bed: %w", err), docker.Close())
	}
	b.ctx, b.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	b.mu.Lock() // ctx may have ended already, and Close needs the field set here
	defer b.mu.Unlock()
	// A later call of Close returns the error.
	b.unhook = context.AfterFunc(ctx, func() { _ = b.Close() })
	return b, nil
}

func newBed(ctx context.Context, docker *engine.Engine, o Options) (*Bed, error) {
	platform, err := gobuild.PlatformOf(ctx, docker)
	if err != nil {
		return nil, err
	}
	b := &Bed{
		id:       random(4),
		docker:   docker,
		progress: o.Progress,
		period:   o.QuotaPeriod,
		names:    make(map[string]bool),
		volumes:  make(map[string]string),
		reuse:    o.Reusable, reusables: make(map[string]*reusable),
		secrets: secrets{
			databasePassword: random(16),
			brokerPassword:   random(16),
			staffToken:       random(32),
			paymentSecret:    random(32),
		},
	}
	b.labels = maps.Clone(map[string]string(hostlock.Owner()))
	b.labels[labelBed] = b.id
	b.builder = gobuild.NewBuilder(platform)
	if _, err := Sweep(ctx, docker); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		// For example, a user's own container is attached to a leftover network. Leftovers
		// do not disturb a new bed.
		o.Progress.Note("leftovers of an earlier run remain: %v", err)
	}
	if err := b.makeNetwork(ctx); err != nil {
		return nil, err
	}
	if err := b.prepareTestcontainers(); err != nil {
		return nil, errors.Join(err, b.removeNetwork(ctx))
	}
	return b, nil
}

// ID is the bed's random id, which is part of the names of its containers.
func (b *Bed) ID() string { return b.id }

// Subnet is the subnet of the bed's network. Only the bed's servers have addresses in it.
func (b *Bed) Subnet() netip.Prefix { return b.addresses.subnet }

// StaffToken is the secret by which the bed's services recognise a request of staff.
func (b *Bed) StaffToken() string { return b.secrets.staffToken }

// PaymentSecret is the key with which the bed's services verify payment webhooks.
func (b *Bed) PaymentSecret() []byte { return []byte(b.secrets.paymentSecret) }

// Servers returns the bed's servers in the order in which they became ready.
func (b *Bed) Servers() []*Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.servers)
}

// errClosed is the error of a start when the bed is closed.
var errClosed = errors.New("test bed is closed")

// Close kills the bed's servers, and removes them, their volumes and the network. Another call returns the
// same error.
func (b *Bed) Close() error {
	b.closeOnce.Do(func() { b.closeErr = b.close() })
	return b.closeErr
}

func (b *Bed) close() error {
	b.mu.Lock()
	b.closed = true
	unhook := b.unhook
	b.mu.Unlock()
	unhook()
	b.stop(errClosed)
	b.starts.Wait() // the listing below would miss a container that is being created
	ctx, cancel := context.WithTimeout(context.Background(), hostspeed.Wait(closeTimeout))
	defer cancel()
	own := func(labels map[string]string) bool { return labels[labelBed] == b.id }
	err := removeContainers(ctx, b.docker, own)
	err = errors.Join(err, removeVolumes(ctx, b.docker, own), b.removeNetwork(ctx), b.docker.Close())
	if err != nil {
		return fmt.Errorf("close test bed: %w", err)
	}
	return nil
}

// begin registers the start of a server, so that Close waits for it. The caller must call
// the returned function at the end. The returned context also ends with the bed.
func (b *Bed) begin(ctx context.Context) (context.Context, func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, errClosed
	}
	b.starts.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })
	return ctx, func() {
		unhook()
		cancel(nil)
		b.starts.Done()
	}, nil
}

// SideBySide runs starts in parallel and waits for all of them. The first error cancels the
// others and is returned.
func SideBySide(ctx context.Context, starts ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, start := range starts {
		group.Go(func() error { return start(ctx) })
	}
	return group.Wait()
}

// random returns n random bytes in hexadecimal.
func random(n int) string {
	data := make([]byte, n)
	_, _ = rand.Read(data) // never fails, see crypto/rand
	return hex.EncodeToString(data)
}
