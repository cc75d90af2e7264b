package main

import (
	"testing"
	"time"
)

// Ten replicas cost 240 instance-hours a day. Both ways serve the day: the lab allows a minute of
// overload.
func TestBothServeTheDay(t *testing.T) {
	always, byPolicy := days()
	if always.InstanceHours != 240 || always.Overloaded != 0 {
		t.Errorf("always ten: %.1f instance-hours, overloaded for %v", always.InstanceHours, always.Overloaded)
	}
	if byPolicy.InstanceHours <= 72 || byPolicy.InstanceHours >= 240 || byPolicy.Overloaded > time.Minute {
		t.Errorf("by policy: %.1f instance-hours, overloaded for %v", byPolicy.InstanceHours, byPolicy.Overloaded)
	}
	if least(byPolicy.Changes) != 3 || most(byPolicy.Changes) > mostReplicas {
		t.Errorf("%d to %d replicas, want 3 to 10", least(byPolicy.Changes), most(byPolicy.Changes))
	}
}
