package load

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// The bounds of one attack.
const (
	MaxDuration = 10 * time.Minute
	MaxRequests = 1_000_000
)

// The defaults of a Generator.
const (
	DefaultTimeout    = 2 * time.Second
	DefaultRetryAfter = 100 * time.Millisecond
)

// Generator sends a mix to a target.
type Generator struct {
	// Target is the base URL. Only loopback addresses are attacked.
	Target     string
	Mix        Mix
	Population Population
	// Seed determines the requests: the same seed sends the same ones, but for the
	// Idempotency-Keys, which are new in each attack.
	Seed uint64
	// Timeout is a client's patience with one attempt. Default 2 s.
	Timeout time.Duration
	// RetryAfter is how long a client waits before it sends a failed order again.
	// Default 100 ms.
	RetryAfter time.Duration

	transport http.RoundTripper // of tests in virtual time; else the real one
}

// Hit attacks at a constant rate, in requests a second, for a duration, and returns
// when the last answer is in or given up.
func (g Generator) Hit(ctx context.Context, rate float64, duration time.Duration) (Result, error) {
	if !(rate > 0) || math.IsInf(rate, 0) {
		return Result{}, fmt.Errorf("attack: rate %v is not more than 0", rate)
	}
	return g.Attack(ctx, Constant(rate), duration)
}

// Dinner attacks along the dinner curve.
func (g Generator) Dinner(ctx context.Context, curve Curve) (Result, error) {
	if !(curve.Base > 0) || !(curve.Peak >= curve.Base) || math.IsInf(curve.Peak, 0) {
		return Result{}, fmt.Errorf("attack: curve from %v to %v: want 0 < base <= peak", curve.Base, curve.Peak)
	}
	return g.Attack(ctx, curve, curve.Length)
}

// lead is the time between the start of vegeta's workers and the first request. It
// keeps their start out of the first requests' lateness.
const lead = 20 * time.Millisecond

// Attack attacks on a schedule for a duration, and returns when the last answer is in
// or given up. Failed requests are part of the result; an error says that there was no
// attack to speak of: a bad configuration, a target that is not this machine
// (ErrNotLoopback), a bound exceeded, or a cancelled context.
func (g Generator) Attack(ctx context.Context, schedule Schedule, duration time.Duration) (Result, error) {
	c, err := g.client(ctx, schedule, duration)
	if err != nil {
		return Result{}, fmt.Errorf("attack: %w", err)
	}
	if c.transport = g.transport; c.transport == nil {
		transport := newTransport()
		defer transport.CloseIdleConnections()
		c.transport = transport
	}

	started := time.Now()
	c.began = started.Add(lead)
	host, err := startSampler(ctx, c.began.Add(duration))
	if err != nil {
		return Result{}, fmt.Errorf("attack: %w", err)
	}
	planned := uint64(len(c.records))
	attacker := vegeta.NewAttacker(
		vegeta.Client(newHTTPClient(c)),
		vegeta.Workers(initialWorkers(planned, duration)),
		vegeta.MaxWorkers(math.MaxUint64), // a cap would turn the open loop into a closed one
	)
	stopped := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stopped()
	// What the target says is replaced in client.RoundTrip.
	placeholder := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: g.Target})
	pace := pacer{ctx: ctx, schedule: schedule, began: c.began, planned: planned, giveUp: duration + giveUpAfter, sleep: fineSleep}
	if g.transport != nil {
		pace.sleep = timerSleep
	}
	var refused error
	for r := range attacker.Attack(placeholder, pace, 0, "") {
		if r.Error != "" && refused == nil {
			refused = errors.New(r.Error)
		}
	}
	elapsed := time.Since(c.began)
	seen, err := host.stop(context.WithoutCancel(ctx))
	if err := errors.Join(ctx.Err(), refused, err); err != nil {
		return Result{}, fmt.Errorf("attack: %w", err)
	}
	r := c.result(schedule, duration)
	r.Target, r.Mix, r.Seed, r.Run = g.Target, g.Mix.Name, g.Seed, c.stream.run
	r.Started, r.Elapsed, r.Host = started, elapsed, seen
	return r, nil
}

// giveUpAfter is how long after its window a late generator still sends. Beyond it the
// requests count as not sent.
const giveUpAfter = 250 * time.Millisecond

// initialWorkers is enough for answers that take half a second; vegeta adds more when
// all of them wait.
func initialWorkers(planned uint64, duration time.Duration) uint64 {
	rate := float64(planned) / duration.Seconds()
	return uint64(min(max(rate/2, 16), 2000))
}

func (g Generator) client(ctx context.Context, schedule Schedule, duration time.Duration) (*client, error) {
	target, err := parseTarget(g.Target)
	if err != nil {
		return nil, err
	}
	if duration <= 0 || duration > MaxDuration {
		return nil, fmt.Errorf("duration %s: want more than 0 and at most %s", duration, MaxDuration)
	}
	planned := schedule.Count(duration)
	if planned == 0 || planned > MaxRequests {
		return nil, fmt.Errorf("%d requests in %s: want at least 1 and at most %d", planned, duration, MaxRequests)
	}
	stream, err := NewStream(g.Mix, g.Population, g.Seed, rand.Text())
	if err != nil {
		return nil, err
	}
	c := &client{
		target: target, stream: stream, ctx: ctx, contracts: kinds(),
		timeout: g.Timeout, retryAfter: g.RetryAfter,
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		records: make([]record, planned),
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	if c.retryAfter <= 0 {
		c.retryAfter = DefaultRetryAfter
	}
	return c, nil
}
