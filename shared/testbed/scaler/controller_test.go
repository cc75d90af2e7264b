package scaler_test

import (
	"context"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	"bytebites.example/workshop/shared/testbed/scaler"
)

func running(changes []autoscale.Change) []int {
	var numbers []int
	for _, c := range changes {
		numbers = append(numbers, c.Running)
	}
	return numbers
}

func TestFollowsThePolicyOutAndIn(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		c, _ := r.run(r.config)
		after(0)
		if got := r.fleet.names(false); !slices.Equal(got, replicas(2)) {
			t.Errorf("at once there are %v, want the two of Min", got)
		}
		after(3 * time.Second)
		r.wantReady(replicas(2)...)

		r.policy.want(4)
		after(5 * time.Second)
		r.wantReady(replicas(4)...)
		if r.fleet.together != 2 {
			t.Errorf("%d starts side by side, want 2", r.fleet.together)
		}
		r.policy.want(2)
		after(interval)
		if got := r.fleet.names(false); !slices.Equal(got, replicas(4)) {
			t.Errorf("while two drain there are %v, want 4", got)
		}
		r.wantReady(replicas(2)...) // the younger ones drain
		after(5 * time.Second)
		if got := r.fleet.names(false); !slices.Equal(got, replicas(2)) {
			t.Errorf("after the drain there are %v, want 2", got)
		}
		if got, want := running(c.Changes()), []int{2, 4, 2}; !slices.Equal(got, want) {
			t.Errorf("changes to %v, want %v", got, want)
		}
		if got, want := running(c.Billed()), []int{2, 4, 3, 2}; !slices.Equal(got, want) {
			t.Errorf("billed are %v, want %v: replicas that drain cost money", got, want)
		}
		billed, changes := c.Billed(), c.Changes()
		drain := billed[len(billed)-1].At.Sub(changes[len(changes)-1].At)
		if want := r.clock.Span(r.fleet.drainTakes); drain != want {
			t.Errorf("the bill falls %v of the story after the decision, want %v", drain, want)
		}
		if got := c.State(); got.Running != 2 || !got.LastOut.Equal(changes[1].At) || !got.LastIn.Equal(changes[2].At) {
			t.Errorf("state %+v, want 2 and the times of the changes %+v", got, changes)
		}
		readied := c.Readied()
		if len(readied) != 4 {
			t.Fatalf("%d replicas readied, want 4", len(readied))
		}
		for _, one := range readied {
			if one.Took() != r.fleet.startTakes {
				t.Errorf("%s took %v to get ready, want %v", one.Name, one.Took(), r.fleet.startTakes)
			}
		}
		r.wantLog(1, "scale out", "from=2", "to=4")
		r.wantLog(1, "scale in", "from=4", "to=2")
		r.wantLog(1, "replica drains", "4 run, 2 are wanted", "replica-4")
		r.wantLog(1, "replica drains", "replica-3")
		r.wantLog(0, "replica not ready")
	})
}

func TestPolicySeesStoryTime(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.load = 1
		start := time.Now()
		c, _ := r.run(r.config)
		after(9 * time.Second)
		r.policy.want(3)
		after(interval)
		decided := start.Add(10 * interval)
		after(4 * time.Second)
		story := func(run time.Time) time.Time { return start.Add(factor * run.Sub(start)).Round(0) }
		last := r.policy.seen()
		if want := story(start.Add(14 * interval)); !last.now.Equal(want) {
			t.Errorf("now is %v, want %v", last.now, want)
		}
		if want := story(decided); !last.state.LastOut.Equal(want) || last.state.Running != 3 {
			t.Errorf("state is %+v, want 3 replicas and an out at %v", last.state, want)
		}
		if !last.state.LastIn.IsZero() {
			t.Errorf("last in is %v, want zero before the first", last.state.LastIn)
		}
		if len(last.history) < 2 {
			t.Fatalf("history has %d readings", len(last.history))
		}
		reading, before := last.history[len(last.history)-1], last.history[len(last.history)-2]
		if step := reading.At.Sub(before.At); step != factor*interval {
			t.Errorf("readings are %v of the story apart, want %v", step, factor*interval)
		}
		if !reading.At.Equal(last.now) || len(reading.Replicas) != 3 {
			t.Fatalf("last reading %+v, want one of 3 replicas at %v", reading, last.now)
		}
		if got, want := reading.Replicas[0].ReadySince, story(start.Add(r.fleet.startTakes)); !got.Equal(want) {
			t.Errorf("%s is ready since %v, want %v", reading.Replicas[0].Name, got, want)
		}
		for _, one := range reading.Replicas {
			if !one.Measured || math.Abs(one.Utilisation-1.0/3) > 0.001 {
				t.Errorf("%+v, want a third", one)
			}
		}
		// Just after the decision the third replica was starting.
		i := slices.IndexFunc(last.history, func(h autoscale.Reading) bool { return h.At.Equal(story(decided.Add(interval))) })
		if i < 0 || len(last.history[i].Replicas) != 3 || !last.history[i].Replicas[2].ReadySince.IsZero() {
			t.Errorf("reading after the decision: %+v, want a third replica that is not ready", last.history[max(i, 0)])
		}
		if got := c.Changes()[1]; !got.At.Equal(story(decided)) || got.Running != 3 {
			t.Errorf("change %+v, want one to 3 at %v", got, story(decided))
		}
	})
}

func TestHistoryIsBoundedAndThePolicysOwn(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.config.Readings = 5
		r.policy.set(func() {
			r.policy.do = func(history []autoscale.Reading, _ time.Time, _ autoscale.State) int {
				for i := range history { // a policy must not do this
					history[i].At = time.Time{}
					clear(history[i].Replicas)
				}
				return 2
			}
		})
		c, _ := r.run(r.config)
		after(12 * time.Second)
		history := c.History()
		if len(history) != 5 {
			t.Fatalf("%d readings, want 5", len(history))
		}
		for _, reading := range history {
			if reading.At.IsZero() || len(reading.Replicas) != 2 || reading.Replicas[0].Name == "" {
				t.Errorf("the policy changed the controller's history: %+v", reading)
			}
		}
	})
}

func TestANewControllerAdoptsTheReplicas(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.abandon = true // a controller that dies cleans nothing up
		r.policy.want(5)
		_, kill := r.run(r.config)
		after(2700 * time.Millisecond) // all five run, and none is ready
		kill()
		if got := r.fleet.names(false); !slices.Equal(got, replicas(5)) {
			t.Fatalf("the dead controller left %v, want 5", got)
		}
		second, _ := r.run(r.config)
		adopted := time.Now()
		after(0)
		if got := second.State(); got.Running != 5 || !got.LastOut.Equal(r.clock.Story(adopted)) || !got.LastIn.Equal(r.clock.Story(adopted)) {
			t.Errorf("state after the adoption %+v, want 5 replicas and both last changes now", got)
		}
		after(10 * time.Second)
		r.wantReady(replicas(5)...)
		if len(r.fleet.created) != 5 || r.fleet.most != 5 {
			t.Errorf("created %v, at most %d at a time; want each of 5 once", r.fleet.created, r.fleet.most)
		}
		r.wantLog(1, "fleet adopted", "replicas=5", "keep=5")
		r.policy.want(6)
		after(5 * time.Second)
		r.wantReady(replicas(6)...) // no name is used twice
	})
}

func TestANewControllerReplacesHalfMadeReplicas(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.abandon = true
		r.policy.want(5)
		_, kill := r.run(r.config)
		after(time.Second) // five containers are created, and none runs
		kill()
		second, _ := r.run(r.config)
		adopted := time.Now()
		after(0)
		if got := second.State(); got.LastIn.IsZero() {
			t.Errorf("state after %v: %+v, want the last in to count as made now", adopted, got)
		}
		after(10 * time.Second)
		r.wantReady("replica-6", "replica-7", "replica-8", "replica-9", "replica-10")
		if got := r.fleet.names(false); len(got) != 5 {
			t.Errorf("there are %v, want none of the half-made ones", got)
		}
	})
}

func TestThePolicySaysHowManyStartFirst(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.policy.set(func() {
			r.policy.do = func(history []autoscale.Reading, _ time.Time, state autoscale.State) int {
				if len(history) == 0 && state == (autoscale.State{}) {
					return 5
				}
				return state.Running
			}
		})
		c, _ := r.run(r.config)
		after(4 * time.Second)
		r.wantReady(replicas(5)...)
		if got := running(c.Changes()); !slices.Equal(got, []int{5}) {
			t.Errorf("changes to %v, want one to 5", got)
		}
	})
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.policy.set(func() {
			r.policy.do = func(history []autoscale.Reading, _ time.Time, state autoscale.State) int {
				_ = history[len(history)-1] // panics without a history
				return state.Running
			}
		})
		r.run(r.config)
		after(4 * time.Second)
		r.wantReady(replicas(2)...) // Min
	})
}

func TestAdoptionKeepsToTheBounds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.give(replicas(12)...)
		r.policy.want(10)
		c, _ := r.run(r.config)
		after(5 * time.Second)
		r.wantReady(replicas(10)...)
		if got := running(c.Changes()); !slices.Equal(got, []int{10}) {
			t.Errorf("changes to %v, want the adoption to keep 10", got)
		}
	})
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.give(replicas(1)...)
		r.policy.want(2)
		c, _ := r.run(r.config)
		after(5 * time.Second)
		r.wantReady(replicas(2)...)
		if got := running(c.Changes()); !slices.Equal(got, []int{2}) {
			t.Errorf("changes to %v, want the adoption to start a second", got)
		}
	})
}

func TestOnlyTheControllerWithTheLeaseActs(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		lease := &holder{}
		one, two := r.config, r.config
		one.Lease, two.Lease = fakeLease{lease, "one"}, fakeLease{lease, "two"}
		wrong := 0
		fleetOf := func(name string) *guarded {
			return &guarded{fakeFleet: r.fleet, check: func() {
				if lease.get() != name {
					wrong++
				}
			}}
		}
		one.Fleet, two.Fleet = fleetOf("one"), fleetOf("two")
		first, end := r.run(one)
		after(100 * time.Millisecond)
		second, _ := r.run(two)
		r.policy.want(4)
		after(6 * time.Second)
		r.wantReady(replicas(4)...)
		if len(r.fleet.created) != 4 || len(second.Changes()) != 0 || second.Answers() != 0 {
			t.Errorf("created %v, the second controller changed %v; want 4 by the first", r.fleet.created, second.Changes())
		}
		r.wantLog(1, "lease held by another controller")

		end() // the first ends, and the second takes over
		if billed := running(first.Billed()); billed[len(billed)-1] != 0 {
			t.Errorf("the first billed %v, want 0 after its end", billed)
		}
		after(2 * interval)
		if lease.get() != "two" {
			t.Fatalf("the lease is held by %q", lease.get())
		}
		r.policy.want(3)
		after(6 * time.Second)
		r.wantReady(replicas(3)...)
		if got := running(second.Changes()); !slices.Equal(got, []int{4, 3}) {
			t.Errorf("the second controller changed to %v, want 4 then 3", got)
		}
		if n := len(first.Changes()); n != 2 || wrong != 0 {
			t.Errorf("%d changes of the first, %d acts without the lease; want 2 and none", n, wrong)
		}
	})
}

// guarded is one controller's view of a fleet that two have. It calls check before each act.
type guarded struct {
	*fakeFleet
	check func()
}

func (g *guarded) Start(ctx context.Context, name string) error {
	g.check()
	return g.fakeFleet.Start(ctx, name)
}

func (g *guarded) Drain(ctx context.Context, name string) error {
	g.check()
	return g.fakeFleet.Drain(ctx, name)
}

func TestNoActAfterTheLeaseIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		lease := &holder{}
		r.config.Lease = fakeLease{lease, "one"}
		c, _ := r.run(r.config)
		after(5 * time.Second)
		// The lease goes while the policy decides: after the check of this interval's beginning.
		r.policy.set(func() {
			r.policy.do = func([]autoscale.Reading, time.Time, autoscale.State) int {
				lease.set("two", nil)
				return 6
			}
		})
		after(10 * time.Second)
		if len(r.fleet.created) != 2 || len(r.fleet.drained) != 0 {
			t.Errorf("created %v and drained %v, want nothing after the lease was lost", r.fleet.created, r.fleet.drained)
		}
		r.wantLog(1, "lease lost")
		if billed := c.Billed(); billed[len(billed)-1].Running != 0 {
			t.Errorf("billed %v, want 0 while another controller has the lease", running(billed))
		}

		r.policy.want(2)
		lease.set("", nil)
		after(2 * interval)
		r.wantLog(2, "lease taken")
		r.wantReady(replicas(2)...)
		lease.set("one", errEngine) // the database does not answer
		r.policy.want(5)
		after(5 * time.Second)
		if len(r.fleet.created) != 2 {
			t.Errorf("created %v while the lease cannot be checked", r.fleet.created)
		}
	})
}

func TestNoRepairAfterTheLeaseIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		lease := &holder{}
		r.config.Lease = fakeLease{lease, "one"}
		r.run(r.config)
		after(5 * time.Second)
		lease.set("two", nil)
		r.fleet.set(func() { r.fleet.replicas["replica-1"].ended = true })
		after(3 * interval)
		if len(r.fleet.drained) != 0 || len(r.fleet.created) != 2 {
			t.Errorf("created %v, drained %v; want the other controller to repair", r.fleet.created, r.fleet.drained)
		}
	})
}

func TestADrainOutlivesTheLease(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		lease := &holder{}
		r.config.Lease = fakeLease{lease, "one"}
		r.fleet.drainTakes = 6 * time.Second
		r.fleet.give(replicas(4)...)
		r.policy.want(3)
		c, _ := r.run(r.config)
		after(interval)
		lease.set("two", nil)
		after(2 * interval)
		lease.set("", nil) // the next term begins while replica-4 drains
		after(2 * interval)
		if got := running(c.Changes()); !slices.Equal(got, []int{4, 3, 3}) {
			t.Errorf("changes to %v, want the second term to adopt 3", got)
		}
		after(5 * time.Second)
		r.wantReady(replicas(3)...)
		if got := r.fleet.drained; !slices.Equal(got, []string{"replica-4"}) {
			t.Errorf("drained %v, want replica-4 once", got)
		}
	})
}

func TestALateEngineHoldsTheNumber(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.load = 1.8
		c, _ := r.run(r.config)
		after(6 * time.Second)
		r.fleet.set(func() { r.fleet.readTakes = 5 * time.Second }) // longer than the limit of 2 s
		r.policy.want(8)
		asked := c.Answers()
		after(8 * time.Second)
		if c.Answers() > asked+1 || len(r.fleet.created) != 2 {
			t.Errorf("%d answers of the policy and %v created while the fleet is not known", c.Answers()-asked, r.fleet.created)
		}
		late := 0
		for _, reading := range c.History() {
			for _, one := range reading.Replicas {
				if !one.ReadySince.IsZero() && !one.Measured {
					late++
				}
				if one.Measured && !one.ReadySince.IsZero() && one.Utilisation == 0 {
					t.Errorf("%+v: a late reading must not be 0", one)
				}
			}
		}
		if late < 4 {
			t.Errorf("%d readings not measured, want those of the late engine", late)
		}
		if n := r.log.count("fleet read failed", "no answer within 2s"); n < 2 {
			t.Errorf("the log has %d lines about the late engine", n)
		}

		r.fleet.set(func() { r.fleet.readTakes = 0 })
		after(7 * time.Second)
		r.wantReady(replicas(8)...)
		if len(r.fleet.created) != 8 {
			t.Errorf("created %v, want each of 8 once", r.fleet.created)
		}
	})
}

func TestOneLateReplicaIsNotMeasured(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.load = 1
		r.fleet.unmeasured = func(name string) bool { return name == "replica-2" }
		c, _ := r.run(r.config)
		after(5 * time.Second)
		last := c.History()[len(c.History())-1].Replicas
		if len(last) != 2 || !last[0].Measured || last[1].Measured || last[1].ReadySince.IsZero() {
			t.Errorf("last reading %+v, want the second replica ready and not measured", last)
		}
	})
}

func TestAStartThatTimedOutIsNotDoubled(t *testing.T) {
	for _, lateCreate := range []time.Duration{100 * time.Millisecond, 1500 * time.Millisecond, 30 * time.Second} {
		t.Run(lateCreate.String(), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, r *trial) {
				r.config.Limits.Start = 5 * time.Second
				r.fleet.give(replicas(2)...)
				r.policy.want(3)
				r.fleet.lateCreate = lateCreate
				r.run(r.config)
				after(6 * time.Second)
				r.fleet.set(func() { r.fleet.lateCreate = 0 })
				after(40 * time.Second)
				r.wantReady(replicas(3)...)
				if r.fleet.most != 3 || len(r.fleet.drained) != 0 {
					t.Errorf("up to %d replicas, drained %v; want never more than 3", r.fleet.most, r.fleet.drained)
				}
				r.policy.want(4)
				after(5 * time.Second)
				r.wantReady(replicas(4)...)
				r.wantLog(1, "replica starts", "running=3 wanted=4")
			})
		})
	}
}

func TestAReadingOlderThanAnActIsNotJudged(t *testing.T) {
	// Each reading takes longer than a start and a drain, and shows the beginning. With the longer
	// interval a reading begins 0.2 s after a start, and sees a container that does not run.
	for _, interval := range []time.Duration{time.Second, 2 * time.Second} {
		inFakeTime(t, func(t *testing.T, r *trial) {
			r.config.Interval = interval
			r.fleet.readTakes, r.fleet.startTakes, r.fleet.drainTakes = 1800*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
			r.run(r.config)
			for _, n := range []int{2, 5, 3, 6, 2} {
				r.policy.want(n)
				after(10 * time.Second)
				if got := len(r.fleet.names(true)); got != n {
					t.Errorf("%d ready, want %d", got, n)
				}
			}
			if len(r.fleet.created) != 2+3+3 || len(r.fleet.drained) != 2+4 {
				t.Errorf("created %v, drained %v; want 8 and 6", r.fleet.created, r.fleet.drained)
			}
			r.wantLog(0, "replica gone")
			r.wantLog(0, "replica adopted")
			r.wantLog(0, "replica ended")
		})
	}
}

func TestABadPolicyDoesNoHarm(t *testing.T) {
	type policy = func([]autoscale.Reading, time.Time, autoscale.State) int
	cases := map[string]struct {
		do     policy
		ready  int
		phrase string
	}{
		"panics": {func([]autoscale.Reading, time.Time, autoscale.State) int { panic("no readings") }, 3, "no readings"},
		"indexes an empty slice": {func(h []autoscale.Reading, _ time.Time, _ autoscale.State) int {
			return int(h[:0][len(h)].Replicas[0].Utilisation)
		}, 3, "index out of range"},
		"too many":               {func([]autoscale.Reading, time.Time, autoscale.State) int { return math.MaxInt }, 10, "policy answer out of bounds"},
		"negative":               {func([]autoscale.Reading, time.Time, autoscale.State) int { return math.MinInt }, 2, "policy answer out of bounds"},
		"ends its goroutine":     {func([]autoscale.Reading, time.Time, autoscale.State) int { runtime.Goexit(); return 0 }, 3, "ended its goroutine"},
		"does not return":        {nil, 3, "no answer within 1s"},
		"does not return either": {nil, 3, "the call before has not returned"},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, r *trial) {
				returns := make(chan struct{})
				if bad.do == nil {
					bad.do = func([]autoscale.Reading, time.Time, autoscale.State) int { <-returns; return 9 }
				}
				r.policy.want(3)
				_, end := r.run(r.config)
				after(6 * time.Second)
				r.policy.set(func() { r.policy.do = bad.do })
				after(15 * time.Second)
				r.wantReady(replicas(bad.ready)...)
				if r.log.count(bad.phrase) == 0 {
					t.Errorf("the log does not say %q", bad.phrase)
				}
				close(returns)
				r.policy.want(4) // it still runs
				after(15 * time.Second)
				if got := len(r.fleet.names(true)); got != 4 {
					t.Errorf("%d ready after the bad policy, want 4", got)
				}
				end()
			})
		})
	}
}

func TestAReplicaThatNeverGetsReadyIsReplaced(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.neverReady = func(name string) bool { return name == "replica-3" }
		r.fleet.give(replicas(2)...)
		r.policy.want(3)
		c, _ := r.run(r.config)
		after(20 * time.Second) // the limit
		r.wantReady(replicas(2)...)
		after(30 * time.Second)
		r.wantReady("replica-1", "replica-2", "replica-4")
		if !slices.Equal(r.fleet.drained, []string{"replica-3"}) {
			t.Errorf("drained %v, want the one that was never ready", r.fleet.drained)
		}
		r.wantLog(1, "replica not ready in time", "replica-3")
		if got := running(c.Changes()); !slices.Equal(got, []int{2, 3}) {
			t.Errorf("changes to %v: a replacement is no change", got)
		}
	})
}

func TestAReplicaThatLeavesTheListIsReplaced(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.policy.want(3)
		c, _ := r.run(r.config)
		after(6 * time.Second)
		r.fleet.set(func() {
			r.fleet.replicas["replica-1"].ready = time.Time{}
			r.fleet.neverReady = func(name string) bool { return name == "replica-1" }
		})
		after(2 * time.Second)
		last := c.History()[len(c.History())-1].Replicas
		if len(last) != 3 || !last[0].ReadySince.IsZero() {
			t.Errorf("reading %+v, want replica-1 not ready", last)
		}
		r.fleet.set(func() { r.fleet.neverReady = nil }) // it comes back in time
		after(5 * time.Second)
		r.wantReady(replicas(3)...)
		if len(r.fleet.created) != 3 || len(c.Readied()) != 3 {
			t.Errorf("created %v, readied %v; want three starts and no more", r.fleet.created, c.Readied())
		}
		r.fleet.set(func() {
			r.fleet.replicas["replica-1"].ready = time.Time{}
			r.fleet.neverReady = func(name string) bool { return name == "replica-1" }
		})
		after(50 * time.Second)
		r.wantReady("replica-2", "replica-3", "replica-4")
	})
}

func TestAReplicaThatDiesIsReplaced(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.policy.want(3)
		c, _ := r.run(r.config)
		after(6 * time.Second)
		before := c.State()
		r.fleet.set(func() {
			r.fleet.replicas["replica-2"].ended = true
			r.fleet.replicas["replica-2"].ready = time.Time{}
		})
		after(interval)
		if got := r.policy.seen().state.Running; got != 3 {
			t.Errorf("the policy sees %d running, want 3: the replacement starts", got)
		}
		after(4 * time.Second)
		r.wantReady("replica-1", "replica-3", "replica-4")
		if after := c.State(); after != before {
			t.Errorf("state %+v, want %+v: a replacement is no change", after, before)
		}
		// A second one dies during a scale-out.
		r.policy.want(6)
		after(2 * time.Second)
		r.fleet.set(func() { delete(r.fleet.replicas, "replica-1") }) // and is removed by hand
		after(8 * time.Second)
		if got := r.fleet.names(true); len(got) != 6 || slices.Contains(got, "replica-1") {
			t.Errorf("ready are %v, want 6 without replica-1", got)
		}
		r.wantLog(1, "replica ended", "replica-2")
		r.wantLog(1, "replica gone", "replica-1")
		if len(r.fleet.registered) != 6 {
			t.Errorf("the balancer asks %v, want the 6 that exist", r.fleet.registered)
		}
	})
}

func TestStartsThatFailAreSpacedOut(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		tries := 0
		r.fleet.failStart = func(string) error { tries++; return errEngine }
		r.config.Min = 1
		r.policy.want(1)
		r.run(r.config)
		after(60 * time.Second)
		// 2, 4, 8 and then 8 intervals lie between the tries.
		if tries < 7 || tries > 11 {
			t.Errorf("%d tries in a minute, want about 9", tries)
		}
		r.fleet.set(func() { r.fleet.failStart = nil })
		after(15 * time.Second)
		r.wantReady("replica-1") // the name is the same all the time
	})
}

func TestScaleInGivesUpAStart(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.fleet.give(replicas(2)...)
		r.policy.want(2)
		r.run(r.config)
		after(2 * time.Second)
		r.fleet.set(func() { r.fleet.startTakes, r.fleet.giveUpTakes = 15*time.Second, 500*time.Millisecond })
		r.policy.want(4)
		after(3 * time.Second)
		r.policy.want(3)
		after(3 * time.Second)
		if got := r.fleet.names(false); !slices.Equal(got, replicas(3)) {
			t.Errorf("there are %v, want 3: the start of the fourth is given up", got)
		}
		r.wantReady(replicas(2)...)
		after(12 * time.Second)
		r.wantReady(replicas(3)...)
		r.wantLog(0, "start failed")
		if r.fleet.clashes > 0 {
			t.Error("a drain began before the start that it gave up had returned")
		}
	})
}

func TestADrainThatFailsIsRepeated(t *testing.T) {
	inFakeTime(t, func(t *testing.T, r *trial) {
		r.config.Limits.Drain = 2 * time.Second // the drain takes 4 s
		r.fleet.give(replicas(3)...)
		r.policy.want(2)
		r.run(r.config)
		after(5 * time.Second)
		if n := r.log.count("drain failed", "not done within 2s"); n == 0 {
			t.Error("the log does not say that the drain failed")
		}
		r.fleet.set(func() { r.fleet.drainTakes = time.Second })
		after(5 * time.Second)
		if got := r.fleet.names(false); !slices.Equal(got, replicas(2)) {
			t.Errorf("there are %v, want 2", got)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	good := scaler.Config{
		Fleet: newFleet(), Policy: (&script{}).policy, Clock: scaler.Clock{Start: time.Now(), Factor: 30}, Interval: time.Second, Min: 3, Max: 10,
	}
	if _, err := scaler.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*scaler.Config){
		"no fleet":          func(c *scaler.Config) { c.Fleet = nil },
		"no policy":         func(c *scaler.Config) { c.Policy = nil },
		"no interval":       func(c *scaler.Config) { c.Interval = 0 },
		"min 0":             func(c *scaler.Config) { c.Min = 0 },
		"max below min":     func(c *scaler.Config) { c.Max = 2 },
		"no clock":          func(c *scaler.Config) { c.Clock = scaler.Clock{} },
		"factor 0":          func(c *scaler.Config) { c.Clock.Factor = 0 },
		"factor NaN":        func(c *scaler.Config) { c.Clock.Factor = math.NaN() },
		"negative limit":    func(c *scaler.Config) { c.Limits.Drain = -1 },
		"negative readings": func(c *scaler.Config) { c.Readings = -1 },
	} {
		bad := good
		spoil(&bad)
		if _, err := scaler.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestClock(t *testing.T) {
	start := time.Date(2026, 11, 30, 16, 0, 0, 0, time.UTC)
	k := scaler.Clock{Start: start, Factor: 30}
	if got, want := k.String(), "10s of this run are 5m0s of the story"; got != want {
		t.Errorf("clock says %q, want %q", got, want)
	}
	if got, want := k.Story(start.Add(10*time.Second)), start.Add(5*time.Minute); !got.Equal(want) {
		t.Errorf("story time %v, want %v", got, want)
	}
	if got, want := k.Story(start.Add(-10*time.Second)), start.Add(-5*time.Minute); !got.Equal(want) {
		t.Errorf("story time before the start %v, want %v", got, want)
	}
	if got := k.Story(time.Time{}); !got.IsZero() {
		t.Errorf("story time of the zero time is %v", got)
	}
	now := time.Now() // with a monotonic reading
	if got := (scaler.Clock{Start: now, Factor: 1}).Story(now); got != now.Round(0) {
		t.Errorf("story time %v has a monotonic reading", got)
	}
	if got := k.Real(k.Span(7 * time.Second)); got != 7*time.Second {
		t.Errorf("there and back: %v", got)
	}
}
