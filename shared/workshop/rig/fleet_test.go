package rig_test

import (
	"testing"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

// A fleet serves with some of its replicas. A list without one would make nginx answer 502.
func TestServeNeedsReplicas(t *testing.T) {
	fleet := &rig.Fleet{Replicas: []*testbed.Service{nil, nil}}
	for _, n := range []int{-1, 0, 3} {
		if err := fleet.Serve(t.Context(), n); err == nil {
			t.Errorf("%d of 2 replicas: want an error", n)
		}
	}
}
