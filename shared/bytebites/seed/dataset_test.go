package seed_test

import (
	"testing"

	"bytebites.example/workshop/shared/bytebites/seed"
)

func TestKeyNamesTheData(t *testing.T) {
	keys := make(map[string]seed.Size)
	for _, size := range []seed.Size{
		seed.Full(), seed.Growing(), seed.Early(), seed.Small(), {Users: 1_001, Meals: 500, Orders: 10_000}, {Users: 1_000, Meals: 499, Orders: 10_000},
		{Users: 1_000, Meals: 500, Orders: 10_001}, {Users: 10_001, Meals: 500, Orders: 1_000},
	} {
		key := size.Key()
		if other, ok := keys[key]; ok {
			t.Errorf("%+v and %+v have the same key", size, other)
		}
		if key != size.Key() || len(key) != 12 {
			t.Errorf("%+v: key %q, then %q", size, key, size.Key())
		}
		keys[key] = size
	}
}

func TestIDs(t *testing.T) {
	if got := seed.User(42); got != "u0000042" {
		t.Errorf("user: %s", got)
	}
	if got := seed.Meal(42); got != "m0042" {
		t.Errorf("meal: %s", got)
	}
	if got := seed.Email(42); got != "user0000042@bytebites.example" {
		t.Errorf("email: %s", got)
	}
	if got := seed.Full().ScarceMeal(seed.ScarceMeals); got != seed.Meal(500) {
		t.Errorf("last scarce meal: %s", got)
	}
}

func TestFillRefuses(t *testing.T) {
	for name, size := range map[string]seed.Size{
		"nothing":        {},
		"too many meals": {Users: 10, Meals: seed.MaxMeals + 1, Orders: 10},
		"too few meals":  {Users: 10, Meals: 3, Orders: 10},
		"no users":       {Users: 0, Meals: 500, Orders: 10},
		"too many":       {Users: 10_000_000, Meals: 500, Orders: 10},
	} {
		// No server listens at this address, because Fill must refuse the size first.
		err := seed.Fill(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable", size)
		if err == nil || err.Error()[:10] != "dataset of" {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
