package seed

import (
	"math"
	"slices"
	"testing"
)

func TestZipfRanks(t *testing.T) {
	for _, n := range []int{1, 2, 5, 125, zipfSlots} {
		ranks := zipfRanks(n)
		if len(ranks) != zipfSlots || !slices.IsSorted(ranks) || ranks[0] != 1 || ranks[zipfSlots-1] != int64(n) {
			t.Fatalf("%d ranks: %d slots from %d to %d", n, len(ranks), ranks[0], ranks[len(ranks)-1])
		}
		slots := make([]int, n+1)
		for _, r := range ranks {
			slots[r]++
		}
		for r := 1; r <= n; r++ {
			if slots[r] == 0 {
				t.Errorf("%d ranks: none for %d", n, r)
			}
		}
		if n == 125 {
			if ratio := float64(slots[1]) / float64(slots[10]); math.Abs(ratio-10) > 0.2 {
				t.Errorf("the first comes %g times as often as the tenth, want 10", ratio)
			}
		}
	}
}
