package cache

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

const (
	// maxCalls bounds the calls that are under way at once. Further callers wait for their turn
	// outside the breaker: a crowd of callers says nothing about the health of Redis.
	maxCalls = 4
	// breakerThreshold is the number of failed calls in a row that opens the breaker for
	// breakerPause. Then one caller tries for all. It exceeds maxCalls, because all calls
	// under way fail together when this process is paused.
	breakerThreshold = maxCalls + 1
	breakerPause     = 500 * time.Millisecond
)

// breaker stops calls to a Redis that has failed several times in a row.
type breaker struct {
	turns   chan struct{}
	circuit *gobreaker.CircuitBreaker[struct{}]
}

func newBreaker(logger *slog.Logger) *breaker {
	return &breaker{
		turns: make(chan struct{}, maxCalls),
		circuit: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name:         "redis",
			Timeout:      breakerPause,
			ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerThreshold },
			IsSuccessful: answered,
			// A caller that disconnects says nothing about Redis.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
			OnStateChange: func(_ string, _, to gobreaker.State) {
				logger.Warn("redis breaker", "state", to.String())
			},
		}),
	}
}

// answered reports whether Redis has answered. A refusal is an answer.
func answered(err error) bool {
	var answer redis.Error
	return err == nil || errors.As(err, &answer)
}

// call makes a call to Redis when it is the caller's turn. It returns an error at once while the
// breaker is open, also to callers that have waited for a turn.
func (b *breaker) call(ctx context.Context, call func() error) error {
	select {
	case b.turns <- struct{}{}:
		defer func() { <-b.turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // both were ready; the end of a context is no failure of Redis
	}
	_, err := b.circuit.Execute(func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// asking reports whether calls are made.
func (b *breaker) asking() bool { return b.circuit.State() != gobreaker.StateOpen }
