package balancer

import (
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	const ok, bad = '.', 'x'
	tests := []struct {
		name       string
		rise, fall int
		answers    string // . is a success, x a failure
		ready      string // after each answer: R or -
	}{
		{"a new replica has to prove itself", 2, 1, "..", "-R"},
		{"one success is enough when rise is 1", 1, 1, ".", "R"},
		{"the first failure counts when fall is 1", 1, 1, ".x", "R-"},
		{"one failure is forgiven when fall is 2", 1, 2, ".x.x.", "RRRRR"},
		{"two in a row are not", 1, 2, ".xx", "RR-"},
		{"coming back takes rise in a row", 3, 1, "...x..x...", "--R------R"},
		{"never ready", 2, 2, "x.x.x.", "------"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Policy{Interval: time.Second, Timeout: time.Millisecond, Rise: tt.rise, Fall: tt.fall}
			var h health
			got := make([]byte, 0, len(tt.answers))
			for _, answer := range tt.answers {
				h = h.after(answer == ok, p)
				if h.ready {
					got = append(got, 'R')
				} else {
					got = append(got, '-')
				}
			}
			if string(got) != tt.ready {
				t.Errorf("answers %s: ready %s, want %s (failures are %c)", tt.answers, got, tt.ready, bad)
			}
		})
	}
}

func TestPolicyIsChecked(t *testing.T) {
	good := DefaultPolicy()
	if err := good.validate(); err != nil {
		t.Errorf("default policy: %v", err)
	}
	for name, spoil := range map[string]func(*Policy){
		"no interval":                func(p *Policy) { p.Interval = 0 },
		"no timeout":                 func(p *Policy) { p.Timeout = 0 },
		"timeout as long as a round": func(p *Policy) { p.Timeout = p.Interval },
		"no rise":                    func(p *Policy) { p.Rise = 0 },
		"no fall":                    func(p *Policy) { p.Fall = 0 },
	} {
		p := good
		spoil(&p)
		if err := p.validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
