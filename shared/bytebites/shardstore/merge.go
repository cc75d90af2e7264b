package shardstore

import (
	"cmp"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
)

// deeper is how many times longer a list of popular meals each server is asked for than the
// one that is wanted: what is popular everywhere may be the first nowhere.
const deeper = 10

// mergePopular adds up the portions that each server counted, and returns the meals with
// most of them first, at most limit.
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

// mergeRatings adds up how many rated each meal, and averages what they gave: by person, not
// by server, for the average of averages would let a server with one rating outvote the rest.
func mergeRatings(parts []map[bytebites.MealID]bytebites.Rating) map[bytebites.MealID]bytebites.Rating {
	merged := make(map[bytebites.MealID]bytebites.Rating)
	for _, part := range parts {
		for meal, r := range part {
			sum := merged[meal]
			count := sum.Count + r.Count
			if count == 0 {
				continue
			}
			stars := sum.Average*float64(sum.Count) + r.Average*float64(r.Count)
			merged[meal] = bytebites.Rating{Count: count, Average: stars / float64(count)}
		}
	}
	return merged
}
