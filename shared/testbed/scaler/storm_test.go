package scaler_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/testbed/scaler"
)

// storms is the number of random runs, each with a seed of its own.
const storms = 150

// TestConvergesAfterAStorm: two controllers share a fleet while replicas die, the engine is late, the
// lease moves, controllers die and the policy changes its mind. When that ends, exactly the wanted
// replicas run.
func TestConvergesAfterAStorm(t *testing.T) {
	for seed := range uint64(storms) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { inFakeTime(t, func(t *testing.T, r *trial) { storm(t, r, seed) }) })
	}
}

func storm(t *testing.T, r *trial, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	within := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	lease := &holder{}
	r.config.Limits.Start, r.config.Limits.Ready, r.config.Limits.Drain = 8*time.Second, 12*time.Second, 8*time.Second
	var ends [2]func()
	var controllers [2]*scaler.Controller
	begin := func(i int) {
		config := r.config
		config.Lease = fakeLease{lease, fmt.Sprint("controller ", i)}
		controllers[i], ends[i] = r.run(config)
	}
	begin(0)
	begin(1)
	const most = 10
	for range 40 {
		switch random.IntN(9) {
		case 0, 1, 2:
			r.policy.want(2 + random.IntN(most-1))
		case 3:
			names, pick := r.fleet.names(false), random.IntN(1000)
			if len(names) == 0 {
				break
			}
			r.fleet.set(func() {
				victim := r.fleet.replicas[names[pick%len(names)]]
				victim.ended, victim.ready = true, time.Time{}
			})
		case 4:
			takes := within(3 * time.Second) // the limit is 2 s
			r.fleet.set(func() { r.fleet.readTakes = takes })
		case 5:
			late := within(15 * time.Second)
			if random.IntN(2) == 0 {
				late = 0
			}
			r.fleet.set(func() { r.fleet.lateCreate = late })
		case 6:
			starts, drains := instant+within(10*time.Second), instant+within(10*time.Second)
			abandons := random.IntN(2) == 0
			r.fleet.set(func() { r.fleet.startTakes, r.fleet.drainTakes, r.fleet.abandon = starts, drains, abandons })
		case 7:
			lease.set([]string{"", "", "a third"}[random.IntN(3)], nil)
		case 8:
			i := random.IntN(len(ends))
			ends[i]()
			begin(i)
		}
		after(within(5 * time.Second))
	}

	wanted := 2 + random.IntN(most-1)
	lease.set("", nil)
	r.policy.want(wanted)
	r.fleet.set(func() {
		r.fleet.readTakes, r.fleet.lateCreate = 0, 0
		r.fleet.startTakes, r.fleet.drainTakes = 3*time.Second, 4*time.Second
	})
	after(90 * time.Second)
	ready, all := r.fleet.names(true), r.fleet.names(false)
	if len(ready) != wanted || !slices.Equal(ready, all) {
		t.Errorf("ready are %v of %v, want %d and no other", ready, all, wanted)
	}
	leaders := 0
	for _, c := range controllers {
		billed := c.Billed()
		if len(billed) == 0 || billed[len(billed)-1].Running == 0 {
			continue
		}
		leaders++
		if billed[len(billed)-1].Running != wanted || c.State().Running != wanted {
			t.Errorf("billed are %d and state is %+v, want %d", billed[len(billed)-1].Running, c.State(), wanted)
		}
	}
	if leaders != 1 {
		t.Errorf("%d controllers have a bill, want the one with the lease", leaders)
	}
	before := len(r.fleet.created)
	after(30 * time.Second)
	if len(r.fleet.created) != before {
		t.Errorf("created %v although nothing happens", r.fleet.created[before:])
	}
	for _, end := range ends {
		end()
	}
	synctest.Wait()
}
