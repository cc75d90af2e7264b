package load

import "testing"

func TestIdleCores(t *testing.T) {
	if got := (Host{CPUs: 4, IdleShare: 0.25}).IdleCores(); got != 1 {
		t.Errorf("idle cores %v, want 1", got)
	}
}
