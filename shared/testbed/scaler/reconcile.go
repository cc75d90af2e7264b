package scaler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

// reconcile updates the members from a reading of the fleet. It removes replicas that have ended or
// do not become ready, and continues starts. A replica whose act ended during the reading is left
// alone, because the reading may be older than the end of the act.
func (c *Controller) reconcile(ctx context.Context, seen []Instance, began int, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.removed, func(_ string, at int) bool { return at <= began })
	names := make(map[string]bool)
	for _, s := range seen {
		names[s.Name] = true
		c.next = max(c.next, c.number(s.Name)+1)
		if c.removed[s.Name] > 0 {
			continue // it was removed while the fleet was read
		}
		m := c.members[s.Name]
		if m == nil {
			c.again = slices.DeleteFunc(c.again, func(name string) bool { return name == s.Name })
			m = &member{name: s.Name, unready: now}
			c.members[s.Name] = m
			c.cfg.Logger.Info("replica adopted", "replica", s.Name, "ended", s.Ended, "ready", !s.ReadySince.IsZero())
		}
		if m.actEnded <= began {
			c.judge(ctx, m, s, now)
		}
	}
	for _, m := range c.members {
		if !names[m.name] && m.act == nil && m.actEnded <= began {
			c.forget(ctx, m)
		}
	}
	c.bill()
}

// adopt takes over the fleet at the first reading of a term. The replicas that run are all that an
// earlier controller left. The times of its last changes are not known: a container has a time of
// creation, but a drained replica has left nothing. So both last changes count as made now. That is
// the safe choice, because no cooldown is cut short. It costs no time: a policy that waits for a
// sustained breach needs a history first, and the history begins now too.
//
// For an empty fleet the policy says how many replicas to start. It is asked without a history.
func (c *Controller) adopt(ctx context.Context, now time.Time) {
	story := c.cfg.Clock.Story(now)
	c.mu.Lock()
	live, earlier := len(c.live()), len(c.members) > 0
	c.mu.Unlock()
	keep := min(max(live, c.cfg.Min), c.cfg.Max)
	if live == 0 {
		if answer, ok := c.ask(ctx, nil, story, autoscale.State{}); ok {
			keep = answer
		}
	}
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.adopted = true
	c.state.LastOut = story
	if earlier {
		c.state.LastIn = story
	}
	c.change(keep, story)
	c.cfg.Logger.Info("fleet adopted", "replicas", live, "keep", keep)
}

// change records how many replicas should run from now on. The caller holds the lock.
func (c *Controller) change(running int, story time.Time) {
	c.state.Running = running
	c.changes = append(c.changes, autoscale.Change{At: story, Running: running})
}

// judge looks at one replica that was seen. The caller holds the lock.
func (c *Controller) judge(ctx context.Context, m *member, s Instance, now time.Time) {
	m.readySince = s.ReadySince
	if !s.ReadySince.IsZero() {
		m.unready = time.Time{}
	} else if m.unready.IsZero() {
		m.unready = now
		if !m.draining {
			c.cfg.Logger.Warn("replica not ready", "replica", m.name)
		}
	}
	if m.act != nil {
		return // it starts or drains
	}
	switch left := c.cfg.Limits.Ready - now.Sub(m.unready); {
	case m.draining:
		c.drain(ctx, m, "an earlier drain failed")
	case s.Ended:
		m.ended = true
		c.cfg.Logger.Warn("replica ended", "replica", m.name)
		c.drain(ctx, m, "it has ended")
	case m.unready.IsZero():
	case left <= 0:
		c.cfg.Logger.Warn("replica not ready in time", "replica", m.name, "limit", c.cfg.Limits.Ready)
		c.drain(ctx, m, "it was not ready in time")
	default:
		c.cfg.Logger.Info("start continued", "replica", m.name, "limit", left)
		c.start(ctx, m, left)
	}
}

// forget drops a replica that does not exist. If its start had failed, the next start uses its name.
// An engine that answers late may still create the replica, and it takes a name once. The caller
// holds the lock.
func (c *Controller) forget(ctx context.Context, m *member) {
	switch {
	case m.draining:
		delete(c.members, m.name)
		c.cfg.Logger.Info("replica removed", "replica", m.name)
	case !m.decided.IsZero() && m.readySince.IsZero():
		delete(c.members, m.name)
		c.again = append(c.again, m.name)
	default:
		m.ended = true
		c.cfg.Logger.Warn("replica gone", "replica", m.name)
		c.drain(ctx, m, "it is gone") // the balancer still knows it
	}
}

// number returns the number in a replica's name, or 0.
func (c *Controller) number(name string) int {
	text, found := strings.CutPrefix(name, c.cfg.NamePrefix)
	n, err := strconv.Atoi(text)
	if !found || err != nil || n < 0 {
		return 0
	}
	return n
}

// compareNames orders names by their numbers.
func (c *Controller) compareNames(a, b string) int {
	if d := c.number(a) - c.number(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// newName returns the name of the next replica. The caller holds the lock.
func (c *Controller) newName() string {
	if len(c.again) > 0 {
		name := c.again[0]
		c.again = slices.Delete(c.again, 0, 1)
		return name
	}
	name := c.cfg.NamePrefix + strconv.Itoa(c.next)
	c.next++
	return name
}

// converge starts the replicas that are missing, side by side, or drains those that are too many.
// It checks the lease before each.
func (c *Controller) converge(ctx context.Context) {
	for c.surplus() != 0 {
		if !c.check(ctx) {
			return
		}
		c.mu.Lock()
		switch live := c.live(); {
		case len(live) < c.state.Running:
			now := time.Now()
			m := &member{name: c.newName(), decided: now, unready: now}
			c.members[m.name] = m
			c.cfg.Logger.Info("replica starts", "replica", m.name, "running", len(live), "wanted", c.state.Running)
			c.start(ctx, m, c.cfg.Limits.Ready)
		case len(live) > c.state.Running:
			c.drain(ctx, c.victim(live), fmt.Sprintf("%d run, %d are wanted", len(live), c.state.Running))
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bill()
}

// surplus returns how many replicas are too many. It is negative when replicas are missing, and 0
// while the pause after a failed start lasts.
func (c *Controller) surplus() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.live()) - c.state.Running
	if n < 0 && time.Now().Before(c.pause) {
		return 0
	}
	return n
}

// victim returns the replica to drain, chosen as the ReplicaSet of Kubernetes does. A replica that is
// not ready goes first, then the one that became ready last: older replicas have warm caches. Of
// equals it is the one with the highest number.
func (c *Controller) victim(live []*member) *member {
	return slices.MinFunc(live, func(a, b *member) int {
		switch aReady, bReady := a.unready.IsZero(), b.unready.IsZero(); {
		case aReady != bReady && bReady:
			return -1
		case aReady != bReady:
			return 1
		case aReady && !a.readySince.Equal(b.readySince):
			return b.readySince.Compare(a.readySince)
		}
		return c.compareNames(b.name, a.name)
	})
}

// start starts a replica in the background, or continues its start. The caller holds the lock.
func (c *Controller) start(ctx context.Context, m *member, limit time.Duration) {
	c.begin(ctx, m, min(limit, c.cfg.Limits.Start), func(ctx context.Context) error { return c.cfg.Fleet.Start(ctx, m.name) }, func(err error) {
		switch now := time.Now(); {
		case m.draining || ctx.Err() != nil:
		case err != nil:
			c.failures++
			c.pause = now.Add(c.cfg.Interval * time.Duration(1<<min(c.failures, maxPauseShift)))
			c.cfg.Logger.Warn("start failed", "replica", m.name, "error", err, "failures", c.failures, "next", c.pause.Sub(now))
		default:
			c.failures, c.pause = 0, time.Time{}
			if m.decided.IsZero() {
				c.cfg.Logger.Info("replica ready", "replica", m.name)
				return
			}
			c.readied = append(c.readied, Readied{Name: m.name, Decided: m.decided, Ready: now})
			c.cfg.Logger.Info("replica ready", "replica", m.name, "seconds", now.Sub(m.decided).Seconds())
			m.decided = time.Time{} // when it falls off the list and comes back, that is no start
		}
	})
}

// maxPauseShift bounds the pause after failed starts: 2, 4 and then 8 intervals.
const maxPauseShift = 3

// drain drains a replica in the background. A start of it in progress is given up first. The caller
// holds the lock.
func (c *Controller) drain(ctx context.Context, m *member, why string) {
	m.draining = true
	c.cfg.Logger.Info("replica drains", "replica", m.name, "why", why)
	earlier := m.act
	began := time.Now()
	c.begin(ctx, m, c.cfg.Limits.Drain, func(ctx context.Context) error {
		if earlier != nil {
			earlier.cancel()
			<-earlier.done // a start returns soon after its context has ended
		}
		return c.cfg.Fleet.Drain(ctx, m.name)
	}, func(err error) {
		if err != nil {
			if ctx.Err() != nil {
				return // the controller ends
			}
			c.cfg.Logger.Warn("drain failed", "replica", m.name, "error", err)
			return
		}
		delete(c.members, m.name)
		c.removed[m.name] = c.ended
		c.cfg.Logger.Info("replica removed", "replica", m.name, "seconds", time.Since(began).Seconds())
	})
}

// begin runs an act in the background, and calls ended with its error and with the lock held. The
// caller holds the lock.
func (c *Controller) begin(ctx context.Context, m *member, limit time.Duration, do func(context.Context) error, ended func(error)) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	this := &act{cancel: cancel, done: make(chan struct{})}
	m.act = this
	c.acts.Go(func() {
		defer close(this.done)
		defer cancel()
		err := do(ctx)
		if err != nil && context.Cause(ctx) != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended++
		m.actEnded = c.ended
		if m.act == this {
			m.act = nil
		}
		ended(err)
		if !c.adopted && m.act == nil { // the lease was lost: the replica is another controller's
			delete(c.members, m.name)
		}
		c.bill()
	})
}
