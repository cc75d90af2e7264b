package load

import "testing"

func TestIdleShare(t *testing.T) {
	tests := []struct {
		name     string
		from, to machineTimes
		want     float64
	}{
		{"half idle", machineTimes{100, 200}, machineTimes{103, 206}, 0.5},
		{"busy", machineTimes{100, 200}, machineTimes{100, 206}, 0},
		{"idle", machineTimes{100, 200}, machineTimes{106, 206}, 1},
		// No time has passed, or a counter went back, which happens when a core is unplugged.
		{"no time", machineTimes{100, 200}, machineTimes{100, 200}, 0},
		{"idle time goes back", machineTimes{100, 200}, machineTimes{99, 206}, 0},
	}
	for _, test := range tests {
		if got := idleShare(test.from, test.to); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := (Host{CPUs: 4, IdleShare: 0.25}).IdleCores(); got != 1 {
		t.Errorf("idle cores %v, want 1", got)
	}
}
