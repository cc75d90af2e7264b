package recommend

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// orderHalfLife is the age at which the weight of an order is one half.
	orderHalfLife = 28 * 24 * time.Hour
	// cuisineWeight is the weight of the preferred cuisines in a taste. The ordered meals
	// together have weight 1.
	cuisineWeight = 0.5
	// cuisineBonus is added to the relevance of a meal of a preferred cuisine.
	cuisineBonus = 0.15
	// maxCandidates bounds the work of a plan. Only the most relevant meals are compared
	// with one another.
	maxCandidates = 256
)

// taste describes the meals that a subscriber likes.
type taste struct {
	direction []float64 // in taste space, of unit length; zero without orders and preferred cuisines
	cuisines  []string
}

// tasteOf computes a taste from the preferred cuisines and the ordered meals. The weight of an
// order halves every four weeks, counted from the subscriber's latest order. Only the ratios of
// the weights matter, so the taste of an inactive subscriber does not change.
func tasteOf(m *menu, preferences bytebites.Preferences, history []bytebites.Order) taste {
	ordered := make([]float64, len(m.meals[0].vector))
	var latest time.Time
	for _, order := range history {
		if order.PlacedAt.After(latest) {
			latest = order.PlacedAt
		}
	}
	for _, order := range history {
		age := latest.Sub(order.PlacedAt)
		weight := math.Exp2(-float64(age) / float64(orderHalfLife))
		for _, line := range order.Lines {
			if i, ok := m.byID[line.Meal]; ok {
				addScaled(ordered, m.meals[i].vector, weight*float64(line.Quantity))
			}
		}
	}
	said := make([]float64, len(ordered))
	for _, entry := range m.meals {
		if slices.Contains(preferences.Cuisines, entry.cuisine) {
			addScaled(said, entry.vector, 1)
		}
	}
	normalise(ordered)
	normalise(said)
	for d := range ordered {
		ordered[d] += cuisineWeight * said[d]
	}
	normalise(ordered)
	return taste{direction: ordered, cuisines: preferences.Cuisines}
}

// candidate is a meal that the search may choose.
type candidate struct {
	meal      *meal
	relevance float64 // estimates how well the subscriber likes it; about -1 to 1
}

// shortlist returns at most maxCandidates meals that fit the diets, the most relevant first. It
// adds meals with a disliked ingredient only to reach Days meals, after all others.
func shortlist(m *menu, preferences bytebites.Preferences, t taste) []candidate {
	var liked, disliked []candidate
	for i := range m.meals {
		entry := &m.meals[i]
		if !fits(entry.diets, preferences.Diets) {
			continue
		}
		c := candidate{meal: entry, relevance: dot(t.direction, entry.vector)}
		if slices.Contains(t.cuisines, entry.cuisine) {
			c.relevance += cuisineBonus
		}
		if dislikes(preferences.Dislikes, entry.ingredients) {
			disliked = append(disliked, c)
		} else {
			liked = append(liked, c)
		}
	}
	best := func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.relevance, a.relevance), compare(a.meal.id, b.meal.id))
	}
	slices.SortFunc(liked, best)
	if missing := Days - len(liked); missing > 0 {
		slices.SortFunc(disliked, best)
		liked = append(liked, disliked[:min(missing, len(disliked))]...)
	}
	return liked[:min(len(liked), maxCandidates)]
}

// fits reports whether a meal of these diets fits all the diets that a subscriber keeps.
func fits(diets, kept []string) bool {
	for _, diet := range kept {
		if !slices.Contains(diets, diet) {
			return false
		}
	}
	return true
}

func dislikes(disliked, ingredients []string) bool {
	for _, name := range disliked {
		if slices.ContainsFunc(ingredients, func(i string) bool { return strings.EqualFold(i, name) }) {
			return true
		}
	}
	return false
}

func compare(a, b bytebites.MealID) int { return cmp.Compare(a, b) }

func addScaled(sum []float64, v []float32, factor float64) {
	for d, x := range v {
		sum[d] += factor * float64(x)
	}
}

func dot(a []float64, b []float32) float64 {
	sum := 0.0
	for d, x := range b {
		sum += a[d] * float64(x)
	}
	return sum
}

// normalise scales a vector to unit length. It does not change a zero vector.
func normalise(v []float64) {
	length := 0.0
	for _, x := range v {
		length += x * x
	}
	if length == 0 {
		return
	}
	length = math.Sqrt(length)
	for d := range v {
		v[d] /= length
	}
}
