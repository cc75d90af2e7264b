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
	// Target is the base URL. Its host must be a loopback address.
	Target     string
	Mix        Mix
	Population Population
	// Seed determines the requests. The same seed sends the same requests, except that the
	// Idempotency-Keys are new in each attack.
	Seed uint64
	// Timeout bounds one attempt of a request. Default 2 s.
	Timeout time.Duration
	// RetryAfter is the wait before the retry of a failed order. Default 100 ms.
	RetryAfter time.Duration

	transport http.RoundTripper // set by tests in virtual time; nil is the network
}

// Hit attacks for a duration, at a constant rate in requests a second. See Attack.
func (g Generator) Hit(ctx context.Context, rate float64, duration time.Duration) (Result, error) {
	if !(rate > 0) || math.IsInf(rate, 0) {
		return Result{}, fmt.Errorf("attack: rate %v is not more than 0", rate)
	}
	return g.Attack(ctx, Constant(rate), duration)
}

// Dinner attacks along the dinner curve. See Attack.
func (g Generator) Dinner(ctx context.Context, curve Curve) (Result, error) {
	if !(curve.Base > 0) || !(curve.Peak >= curve.Base) || math.IsInf(curve.Peak, 0) {
		return Result{}, fmt.Errorf("attack: curve from %v to %v: want 0 < base <= peak", curve.Base, curve.Peak)
	}
	return g.Attack(ctx, curve, curve.Length)
}

// leadTime is the time between the start of vegeta's workers and the first request, so that the
// start does not make the first requests late.
const leadTime = 20 * time.Millisecond

// Attack attacks on a schedule for a duration, and returns when every request has an answer or
// a timeout. Failed requests are a part of the result. After an error there
// is no result. Its causes are a bad configuration, a target on another machine
// (ErrNotLoopback), a duration or number of requests beyond its bound, and the end of ctx.
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
	c.began = started.Add(leadTime)
	host, err := startSampler(ctx, c.began.Add(duration))
	if err != nil {
		return Result{}, fmt.Errorf("attack: %w", err)
	}
	planned := uint64(len(c.records))
	attacker := vegeta.NewAttacker(
		vegeta.Client(newHTTPClient(c)),
		vegeta.Workers(initialWorkers(planned, duration)),
		vegeta.MaxWorkers(math.MaxUint64), // with a cap the loop would be closed
	)
	stopped := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stopped()
	// client.RoundTrip replaces this target by the request of the stream.
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

// giveUpAfter is how long after its window a late generator still sends requests. Later
// requests count as not sent.
const giveUpAfter = 250 * time.Millisecond

// initialWorkers is enough for a latency of half a second. vegeta adds workers when all of
// them wait.
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
