package hostcpu

import (
	"math"
	"testing"
	"time"
)

// busy returns a record of a machine with two cores: for each second of the script, how many of
// them were idle.
func busy(began time.Time, idle ...float64) *Record {
	r := &Record{cpus: 2}
	now := Times{Idle: 100, Total: 500}
	r.add(began, now)
	for second, cores := range idle {
		for step := 1; step <= 10; step++ {
			now.Idle += cores / 10
			now.Total += 2.0 / 10
			r.add(began.Add(time.Duration(second)*time.Second+time.Duration(step)*sampleEvery), now)
		}
	}
	return r
}

func TestBusiest(t *testing.T) {
	began := time.Now()
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	for _, test := range []struct {
		name      string
		idle      []float64
		from, to  float64 // seconds
		length    time.Duration
		want      float64
		saturated bool
	}{
		{"idle", []float64{2, 2, 2}, 0, 3, time.Second, 2, false},
		{"no idle time", []float64{0, 0, 0}, 0, 3, time.Second, 0, true},
		{"one core idle", []float64{1, 1, 1}, 0, 3, time.Second, 1, false},
		{"just too little", []float64{0.09, 0.09}, 0, 2, 2 * time.Second, 0.09, true},
		{"just enough", []float64{0.11, 0.11}, 0, 2, 2 * time.Second, 0.11, false},
		{"a busy second among idle ones", []float64{2, 0, 2}, 0, 3, time.Second, 0, true},
		{"a busy second in a wait of three", []float64{2, 0, 2}, 0, 3, 3 * time.Second, 4.0 / 3, false},
		{"busy before the wait", []float64{0, 2, 2}, 1, 3, time.Second, 2, false},
		{"busy after the wait", []float64{2, 2, 0}, 0, 2, time.Second, 2, false},
		{"two busy seconds in one of three", []float64{1, 0, 0, 1}, 0, 4, 2 * time.Second, 0, true},
		// A moment is judged with what came before it, a second at the least.
		{"a moment on a busy machine", []float64{2, 0}, 1.99, 2, 10 * time.Millisecond, 0, true},
		{"a busy moment on an idle machine", []float64{2, 2}, 1.99, 2, 10 * time.Millisecond, 2, false},
		{"between two readings", []float64{0, 2}, 0.55, 1.55, time.Second, 1.1, false},
		{"longer than the record", []float64{0, 0}, -10, 2, 5 * time.Second, 0, true},
	} {
		got, saturated := busy(began, test.idle...).Busiest(at(test.from), at(test.to), test.length)
		if math.Abs(got-test.want) > 1e-6 || saturated != test.saturated {
			t.Errorf("%s: %.3f cores idle, saturated %t; want %.3f, %t", test.name, got, saturated, test.want, test.saturated)
		}
	}
}

// A machine that does not tell its times takes no blame.
func TestBusiestWithoutReadings(t *testing.T) {
	now := time.Now()
	one := &Record{cpus: 2}
	one.add(now, Times{Idle: 1, Total: 2})
	for _, r := range []*Record{{cpus: 2}, one} {
		if _, saturated := r.Busiest(now, now.Add(time.Second), time.Second); saturated {
			t.Error("saturated without two readings")
		}
	}
}

func TestWatch(t *testing.T) {
	began := time.Now()
	r, stop := Watch(t.Context())
	for len(r.snapshot()) < 3 && time.Since(began) < 10*time.Second {
		time.Sleep(sampleEvery / 2)
	}
	stop()
	n := len(r.snapshot())
	if n < 3 {
		t.Skipf("this system tells no CPU times: %d readings", n)
	}
	time.Sleep(2 * sampleEvery)
	if len(r.snapshot()) != n {
		t.Error("it goes on after stop")
	}
	if idle, _ := r.Busiest(began, time.Now(), time.Second); idle < 0 || idle > float64(r.cpus) {
		t.Errorf("%v of %d cores idle", idle, r.cpus)
	}
}

func (r *Record) snapshot() []reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readings
}
