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

// labelBed names the bed that a container or network belongs to; its value is random.
const labelBed = "bytebites.bed"

const (
	connectTimeout = 30 * time.Second
	closeTimeout   = 60 * time.Second
)

// Options say how a bed is made. The zero value is good.
type Options struct {
	// Progress is told of slow steps: images, builds. Nil shows nothing.
	Progress *progress.Reporter
	// QuotaPeriod is the period of every CPU quota on the bed; 100 ms when zero. With a
	// shorter one a small server is slow where it would stand still, and has a little
	// less capacity. From 1 ms to 1 s; the quota of the smallest type, 0.1 CPU, must
	// not fall below the 1 ms that kernels accept.
	QuotaPeriod time.Duration
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
	ctx       context.Context // of work under way; ends with Close
	stop      context.CancelCauseFunc
	unhook    func() bool
	closeOnce sync.Once
	closeErr  error
	mu        sync.Mutex
	closed    bool
	starts    sync.WaitGroup
	names     map[string]bool // of servers, taken
	servers   []*Server
}

// secrets are made for each bed: the workshop has no default secret.
type secrets struct {
	databasePassword string
	brokerPassword   string
	staffToken       string
	paymentSecret    string
}

// Start sweeps what dead owners left and makes an empty bed, which is closed by Close
// or when ctx ends. The error is or wraps an *engine.Unavailable when there is no
// engine to use.
func Start(ctx context.Context, o Options) (*Bed, error) {
	if o.QuotaPeriod == 0 {
		o.QuotaPeriod = defaultPeriod
	}
	if o.QuotaPeriod < time.Millisecond || o.QuotaPeriod > time.Second {
		return nil, fmt.Errorf("start test bed: quota period %v: want 1 ms to 1 s", o.QuotaPeriod)
	}
	setUp, cancel := context.WithTimeout(ctx, hostspeed.Wait(connectTimeout))
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
	b.mu.Lock() // ctx may have ended already, and Close needs what is set here
	defer b.mu.Unlock()
	// The error is kept for whoever calls Close.
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
		// Such as a network that someone has put a container of their own on. It is in
		// nobody's way.
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

// ID is the bed's random name, which is part of the names of what it starts.
func (b *Bed) ID() string { return b.id }

// Subnet is the bed's network, which only its servers have addresses on.
func (b *Bed) Subnet() netip.Prefix { return b.addresses.subnet }

// StaffToken is the secret that the bed's services take as proof of staff.
func (b *Bed) StaffToken() string { return b.secrets.staffToken }

// PaymentSecret is the key that the bed's services check payment webhooks with.
func (b *Bed) PaymentSecret() []byte { return []byte(b.secrets.paymentSecret) }

// Servers returns the bed's servers in the order in which they became ready.
func (b *Bed) Servers() []*Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.servers)
}

// errClosed is what work under way fails with when the bed is closed.
var errClosed = errors.New("test bed is closed")

// Close removes the bed's servers and network, without waiting for servers to stop of
// their own accord. Calling it again returns the same error.
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
	b.starts.Wait() // what is half created by now could not be found below
	ctx, cancel := context.WithTimeout(context.Background(), hostspeed.Wait(closeTimeout))
	defer cancel()
	err := removeContainers(ctx, b.docker, func(labels map[string]string) bool { return labels[labelBed] == b.id })
	err = errors.Join(err, b.removeNetwork(ctx), b.docker.Close())
	if err != nil {
		return fmt.Errorf("close test bed: %w", err)
	}
	return nil
}

// begin announces the making of a server, which Close has to wait for. The context that
// it returns also ends with the bed.
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

// SideBySide runs starts at once and waits for all of them. The error is that of the
// first to fail, which also calls off the others.
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
