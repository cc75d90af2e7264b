package scaler

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/testbed"
)

func TestShareOfTheQuota(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(seconds, used float64) testbed.Usage {
		return testbed.Usage{
			At:  began.Add(time.Duration(seconds * float64(time.Second))),
			CPU: time.Duration(used * float64(time.Second)),
		}
	}
	for name, c := range map[string]struct {
		before, now testbed.Usage
		share       float64
		measured    bool
	}{
		"half of a quarter core":    {at(0, 5), at(2, 5.25), 0.5, true},
		"idle is measured":          {at(0, 5), at(2, 5), 0, true},
		"a late reading is longer":  {at(0, 5), at(8, 6), 0.5, true},
		"a burst is at most 1":      {at(0, 5), at(1, 5.3), 1, true},
		"the same reading twice":    {at(3, 5), at(3, 5), 0, false},
		"an engine's clock back":    {at(3, 5), at(2, 6), 0, false},
		"the counters began anew":   {at(0, 5), at(2, 1), 0, false},
		"an engine without a clock": {testbed.Usage{}, testbed.Usage{CPU: time.Second}, 0, false},
	} {
		share, measured := shareOf(c.before, c.now, 0.25)
		if measured != c.measured || measured && (share < c.share-1e-9 || share > c.share+1e-9) {
			t.Errorf("%s: %v, %v; want %v, %v", name, share, measured, c.share, c.measured)
		}
	}
}
