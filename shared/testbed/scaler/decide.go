package scaler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// decide asks the policy and records its answer. Without an answer, the number of replicas does not
// change.
func (c *Controller) decide(ctx context.Context, now time.Time) {
	c.mu.Lock()
	history, state := cloneHistory(c.history), c.state
	c.mu.Unlock()
	story := c.cfg.Clock.Story(now)
	wanted, ok := c.ask(ctx, history, story, state)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if wanted == state.Running {
		return
	}
	c.change(wanted, story)
	phrase := "scale out"
	if wanted > state.Running {
		c.state.LastOut = story
	} else {
		phrase = "scale in"
		c.state.LastIn = story
	}
	mean, measured, ready := summary(history)
	c.cfg.Logger.Info(phrase, "from", state.Running, "to", wanted,
		"utilisation", mean, "measured", measured, "ready", ready, "story", story.Format(time.TimeOnly))
}

// ask returns the policy's answer, within the bounds. Without an answer ok is false.
func (c *Controller) ask(ctx context.Context, history []autoscale.Reading, now time.Time, state autoscale.State) (wanted int, ok bool) {
	answer, err := c.call(ctx, history, now, state)
	if ctx.Err() != nil {
		return 0, false
	}
	if err != nil {
		c.cfg.Logger.Error("policy failed", "error", err, "running", state.Running)
		return 0, false
	}
	wanted = min(max(answer, c.cfg.Min), c.cfg.Max)
	if wanted != answer {
		c.cfg.Logger.Warn("policy answer out of bounds", "answer", answer, "min", c.cfg.Min, "max", c.cfg.Max, "used", wanted)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers++
	return wanted, true
}

// summary returns the mean utilisation of the ready replicas that the last reading measured, and how
// many it measured and saw ready.
func summary(history []autoscale.Reading) (mean float64, measured, ready int) {
	if len(history) == 0 {
		return 0, 0, 0
	}
	for _, r := range history[len(history)-1].Replicas {
		if r.ReadySince.IsZero() {
			continue
		}
		ready++
		if r.Measured {
			measured++
			mean += r.Utilisation
		}
	}
	return mean / float64(max(1, measured)), measured, ready
}

// errPolicyBusy says that an earlier call of the policy has not returned.
var errPolicyBusy = errors.New("the call before has not returned")

// call calls the policy in a goroutine of its own. The controller then goes on when the policy panics
// or does not return. A policy that never returns keeps one goroutine.
func (c *Controller) call(ctx context.Context, history []autoscale.Reading, now time.Time, state autoscale.State) (int, error) {
	select {
	case c.asking <- struct{}{}:
	default:
		return 0, errPolicyBusy
	}
	type result struct {
		answer int
		err    error
	}
	done := make(chan result, 1)
	go func() {
		returned := result{err: errors.New("it ended its goroutine")} // runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				returned.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			<-c.asking
			done <- returned
		}()
		answer := c.cfg.Policy(history, now, state)
		returned = result{answer: answer}
	}()
	limit := time.NewTimer(c.cfg.Limits.Policy)
	defer limit.Stop()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-limit.C:
		return 0, fmt.Errorf("no answer within %v", c.cfg.Limits.Policy)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
