package load_test

import (
	"testing"

	"bytebites.example/workshop/shared/measure/load"
)

func TestCauses(t *testing.T) {
	for want, failures := range map[string]map[string]int{
		"none":                    nil,
		"1 timeout":               {"timeout": 1},
		"1 status 502, 2 timeout": {"timeout": 2, "status 502": 1},
	} {
		if got := load.Causes(failures); got != want {
			t.Errorf("%v is told as %q, want %q", failures, got, want)
		}
	}
}
