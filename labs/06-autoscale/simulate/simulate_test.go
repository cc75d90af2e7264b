package simulate_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/shared/autoscale"
)

func scene() simulate.Scene {
	return simulate.Scene{
		Begin: time.Date(2026, time.May, 7, 17, 0, 0, 0, time.UTC), Length: time.Hour, Every: 30 * time.Second,
		Load: func(time.Duration) float64 { return 150 }, Capacity: 100, Running: 3, StartTime: 2 * time.Minute,
	}
}

func TestFixed(t *testing.T) {
	played := scene().Play(simulate.Fixed(3))
	if len(played.Changes) != 1 || played.Changes[0].Running != 3 || played.Overloaded != 0 {
		t.Errorf("changes %v, overloaded %v; want the first number, and no overload", played.Changes, played.Overloaded)
	}
	if math.Abs(played.InstanceHours-3) > 1e-9 {
		t.Errorf("%g instance-hours, want 3", played.InstanceHours)
	}
	for _, row := range played.Rows {
		if row.Ready != 3 || math.Abs(row.OfReady-0.5) > 1e-9 || row.OfAll != row.OfReady {
			t.Fatalf("row %+v, want three ready at 0.5", row)
		}
	}
}

// A replica that is started serves after its start time, and the load then falls on all.
func TestStart(t *testing.T) {
	s := scene()
	s.Load = func(time.Duration) float64 { return 300 }
	played := s.Play(func(_ []autoscale.Reading, now time.Time, state autoscale.State) int {
		if now.Sub(s.Begin) >= 10*time.Minute {
			return 6
		}
		return state.Running
	})
	if want := (autoscale.Change{At: s.Begin.Add(10 * time.Minute), Running: 6}); len(played.Changes) != 2 || played.Changes[1] != want {
		t.Fatalf("changes %v, want %v", played.Changes, want)
	}
	if played.Overloaded != 12*time.Minute {
		t.Errorf("overloaded for %v, want 12 minutes: 10, and the start time", played.Overloaded)
	}
	during, after := played.Rows[22], played.Rows[24]
	if during.Running != 6 || during.Ready != 3 || during.OfReady != 1 || during.OfAll != 0.5 {
		t.Errorf("while three start: %+v", during)
	}
	if after.Ready != 6 || after.OfReady != 0.5 {
		t.Errorf("when all six are ready: %+v", after)
	}
	if hours := 3.0/6 + 6*5.0/6; math.Abs(played.InstanceHours-hours) > 1e-9 {
		t.Errorf("%g instance-hours, want %g", played.InstanceHours, hours)
	}
	starting := played.Readings[22].Replicas[5]
	if !starting.ReadySince.IsZero() || played.Readings[24].Replicas[5].ReadySince.IsZero() {
		t.Error("ReadySince is not the time at which a replica became ready")
	}
}

func TestWhateverThePolicySays(t *testing.T) {
	for _, wanted := range []int{math.MinInt, -1, 0, math.MaxInt} {
		played := scene().Play(simulate.Fixed(wanted))
		last := played.Changes[len(played.Changes)-1].Running
		if last < 0 || last > 100 {
			t.Errorf("asked for %d, %d run", wanted, last)
		}
		if wanted == 0 && played.Overloaded != time.Hour {
			t.Errorf("without replicas overloaded for %v", played.Overloaded)
		}
	}
}

func TestSameSeedSameResult(t *testing.T) {
	s := scene()
	s.Noise, s.MissingShare, s.Seed = 0.1, 0.2, 7
	first, second := s.Play(simulate.Fixed(4)), s.Play(simulate.Fixed(4))
	if !reflect.DeepEqual(first, second) {
		t.Error("one seed, two results")
	}
	missing, all := 0, 0
	for _, reading := range first.Readings {
		for _, r := range reading.Replicas {
			if all++; !r.Measured {
				missing++
			}
		}
	}
	if share := float64(missing) / float64(all); share < 0.1 || share > 0.3 {
		t.Errorf("%.2f of the measurements are missing, want about 0.2", share)
	}
	s.Seed = 8
	if reflect.DeepEqual(first, s.Play(simulate.Fixed(4))) {
		t.Error("two seeds, one result")
	}
}

// The policy gets the last hour, in a copy.
func TestHistory(t *testing.T) {
	s := scene()
	s.Length = 2 * time.Hour
	played := s.Play(func(history []autoscale.Reading, now time.Time, state autoscale.State) int {
		if age := now.Sub(history[0].At); age > time.Hour || age < min(time.Hour, now.Sub(s.Begin)) {
			t.Errorf("at %v the oldest reading is %v old", now, age)
		}
		history[0].Replicas[0].Utilisation = 9
		return state.Running
	})
	if played.Readings[0].Replicas[0].Utilisation == 9 {
		t.Error("a policy can change the readings")
	}
}
