package seed

import "github.com/lib/pq"

// zipfSlots must be what seed.line_meal draws from.
const zipfSlots = 8192

// zipfRanks returns a table of zipfSlots ranks from 1 to n in which rank r comes in
// proportion to 1/r (Zipf's law with exponent 1): a slot drawn evenly is a rank drawn by
// that law. Each rank has one slot at least. n is at most zipfSlots.
func zipfRanks(n int) pq.Int64Array {
	harmonic := 0.0
	for r := 1; r <= n; r++ {
		harmonic += 1 / float64(r)
	}
	ranks := make(pq.Int64Array, 0, zipfSlots)
	reached := 0.0
	for r := 1; r <= n; r++ {
		reached += 1 / float64(r) / harmonic
		// What is left must do for one slot of each rank that follows.
		end := min(max(int(reached*zipfSlots), len(ranks)+1), zipfSlots-(n-r))
		if r == n {
			end = zipfSlots
		}
		for len(ranks) < end {
			ranks = append(ranks, int64(r))
		}
	}
	return ranks
}
