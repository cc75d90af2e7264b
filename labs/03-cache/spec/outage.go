package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/redisstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// outageRate, in requests per second, is a load that the database can answer alone.
	outageRate = 25
	// The outage in its order: a pause, a kill and a flush. The pause is longer than a client
	// waits.
	pauseAfter   = 500 * time.Millisecond
	pausedFor    = 2500 * time.Millisecond
	killAfter    = 800 * time.Millisecond
	deadFor      = time.Second
	flushAfter   = 800 * time.Millisecond
	outageLength = pauseAfter + pausedFor + killAfter + deadFor + flushAfter + 900*time.Millisecond
	// maxTries is the number of connections that a service may try to open to a Redis that
	// hangs: half the number of requests.
	maxTries = outageRate * int64(pausedFor/time.Millisecond) / 1000 / 2
)

// outageSeen is the result of the load during the outage.
type outageSeen struct {
	result load.Result
	tries  int64 // connections that were tried while Redis hung
}

// redisGone pauses, kills and flushes Redis under load.
func (l *trial) redisGone(ctx context.Context, run *lab.Run) error {
	g := browsing(l.one, 5)
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			l.outage.result, err = g.Hit(ctx, outageRate, outageLength)
			return err
		},
		l.disturb,
	)
	if err != nil {
		return err
	}
	r := l.outage.result
	run.Report("mean latency while Redis was paused, killed and flushed", 1000*r.Latency.Mean().Seconds(), "ms")
	run.Report("p99 latency during that outage", 1000*r.Latency.Quantile(0.99).Seconds(), "ms")
	run.Report("connections tried while Redis hung", float64(l.outage.tries), "")
	if r.Failed > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("right answers to %d requests while Redis was paused, killed and flushed", r.Sent),
			Seen:     fmt.Sprintf("%d failed: %s", r.Failed, load.Causes(r.Failures)), Waited: rig.LateLoad(r),
			Look: lab.Look{File: "redis.go", Func: "options", Hint: "how long may a call take? And what does reader.get in through.go do after it?"},
		}
	}
	return nil
}

// disturb pauses, kills and flushes Redis, one after the other.
func (l *trial) disturb(ctx context.Context) error {
	if err := rig.Pause(ctx, pauseAfter); err != nil {
		return err
	}
	// With no open connection left, every call opens one, and Redis counts those.
	if err := l.closeConnections(ctx); err != nil {
		return err
	}
	began, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	if err := l.server.Pause(ctx); err != nil {
		return err
	}
	err = rig.Pause(ctx, pausedFor)
	if err := errors.Join(err, l.server.Unpause(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	ended, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	l.outage.tries = ended.Since(began).Connections
	if err := rig.Pause(ctx, killAfter); err != nil {
		return err
	}
	if err := l.server.Kill(ctx); err != nil {
		return err
	}
	if err := rig.Pause(ctx, deadFor); err != nil {
		return err
	}
	if err := l.server.Start(ctx); err != nil {
		return err
	}
	if err := rig.Pause(ctx, flushAfter); err != nil {
		return err
	}
	return l.flush(ctx)
}

// closeConnections closes all connections to Redis except the check's own.
func (l *trial) closeConnections(ctx context.Context) error {
	if err := l.redis.Do(ctx, "CLIENT", "KILL", "TYPE", "normal").Err(); err != nil {
		return fmt.Errorf("close redis's connections: %w", err)
	}
	return nil
}

// breaker judges the number of connections that redisGone has counted.
func (l *trial) breaker(context.Context, *lab.Run) error {
	if l.outage.tries > maxTries {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d connections tried to a Redis that hangs for %s", maxTries, pausedFor),
			Seen:     fmt.Sprintf("%d, at %d requests per second", l.outage.tries, outageRate),
			Look:     lab.Look{File: "stretch_breaker.go", Func: "breaker.call", Hint: "after some failures in a row, a circuit breaker saves the next calls"},
		}
	}
	return nil
}
