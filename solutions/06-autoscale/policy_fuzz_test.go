package scaling_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/autoscale"
	scaling "bytebites.example/workshop/solutions/06-autoscale"
)

// longest is how many bytes of a text FuzzDesired reads: 400 replicas.
const longest = 2000

// FuzzDesired tries any history. The answer is within the bounds and the same each time. Within the
// cooldown it is the number that runs. The history stays the same. A replica is five bytes
// of the text: its condition, and its utilisation.
func FuzzDesired(f *testing.F) {
	f.Add([]byte(nil), 0, int64(0), int64(0), int64(0))
	f.Add([]byte("busybusybusybusybusy"), 5, int64(300), int64(0), int64(0))
	f.Add([]byte{0xff, 0x7f, 0xc0, 0, 0, 3, 0x7f, 0x80, 0, 0, 1, 0, 0, 0, 0}, 7, int64(30), int64(60), int64(-60))
	f.Fuzz(func(t *testing.T, text []byte, running int, age, out, in int64) {
		text = text[:min(len(text), longest)]
		now := time.Date(2026, time.May, 7, 18, 0, 0, 0, time.UTC)
		seconds := func(n int64) time.Duration { return time.Duration(n%100_000) * time.Second }
		state := autoscale.State{Running: running, LastOut: now.Add(-seconds(out)), LastIn: now.Add(-seconds(in))}
		var history []autoscale.Reading
		at := now.Add(-30 * time.Minute)
		for len(text) >= 5 {
			kind, u := text[0], float64(math.Float32frombits(binary.BigEndian.Uint32(text[1:5])))
			if text = text[5:]; kind&1 == 0 || len(history) == 0 {
				history = append(history, autoscale.Reading{At: at})
				at = at.Add(time.Duration(kind) * time.Second)
			}
			replica := autoscale.Replica{Name: "replica", Measured: kind&2 == 0, Utilisation: u}
			if kind&4 == 0 {
				replica.ReadySince = at.Add(-seconds(age))
			}
			last := &history[len(history)-1]
			last.Replicas = append(last.Replicas, replica)
		}
		before := slices.Clone(history)
		for i := range before {
			before[i].Replicas = slices.Clone(before[i].Replicas)
		}
		got := scaling.Desired(history, now, state)
		if got < 3 || got > 10 {
			t.Errorf("%d replicas, want 3 to 10", got)
		}
		if again := scaling.Desired(slices.Clone(history), now, state); again != got {
			t.Errorf("%d replicas, and then %d", got, again)
		}
		if !slices.EqualFunc(history, before, sameReading) {
			t.Error("Desired changed the history")
		}
		last := state.LastOut
		if state.LastIn.After(last) {
			last = state.LastIn
		}
		if len(history) > 0 && running >= 3 && running <= 10 && now.Sub(last) < 5*time.Minute && got != running {
			t.Errorf("%d replicas instead of %d, %v after the last change", got, running, now.Sub(last))
		}
	})
}

// sameReading compares two readings. NaN, which is not equal to itself, is the same as itself here.
func sameReading(a, b autoscale.Reading) bool {
	return a.At.Equal(b.At) && slices.EqualFunc(a.Replicas, b.Replicas, func(a, b autoscale.Replica) bool {
		same := math.Float64bits(a.Utilisation) == math.Float64bits(b.Utilisation)
		a.Utilisation, b.Utilisation = 0, 0
		return same && a == b
	})
}
