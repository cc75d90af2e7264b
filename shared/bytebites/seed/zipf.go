package seed

import "github.com/lib/pq"

// zipfSlots is the number of slots from which seed.line_meal (01_recipes.sql) draws.
const zipfSlots = 8192

// zipfRanks returns a table of zipfSlots ranks from 1 to n. The share of rank r is in proportion
// to 1/r, which is Zipf's law with exponent 1. A uniformly drawn slot gives a rank by that law.
// Each rank has at least one slot. n must not exceed zipfSlots.
func zipfRanks(n int) pq.Int64Array {
	harmonic := 0.0
	for r := 1; r <= n; r++ {
		harmonic += 1 / float64(r)
	}
	ranks := make(pq.Int64Array, 0, zipfSlots)
	reached := 0.0
	for r := 1; r <= n; r++ {
		reached += 1 / float64(r) / harmonic
		// The slots after end must suffice for one slot of each later rank.
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
