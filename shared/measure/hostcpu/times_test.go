package hostcpu_test

import (
	"testing"

	"bytebites.example/workshop/shared/measure/hostcpu"
)

func TestIdleShare(t *testing.T) {
	times := func(idle, total float64) hostcpu.Times { return hostcpu.Times{Idle: idle, Total: total} }
	tests := []struct {
		name     string
		from, to hostcpu.Times
		want     float64
	}{
		{"half idle", times(100, 200), times(103, 206), 0.5},
		{"busy", times(100, 200), times(100, 206), 0},
		{"idle", times(100, 200), times(106, 206), 1},
		// No time has passed, or a counter went back, which happens when a core is unplugged.
		{"no time", times(100, 200), times(100, 200), 0},
		{"idle time goes back", times(100, 200), times(99, 206), 0},
	}
	for _, test := range tests {
		if got := hostcpu.IdleShare(test.from, test.to); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
