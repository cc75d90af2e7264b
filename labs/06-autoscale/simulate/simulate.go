// Package simulate plays an autoscaling policy against a load, by a fake clock. It is given. It has
// no servers: a replica is a number of requests a second. The same scene and policy always give the
// same result.
package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bytebites.example/workshop/shared/autoscale"
)

const (
	// keepHistory is how long the controller keeps readings.
	keepHistory = time.Hour
	// mostInstances is how many instances there can be, whatever a policy asks for.
	mostInstances = 100
)

// Scene is a load and a fleet of replicas.
type Scene struct {
	Begin  time.Time
	Length time.Duration
	// Every is the time between two readings, and so between two calls of the policy.
	Every time.Duration
	// Load returns the requests a second at a time since Begin.
	Load func(since time.Duration) float64
	// Capacity is how many requests a second one replica takes at full CPU.
	Capacity float64
	// Running is the number of replicas at Begin. They are ready.
	Running int
	// StartTime is the time from the start of a replica until it is ready.
	StartTime time.Duration
	// Noise is the standard deviation of each measured utilisation.
	Noise float64
	// MissingShare is the share of the measurements that do not come in time.
	MissingShare float64
	Seed         uint64
}

// Row is one reading of a played scene, and the decision that followed.
type Row struct {
	At       time.Time
	Load     float64 // requests a second
	Running  int     // before the decision
	Ready    int
	OfAll    float64 // mean measured utilisation of all replicas, a starting one counted as 0
	OfReady  float64 // mean measured utilisation of the ready replicas
	Decision int
}

// Played is what happened in a scene.
type Played struct {
	Rows []Row
	// Readings are all readings, also those that the controller no longer keeps.
	Readings []autoscale.Reading
	// Changes begins with the number of replicas at the beginning.
	Changes []autoscale.Change
	// Overloaded is how long the load was at least what the ready replicas can take.
	Overloaded    time.Duration
	InstanceHours float64
}

// replica is one replica of the fleet.
type replica struct {
	name  string
	ready time.Time // when it will be, or was, ready
}

// stage is a scene that is being played.
type stage struct {
	Scene
	random *rand.Rand
	fleet  []replica // the oldest first
	named  int
}

// Play plays the scene. The policy sees a copy of the readings of the last hour.
func (s Scene) Play(policy autoscale.Policy) Played {
	st := &stage{Scene: s, random: rand.New(rand.NewPCG(s.Seed, 6))}
	st.start(s.Running, s.Begin)
	played := Played{Changes: []autoscale.Change{{At: s.Begin, Running: s.Running}}}
	paid := time.Duration(0) // of all replicas together
	state := autoscale.State{Running: s.Running}
	for since := time.Duration(0); since < s.Length; since += s.Every {
		now := s.Begin.Add(since)
		load := s.Load(since)
		reading, row := st.read(now, load)
		played.Readings = append(played.Readings, reading)

		row.Decision = policy(recent(played.Readings, now), now, state)
		if wanted := max(0, min(row.Decision, mostInstances)); wanted != state.Running {
			if wanted > state.Running {
				st.start(wanted-state.Running, now.Add(s.StartTime))
				state.LastOut = now
			} else {
				st.fleet = st.fleet[:wanted] // the newest ones go
				state.LastIn = now
			}
			state.Running = wanted
			played.Changes = append(played.Changes, autoscale.Change{At: now, Running: wanted})
		}
		played.Rows = append(played.Rows, row)
		if load >= float64(st.ready(now))*s.Capacity {
			played.Overloaded += s.Every
		}
		paid += time.Duration(state.Running) * s.Every
	}
	played.InstanceHours = paid.Hours()
	return played
}

// start adds replicas that will be ready at that time.
func (s *stage) start(n int, ready time.Time) {
	for range n {
		s.named++
		s.fleet = append(s.fleet, replica{name: fmt.Sprintf("replica-%d", s.named), ready: ready})
	}
}

// ready returns the number of replicas that serve.
func (s *stage) ready(now time.Time) int {
	n := 0
	for _, r := range s.fleet {
		if !r.ready.After(now) {
			n++
		}
	}
	return n
}

// read measures the fleet. The balancer spreads the load evenly over the ready replicas.
func (s *stage) read(now time.Time, load float64) (autoscale.Reading, Row) {
	ready := s.ready(now)
	row := Row{At: now, Load: load, Running: len(s.fleet), Ready: ready}
	utilisation := 0.0
	if ready > 0 {
		utilisation = min(1, load/(float64(ready)*s.Capacity))
	}
	reading := autoscale.Reading{At: now}
	sum := 0.0
	for _, r := range s.fleet {
		measured := autoscale.Replica{Name: r.name, Measured: s.random.Float64() >= s.MissingShare}
		noise := s.Noise * s.random.NormFloat64()
		if !r.ready.After(now) {
			measured.ReadySince = r.ready
			measured.Utilisation = max(0, min(1, utilisation+noise))
			sum += measured.Utilisation
		}
		if !measured.Measured {
			measured.Utilisation = 0
		}
		reading.Replicas = append(reading.Replicas, measured)
	}
	row.OfAll, row.OfReady = sum/float64(max(1, len(s.fleet))), sum/float64(max(1, ready))
	return reading, row
}

// recent returns a copy of the readings that the controller keeps.
func recent(readings []autoscale.Reading, now time.Time) []autoscale.Reading {
	from := len(readings)
	for from > 0 && now.Sub(readings[from-1].At) <= keepHistory {
		from--
	}
	kept := slices.Clone(readings[from:])
	for i := range kept {
		kept[i].Replicas = slices.Clone(kept[i].Replicas)
	}
	return kept
}

// Fixed is the policy that always runs n instances.
func Fixed(n int) autoscale.Policy {
	return func([]autoscale.Reading, time.Time, autoscale.State) int { return n }
}
