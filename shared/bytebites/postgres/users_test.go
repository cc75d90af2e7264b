package postgres_test

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
)

func testProfiles(t *testing.T, f *fixture) {
	user := f.user()
	prefs := bytebites.Preferences{Diets: []string{"vegan"}, Cuisines: []string{}, Dislikes: []string{`a"b,c{}`, "d'e"}, PortionCount: 8}
	must(t, f.profiles.SetPreferences(f.ctx, user, prefs))
	profile, err := f.profiles.Profile(f.ctx, user)
	must(t, err)
	if profile.User != user || profile.Name == "" || profile.Email == "" || !reflect.DeepEqual(profile.Preferences, prefs) {
		t.Errorf("got %+v, want preferences %+v", profile, prefs)
	}
	must(t, f.profiles.SetPreferences(f.ctx, user, bytebites.Preferences{PortionCount: 1}))

	for _, addresses := range [][]bytebites.Address{
		{
			{Label: "Home", Street: "Rue d'Été 1", PostalCode: "1000", City: "Bruxelles", Country: "BE"},
			{Label: "Work", Street: "B 2", PostalCode: "10115", City: "Berlin", Country: "DE"},
			{Label: "Work", Street: "B 2", PostalCode: "10115", City: "Berlin", Country: "DE"},
		},
		{{Label: "Only", Street: "one\nleft", PostalCode: "75001", City: "Paris", Country: "FR"}},
		nil,
	} {
		must(t, f.profiles.SetAddresses(f.ctx, user, addresses))
		got, err := f.profiles.Addresses(f.ctx, user)
		must(t, err)
		if !slices.Equal(got, addresses) {
			t.Errorf("got %v, want %v", got, addresses)
		}
	}
	_, err = f.profiles.Profile(f.ctx, "nobody")
	wantError(t, "unknown profile", err, bytebites.ErrNotFound)
	wantError(t, "preferences of an unknown subscriber", f.profiles.SetPreferences(f.ctx, "nobody", prefs), bytebites.ErrNotFound)
	wantError(t, "addresses of an unknown subscriber", f.profiles.SetAddresses(f.ctx, "nobody", nil), bytebites.ErrNotFound)
}

func testCreateProfile(t *testing.T, f *fixture) {
	profile := bytebites.Profile{
		User: bytebites.NewUserID(time.Now()), Name: "O'Connor\x00", Email: "ada@example.com",
		Preferences: bytebites.Preferences{Diets: []string{}, Cuisines: []string{"thai"}, Dislikes: []string{}, PortionCount: 2},
	}
	must(t, f.profiles.Create(f.ctx, profile))
	wantError(t, "the same id", f.profiles.Create(f.ctx, bytebites.Profile{User: profile.User, Name: "Else", Preferences: profile.Preferences}), bytebites.ErrDuplicate)
	want := profile
	want.Name = "O'Connor\uFFFD"
	if got, err := f.profiles.Profile(f.ctx, profile.User); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	must(t, f.carts.SetCart(f.ctx, profile.User, []bytebites.Line{{Meal: seed.Meal(1), Quantity: 1}}))
	if err := f.profiles.Create(f.ctx, bytebites.Profile{User: bytebites.NewUserID(time.Now()), Preferences: bytebites.Preferences{PortionCount: 9}}); err == nil {
		t.Error("nine portions were taken")
	}
	wantError(t, "an id that no row can have", f.profiles.Create(f.ctx, bytebites.Profile{User: "\xff", Preferences: profile.Preferences}), bytebites.ErrNotFound)

	// A duplicate does not abort the transaction.
	order := f.draft(profile.User, seed.Meal(1))
	f.reserve(t, order)
	must(t, f.orders.Place(f.ctx, order, func(ctx context.Context) error {
		wantError(t, "the same id, within", f.profiles.Create(ctx, profile), bytebites.ErrDuplicate)
		return nil
	}))
	if _, err := f.orders.Order(f.ctx, profile.User, order.ID); err != nil {
		t.Error(err)
	}
}

func testCarts(t *testing.T, f *fixture) {
	user := f.user()
	for _, cart := range [][]bytebites.Line{
		{{Meal: "m0003", Quantity: 2}, {Meal: "m0009", Quantity: 1}},
		{{Meal: "m0001", Quantity: 1}, {Meal: "m0009", Quantity: 5}},
		nil,
	} {
		must(t, f.carts.SetCart(f.ctx, user, cart))
		got, err := f.carts.Cart(f.ctx, user)
		must(t, err)
		if !slices.Equal(got, cart) {
			t.Errorf("got %v, want %v", got, cart)
		}
	}
	wantError(t, "cart of an unknown subscriber", f.carts.SetCart(f.ctx, "nobody", nil), bytebites.ErrNotFound)

	// Concurrent replacements of one cart never mix.
	a := []bytebites.Line{{Meal: "m0001", Quantity: 1}, {Meal: "m0002", Quantity: 1}}
	b := []bytebites.Line{{Meal: "m0003", Quantity: 2}}
	for _, err := range together(16, func(i int) error { return f.carts.SetCart(f.ctx, user, [][]bytebites.Line{a, b}[i%2]) }) {
		must(t, err)
	}
	if got, err := f.carts.Cart(f.ctx, user); err != nil || (!slices.Equal(got, a) && !slices.Equal(got, b)) {
		t.Errorf("got %v, %v", got, err)
	}
}

func testRatings(t *testing.T, f *fixture) {
	meal, unrated := seed.Meal(42), bytebites.MealID("unrated")
	rating := func() bytebites.Rating {
		t.Helper()
		ratings, err := f.ratings.Ratings(f.ctx, []bytebites.MealID{meal, unrated})
		must(t, err)
		if _, ok := ratings[unrated]; ok {
			t.Error("a meal without ratings has one")
		}
		return ratings[meal]
	}
	user := f.user()
	f.exec(t, `DELETE FROM ratings WHERE user_id = $1`, string(user))
	before := rating()
	must(t, f.ratings.Rate(f.ctx, user, meal, 1))
	must(t, f.ratings.Rate(f.ctx, user, meal, 5))
	after := rating()
	want := (before.Average*float64(before.Count) + 5) / float64(before.Count+1)
	if after.Count != before.Count+1 || math.Abs(after.Average-want) > 1e-9 {
		t.Errorf("from %+v to %+v, want average %g", before, after, want)
	}
	wantError(t, "rating of an unknown subscriber", f.ratings.Rate(f.ctx, "nobody", meal, 3), bytebites.ErrNotFound)
	if err := f.ratings.Rate(f.ctx, user, meal, 6); err == nil {
		t.Error("six stars were taken")
	}
}

func testWeeks(t *testing.T, f *fixture) {
	user := f.user()
	_, err := f.weeks.Week(f.ctx, user)
	wantError(t, "no week yet", err, bytebites.ErrNotFound)
	for day := range 2 {
		week := bytebites.Week{
			Meals:     []bytebites.MealID{seed.Meal(1), seed.Meal(2 + day)},
			PlannedAt: time.Date(2026, 3, 1+day, 12, 0, 0, 1000, time.UTC),
		}
		must(t, f.weeks.SetWeek(f.ctx, user, week))
		if got, err := f.weeks.Week(f.ctx, user); err != nil || !reflect.DeepEqual(got, week) {
			t.Errorf("got %+v, %v; want %+v", got, err, week)
		}
	}
	testWeekOrder(t, f)
	wantError(t, "week of an unknown subscriber", f.weeks.SetWeek(f.ctx, "nobody", bytebites.Week{}), bytebites.ErrNotFound)
}

// testWeekOrder stores the plans of two overlapping orders in both sequences, also at once. The
// newer plan must stay.
func testWeekOrder(t *testing.T, f *fixture) {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := func(meal int, basis int64, planned time.Time) bytebites.Week {
		return bytebites.Week{Meals: []bytebites.MealID{seed.Meal(meal)}, PlannedAt: planned, Basis: basis}
	}
	for _, test := range []struct {
		name         string
		older, newer bytebites.Week
	}{
		{"one more order", plan(1, 10, at), plan(2, 20, at.Add(time.Millisecond))},
		{"one more order, on a replica whose clock is behind", plan(1, 10, at), plan(2, 20, at.Add(-time.Hour))},
		{"the same orders, planned later", plan(1, 10, at), plan(2, 10, at.Add(time.Microsecond))},
		{"the same orders and time", plan(2, 10, at), plan(2, 10, at)},
	} {
		t.Run(test.name, func(t *testing.T) {
			newest := func(user bytebites.UserID, how string) {
				t.Helper()
				if got, err := f.weeks.Week(f.ctx, user); err != nil || !reflect.DeepEqual(got, test.newer) {
					t.Errorf("%s: got %+v, %v; want %+v", how, got, err, test.newer)
				}
			}
			user := f.user()
			must(t, f.weeks.SetWeek(f.ctx, user, test.older))
			must(t, f.weeks.SetWeek(f.ctx, user, test.newer))
			newest(user, "older first")
			must(t, f.weeks.SetWeek(f.ctx, user, test.older))
			newest(user, "newer first")

			// The transaction of the newer order holds the row while the older order waits for it.
			other := f.user()
			must(t, f.weeks.SetWeek(f.ctx, other, plan(3, 1, at.Add(-time.Hour))))
			inside, late := make(chan struct{}), make(chan error, 1)
			go func() {
				<-inside
				late <- f.weeks.SetWeek(f.ctx, other, test.older)
			}()
			must(t, postgres.Transact(f.ctx, f.db, func(ctx context.Context) error {
				err := f.weeks.SetWeek(ctx, other, test.newer)
				close(inside)
				return err
			}))
			must(t, <-late)
			newest(other, "at once")
		})
	}
}
