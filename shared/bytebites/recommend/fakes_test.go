package recommend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// kitchen is a catalogue of generated meals.
type kitchen struct {
	bytebites.Catalogue
	meals []bytebites.Meal
	taste []bytebites.Taste
	reads atomic.Int64
	err   error
	gate  chan struct{} // when not nil, Tastes waits for it to close
}

func newKitchen(n, dims int, random *rand.Rand) *kitchen {
	k := &kitchen{}
	cuisines := []string{"italian", "thai", "mexican", "indian", "french"}
	for i := range n {
		vector := make([]float64, dims)
		for d := range vector {
			vector[d] = random.NormFloat64()
		}
		vector[i%len(cuisines)%dims] += 2 // meals of a cuisine have similar vectors
		normalise(vector)
		unit := make([]float32, dims)
		for d, x := range vector {
			unit[d] = float32(x)
		}
		var diets []string
		if i%3 == 0 {
			diets = append(diets, "vegetarian")
		}
		if i%6 == 0 {
			diets = append(diets, "vegan")
		}
		id := bytebites.MealID(fmt.Sprintf("m%04d", i))
		kcal := 400 + random.IntN(600)
		k.taste = append(k.taste, bytebites.Taste{
			Meal: id, Cuisine: cuisines[i%len(cuisines)], Diets: diets, KiloCalories: kcal, Vector: unit,
		})
		k.meals = append(k.meals, bytebites.Meal{
			ID: id, Cuisine: cuisines[i%len(cuisines)], Diets: diets,
			Ingredients: []bytebites.Ingredient{{Name: fmt.Sprintf("ingredient %d", i%20)}},
			Nutrition:   bytebites.Nutrition{KiloCalories: kcal, SaltMilligram: random.IntN(4000)},
		})
	}
	return k
}

func (k *kitchen) Tastes(context.Context) ([]bytebites.Taste, error) {
	k.reads.Add(1)
	if k.gate != nil {
		<-k.gate
	}
	return k.taste, k.err
}

func (k *kitchen) MealsByID(_ context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	wanted := make(map[bytebites.MealID]bool)
	for _, id := range ids {
		wanted[id] = true
	}
	var found []bytebites.Meal
	for _, m := range k.meals {
		if wanted[m.ID] {
			found = append(found, m)
		}
	}
	return found, nil
}

// subscriber is the profile and the orders of the only subscriber.
type subscriber struct {
	bytebites.Profiles
	bytebites.Orders
	preferences bytebites.Preferences
	history     []bytebites.Order
}

func (s *subscriber) Profile(_ context.Context, user bytebites.UserID) (bytebites.Profile, error) {
	return bytebites.Profile{User: user, Preferences: s.preferences}, nil
}

func (s *subscriber) History(context.Context, bytebites.UserID, bytebites.HistoryCursor, int) ([]bytebites.Order, error) {
	return s.history, nil
}

func newSubscriber(k *kitchen, random *rand.Rand, preferences bytebites.Preferences) *subscriber {
	s := &subscriber{preferences: preferences}
	at := time.Date(2026, 1, 1, 18, 0, 0, 0, time.UTC)
	for i := range 10 {
		s.history = append(s.history, bytebites.Order{
			PlacedAt: at.AddDate(0, 0, -7*i),
			Lines:    []bytebites.OrderLine{{Meal: k.meals[random.IntN(len(k.meals))].ID, Quantity: 1 + random.IntN(3)}},
		})
	}
	return s
}
