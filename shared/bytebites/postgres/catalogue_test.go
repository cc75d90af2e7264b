package postgres_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
)

func testCatalogue(t *testing.T, f *fixture) {
	t.Run("pages", func(t *testing.T) {
		var ids []bytebites.MealID
		filter := bytebites.MealFilter{Limit: 70}
		for {
			page, err := f.catalogue.Meals(f.ctx, filter)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, meal := range page {
				ids = append(ids, meal.ID)
			}
			filter.After = page[len(page)-1].ID
		}
		if len(ids) != f.size.Meals || !slices.IsSorted(ids) || ids[0] != seed.Meal(1) {
			t.Errorf("pages hold %d meals, sorted %t; want all %d in order", len(ids), slices.IsSorted(ids), f.size.Meals)
		}
	})
	for _, test := range []struct {
		name   string
		filter bytebites.MealFilter
		fits   func(bytebites.Meal) bool
	}{
		{"cuisine", bytebites.MealFilter{Cuisine: "thai"}, func(m bytebites.Meal) bool { return m.Cuisine == "thai" }},
		{"diet", bytebites.MealFilter{Diet: "vegan", Limit: 10}, func(m bytebites.Meal) bool { return slices.Contains(m.Diets, "vegan") }},
		{"price", bytebites.MealFilter{MaxPrice: 700}, func(m bytebites.Meal) bool { return m.Price <= 700 }},
		{"search", bytebites.MealFilter{Search: "CuRRy"}, func(m bytebites.Meal) bool { return strings.Contains(strings.ToLower(m.Name), "curry") }},
		{"no limit", bytebites.MealFilter{}, func(bytebites.Meal) bool { return true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			meals, err := f.catalogue.Meals(f.ctx, test.filter)
			must(t, err)
			if len(meals) == 0 || len(meals) > 100 {
				t.Fatalf("%d meals, want 1 to 100", len(meals))
			}
			for _, meal := range meals {
				if !test.fits(meal) || len(meal.Ingredients) != 8 {
					t.Errorf("meal %+v does not fit", meal)
				}
			}
		})
	}
	t.Run("text is no pattern", func(t *testing.T) {
		for _, search := range []string{"%", "_", `\`, "curry' OR '1'='1", "\x00", "\xff"} {
			meals, err := f.catalogue.Meals(f.ctx, bytebites.MealFilter{Search: search})
			if err != nil || len(meals) != 0 {
				t.Errorf("search %q: %d meals, error %v; want none", search, len(meals), err)
			}
		}
	})
	t.Run("by id", func(t *testing.T) {
		meal, err := f.catalogue.Meal(f.ctx, seed.Meal(13))
		must(t, err)
		if meal.Cuisine != "mexican" || meal.Price <= 0 || meal.Version != 1 || meal.Nutrition.KiloCalories == 0 {
			t.Errorf("got %+v", meal)
		}
		meals, err := f.catalogue.MealsByID(f.ctx, []bytebites.MealID{seed.Meal(2), "nothing", "\x00", seed.Meal(7)})
		must(t, err)
		if len(meals) != 2 {
			t.Errorf("%d meals of two that exist", len(meals))
		}
		_, err = f.catalogue.Meal(f.ctx, "nothing")
		wantError(t, "unknown meal", err, bytebites.ErrNotFound)
	})
	t.Run("update", func(t *testing.T) {
		id, name, price := seed.Meal(499), "O'Neill's \x00 stew", bytebites.Cents(1234)
		before, err := f.catalogue.Meal(f.ctx, id)
		must(t, err)
		after, err := f.catalogue.UpdateMeal(f.ctx, id, bytebites.MealChange{Name: &name, Price: &price, Version: before.Version})
		must(t, err)
		if after.Name != "O'Neill's \uFFFD stew" || after.Price != price || after.Description != before.Description || after.Version != before.Version+1 {
			t.Errorf("got %+v", after)
		}
		_, err = f.catalogue.UpdateMeal(f.ctx, id, bytebites.MealChange{Name: &name, Version: before.Version})
		wantError(t, "old version", err, bytebites.ErrConflict)
		same, err := f.catalogue.UpdateMeal(f.ctx, id, bytebites.MealChange{})
		if err != nil || same.Version != after.Version {
			t.Errorf("empty change: version %d, error %v; want %d", same.Version, err, after.Version)
		}
		_, err = f.catalogue.UpdateMeal(f.ctx, "nothing", bytebites.MealChange{Name: &name})
		wantError(t, "unknown meal", err, bytebites.ErrNotFound)
	})
	t.Run("tastes", func(t *testing.T) {
		tastes, err := f.catalogue.Tastes(f.ctx)
		must(t, err)
		if len(tastes) != f.size.Meals {
			t.Fatalf("%d tastes", len(tastes))
		}
		for _, taste := range tastes {
			if length := math.Sqrt(dot(taste.Vector, taste.Vector)); math.Abs(length-1) > 1e-5 {
				t.Errorf("%s: length %g", taste.Meal, length)
			}
		}
	})
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func testDirectory(t *testing.T, f *fixture) {
	for _, email := range []string{seed.Email(7), strings.ToUpper(seed.Email(7))} {
		account, err := f.directory.Account(f.ctx, email)
		must(t, err)
		if account.User != seed.User(7) || account.Email != seed.Email(7) {
			t.Errorf("%s: got %s, %s", email, account.User, account.Email)
		}
		if err := bcrypt.CompareHashAndPassword(account.PasswordHash, []byte(seed.Password)); err != nil {
			t.Errorf("password: %v", err)
		}
	}
	_, err := f.directory.Account(f.ctx, "' OR 1=1 --")
	wantError(t, "injection", err, bytebites.ErrNotFound)

	// Of many concurrent registrations of one address, in any case, one succeeds.
	got := 0
	for _, err := range together(8, func(i int) error {
		return f.directory.Register(f.ctx, bytebites.Account{
			User: bytebites.NewUserID(time.Now()), Email: []string{"new@example.com", "NEW@example.com"}[i%2], PasswordHash: []byte("hash"),
		})
	}) {
		if err == nil {
			got++
			continue
		}
		wantError(t, "taken address", err, bytebites.ErrDuplicate)
	}
	account, err := f.directory.Account(f.ctx, "New@example.com")
	if got != 1 || err != nil || string(account.PasswordHash) != "hash" {
		t.Errorf("%d registered, then %+v, %v", got, account, err)
	}
	second := bytebites.Account{User: account.User, Email: "other@example.com", PasswordHash: []byte("hash")}
	wantError(t, "an address that no row can have", f.directory.Register(f.ctx, bytebites.Account{User: "v", Email: "a\x00@b.c"}), bytebites.ErrNotFound)
	wantError(t, "second address", f.directory.Register(f.ctx, second), bytebites.ErrDuplicate)
}
