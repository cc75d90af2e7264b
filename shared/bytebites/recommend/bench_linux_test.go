package recommend

import (
	"context"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
)

// BenchmarkPlan reports the CPU time of a plan. The labs calibrate their machines by it. Wall
// time is less exact, because other processes may use the cores.
func BenchmarkPlan(b *testing.B) {
	for _, test := range []struct {
		name        string
		preferences bytebites.Preferences
	}{
		{"any", bytebites.Preferences{}},
		{"vegetarian", bytebites.Preferences{Diets: []string{"vegetarian"}}},
		{"vegan", bytebites.Preferences{Diets: []string{"vegan"}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 1))
			k := newKitchen(500, 64, random)
			s := newSubscriber(k, random, test.preferences)
			planner := New(k, s, s)
			if _, err := planner.Plan(context.Background(), "u1"); err != nil {
				b.Fatal(err)
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b.ReportAllocs()
			thread, process := cpu(b, syscall.RUSAGE_THREAD), cpu(b, syscall.RUSAGE_SELF)
			b.ResetTimer()
			for b.Loop() {
				if _, err := planner.Plan(context.Background(), "u1"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu(b, syscall.RUSAGE_THREAD)-thread)*1e3/float64(b.N), "cpu-ms/op")
			b.ReportMetric((cpu(b, syscall.RUSAGE_SELF)-process)*1e3/float64(b.N), "process-cpu-ms/op")
		})
	}
}

// cpu returns the CPU seconds used so far.
func cpu(b *testing.B, who int) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
