package dinner

import (
	"testing"
	"time"
)

func TestMissingEffectsRestOnTimeUnlessLost(t *testing.T) {
	for _, lost := range []bool{false, true} {
		c := closing{seen: Seen{Ended: time.Now()}, books: Books{Lost: lost, Drained: time.Minute}}
		if rests := c.missed(); (rests.Each > 0) == lost {
			t.Errorf("lost %t: rests on a wait of %v", lost, rests.Each)
		}
	}
}
