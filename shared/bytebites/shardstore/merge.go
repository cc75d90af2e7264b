package shardstore

import (
	"cmp"
	"math"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
)

// popularDepth is how many times more popular meals each server is asked for than the caller wants.
// A meal that is popular in total may be first on no server.
const popularDepth = 10

// mergePopular adds up the portions that the servers counted. It returns at most limit meals, those
// with most portions first.
func mergePopular(parts [][]bytebites.Popularity, limit int) []bytebites.Popularity {
	portions := make(map[bytebites.MealID]int)
	for _, part := range parts {
		for _, p := range part {
			portions[p.Meal] += p.Portions
		}
	}
	all := make([]bytebites.Popularity, 0, len(portions))
	for meal, n := range portions {
		all = append(all, bytebites.Popularity{Meal: meal, Portions: n})
	}
	slices.SortFunc(all, func(a, b bytebites.Popularity) int {
		return cmp.Or(cmp.Compare(b.Portions, a.Portions), cmp.Compare(a.Meal, b.Meal))
	})
	return all[:min(max(limit, 0), len(all))]
}

// mergeRatings adds up the number of ratings of each meal and averages the stars. The average is
// weighted by the number of ratings: otherwise a server with one rating would count as much as one
// with a thousand. The sum of the stars is a whole number. It is rounded to that, so that the result
// does not depend on the sequence of the parts.
func mergeRatings(parts []map[bytebites.MealID]bytebites.Rating) map[bytebites.MealID]bytebites.Rating {
	merged := make(map[bytebites.MealID]bytebites.Rating)
	for _, part := range parts {
		for meal, r := range part {
			sum := merged[meal]
			count := sum.Count + r.Count
			if count == 0 {
				continue
			}
			stars := math.Round(sum.Average*float64(sum.Count)) + math.Round(r.Average*float64(r.Count))
			merged[meal] = bytebites.Rating{Count: count, Average: stars / float64(count)}
		}
	}
	return merged
}
