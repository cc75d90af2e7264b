package spec

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/redisstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// outageRate is a load that the database can answer alone.
	outageRate = 25 // requests a second
	// What happens to Redis meanwhile. It hangs for longer than a client waits.
	pauseAfter   = 500 * time.Millisecond
	pausedFor    = 2500 * time.Millisecond
	killAfter    = 800 * time.Millisecond
	deadFor      = time.Second
	flushAfter   = 800 * time.Millisecond
	outageLength = pauseAfter + pausedFor + killAfter + deadFor + flushAfter + 900*time.Millisecond
	// mostTries is how often a service may try a Redis that hangs: fewer times than there are
	// requests.
	mostTries = outageRate * int64(pausedFor/time.Millisecond) / 1000 / 2
)

// outageSeen is what was seen while Redis was away.
type outageSeen struct {
	result load.Result
	tries  int64 // made while Redis hung
}

// redisGone pauses, kills and flushes Redis under load.
func (l *trial) redisGone(ctx context.Context, run *lab.Run) error {
	g := browsing(l.one, 5)
	err := testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			l.outage.result, err = g.Hit(ctx, outageRate, outageLength)
			return err
		},
		l.maltreat,
	)
	if err != nil {
		return err
	}
	r := l.outage.result
	run.Report("mean latency while Redis was paused, killed and flushed", 1000*r.Latency.Mean().Seconds(), "ms")
	run.Report("p99 latency meanwhile", 1000*r.Latency.Quantile(0.99).Seconds(), "ms")
	run.Report("tries of Redis while it hung", float64(l.outage.tries), "")
	if r.Failed > 0 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%d requests to be answered while Redis was paused, killed and flushed", r.Sent),
			Seen:     fmt.Sprintf("%d were not: %v", r.Failed, r.Failures),
			Look:     lab.Look{Hint: "redis.go: how long does a call take that nobody answers? And through.go: what then?"},
		}
	}
	return nil
}

// maltreat does all of it, one after the other.
func (l *trial) maltreat(ctx context.Context) error {
	time.Sleep(pauseAfter)
	// Without a connection that is open already, each try makes one, and those are counted.
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
	time.Sleep(pausedFor)
	if err := l.server.Unpause(ctx); err != nil {
		return err
	}
	ended, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	l.outage.tries = ended.Since(began).Connections
	time.Sleep(killAfter)
	if err := l.server.Kill(ctx); err != nil {
		return err
	}
	time.Sleep(deadFor)
	if err := l.server.Start(ctx); err != nil {
		return err
	}
	time.Sleep(flushAfter)
	return l.flush(ctx)
}

// closeConnections closes all connections to Redis, but for the check's own.
func (l *trial) closeConnections(ctx context.Context) error {
	if err := l.redis.Do(ctx, "CLIENT", "KILL", "TYPE", "normal").Err(); err != nil {
		return fmt.Errorf("close redis's connections: %w", err)
	}
	return nil
}

// breaker judges what redisGone has seen.
func (l *trial) breaker(context.Context, *lab.Run) error {
	if l.outage.tries > mostTries {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most %d tries of a Redis that hangs for %s", mostTries, pausedFor),
			Seen:     fmt.Sprintf("%d, at %d requests a second", l.outage.tries, outageRate),
			Look:     lab.Look{Hint: "redis.go: who has failed five times in a row will fail a sixth time"},
		}
	}
	return nil
}
