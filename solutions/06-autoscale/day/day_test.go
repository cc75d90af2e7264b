package day_test

import (
	"testing"
	"time"

	"bytebites.example/workshop/solutions/06-autoscale/day"
)

// Ten replicas cost 240 instance-hours a day, and both ways serve the day: the lab allows a minute of overload.
func TestBothServeTheDay(t *testing.T) {
	always, byPolicy := day.Always(), day.ByPolicy()
	if always.InstanceHours != 240 || always.Overloaded != 0 {
		t.Errorf("always ten: %.1f instance-hours, overloaded for %v", always.InstanceHours, always.Overloaded)
	}
	if byPolicy.InstanceHours <= 72 || byPolicy.InstanceHours >= 240 || byPolicy.Overloaded > time.Minute {
		t.Errorf("by policy: %.1f instance-hours, overloaded for %v", byPolicy.InstanceHours, byPolicy.Overloaded)
	}
}
