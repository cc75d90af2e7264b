package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// shop is stores in memory, which count how often they are asked for what.
type shop struct {
	bytebites.Orders
	meals    []bytebites.Meal
	ratings  map[bytebites.MealID]bytebites.Rating
	sessionz map[[32]byte]bytebites.Session
	asked    map[string]int
}

func newShop() *shop {
	s := &shop{
		ratings: make(map[bytebites.MealID]bytebites.Rating), sessionz: make(map[[32]byte]bytebites.Session), asked: make(map[string]int),
	}
	for n := range 30 {
		s.meals = append(s.meals, bytebites.Meal{ID: bytebites.MealID(fmt.Sprintf("m%02d", n)), Price: 100, Cuisine: "thai"})
	}
	return s
}

func (s *shop) Meals(_ context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	s.asked["page"]++
	var found []bytebites.Meal
	for _, m := range s.meals {
		if m.ID > f.After && len(found) < f.Limit && (f.Cuisine == "" || f.Cuisine == m.Cuisine) && (f.MaxPrice == 0 || m.Price <= f.MaxPrice) {
			found = append(found, m)
		}
	}
	return found, nil
}

func (s *shop) Meal(context.Context, bytebites.MealID) (bytebites.Meal, error) {
	return bytebites.Meal{}, errors.New("meals are read by MealsByID")
}

func (s *shop) MealsByID(_ context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	s.asked["meals"]++
	var found []bytebites.Meal
	for _, m := range s.meals {
		if slices.Contains(ids, m.ID) {
			found = append(found, m)
		}
	}
	return found, nil
}

var errCommit = errors.New("connection lost while committing")

func (s *shop) UpdateMeal(_ context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	for i := range s.meals {
		if s.meals[i].ID == id {
			s.meals[i].Price = *change.Price
		}
	}
	return bytebites.Meal{}, errCommit
}

func (s *shop) Tastes(context.Context) ([]bytebites.Taste, error) { return nil, nil }

func (s *shop) Ratings(_ context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	s.asked["ratings"]++
	found := make(map[bytebites.MealID]bytebites.Rating)
	for _, id := range meals {
		if r, exists := s.ratings[id]; exists {
			found[id] = r
		}
	}
	return found, nil
}

func (s *shop) Rate(_ context.Context, _ bytebites.UserID, meal bytebites.MealID, stars int) error {
	s.ratings[meal] = bytebites.Rating{Count: 1, Average: float64(stars)}
	return nil
}

func (s *shop) Popular(_ context.Context, limit int) ([]bytebites.Popularity, error) {
	s.asked["popular"]++
	var popular []bytebites.Popularity
	for n := range limit {
		popular = append(popular, bytebites.Popularity{Meal: bytebites.MealID(fmt.Sprint(n)), Portions: 1000 - n})
	}
	return popular, nil
}

func (s *shop) Create(_ context.Context, session bytebites.Session) error {
	s.sessionz[session.TokenHash] = session
	return nil
}

func (s *shop) Session(_ context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	s.asked["session"]++
	session, exists := s.sessionz[tokenHash]
	if !exists {
		return session, fmt.Errorf("session: %w", bytebites.ErrNotFound)
	}
	return session, nil
}

func (s *shop) Delete(_ context.Context, tokenHash [32]byte) error {
	delete(s.sessionz, tokenHash)
	return nil
}

func TestChangeShowsOnEveryPage(t *testing.T) {
	server, s := miniredis.RunT(t), newShop()
	one, two := open(t, server.Addr()).Catalogue(s), open(t, server.Addr()).Catalogue(s)
	page := bytebites.MealFilter{Limit: 20, Cuisine: "thai"}
	for range 2 {
		meals, err := one.Meals(t.Context(), page)
		if err != nil || len(meals) != 20 || meals[0].ID != "m00" || meals[19].ID != "m19" {
			t.Fatalf("got %d meals, %v", len(meals), err)
		}
	}
	if s.asked["page"] != 1 || s.asked["meals"] != 1 {
		t.Errorf("asked %v, want one page and its meals once", s.asked)
	}
	price := bytebites.Cents(999)
	if _, err := two.UpdateMeal(t.Context(), "m07", bytebites.MealChange{Price: &price}); !errors.Is(err, errCommit) {
		t.Errorf("got %v, want the store's error", err)
	}
	meals, err := one.Meals(t.Context(), page)
	if err != nil || meals[7].Price != price {
		t.Errorf("price %d, %v; want %d", meals[7].Price, err, price)
	}
	if s.asked["page"] != 1 || s.asked["meals"] != 2 {
		t.Errorf("asked %v, want the page no more, and one meal again", s.asked)
	}
	if meal, err := one.Meal(t.Context(), "m07"); err != nil || meal.Price != price {
		t.Errorf("got %+v, %v", meal, err)
	}
	if _, err := one.Meal(t.Context(), "none"); !errors.Is(err, bytebites.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestSearchesAreNotKept(t *testing.T) {
	server, s := miniredis.RunT(t), newShop()
	c := open(t, server.Addr()).Catalogue(s)
	for _, f := range []bytebites.MealFilter{{Limit: 5, Search: "soup"}, {Limit: 5, MaxPrice: 100}} {
		if _, err := c.Meals(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if keys := server.Keys(); len(keys) > 0 {
		t.Errorf("kept %v", keys)
	}
	if meals, err := c.Meals(t.Context(), bytebites.MealFilter{Limit: 5, Cuisine: "none"}); err != nil || len(meals) != 0 {
		t.Errorf("an empty page: %v, %v", meals, err)
	}
}

func TestNoTwoPagesShareAName(t *testing.T) {
	seen := make(map[string]bytebites.MealFilter)
	for _, f := range []bytebites.MealFilter{
		{}, {Limit: 1}, {Cuisine: "a"}, {Diet: "a"}, {After: "a"}, {Cuisine: `a":"b`}, {Cuisine: "a", Diet: "b"},
		{Cuisine: "a:b"}, {Cuisine: `a"`, Diet: `:"`}, {Cuisine: "a\x00"}, {After: "1", Limit: 1}, {Diet: "a", After: "b"},
	} {
		name := pageName(f)
		if other, taken := seen[name]; taken {
			t.Errorf("%+v and %+v are both %s", f, other, name)
		}
		seen[name] = f
	}
}

func TestRatingsAndPopular(t *testing.T) {
	server, s := miniredis.RunT(t), newShop()
	u := open(t, server.Addr()).UserData(service.UserData{Ratings: s, Orders: s})
	ctx := t.Context()
	ids := []bytebites.MealID{"m01", "m02"}
	for range 2 {
		if got, err := u.Ratings.Ratings(ctx, ids); err != nil || len(got) != 0 {
			t.Fatalf("nobody has rated: %v, %v", got, err)
		}
	}
	if err := u.Ratings.Rate(ctx, "u", "m01", 5); err != nil {
		t.Fatal(err)
	}
	if got, err := u.Ratings.Ratings(ctx, ids); err != nil || len(got) != 1 || got["m01"].Average != 5 {
		t.Errorf("five stars: %v, %v", got, err)
	}
	if s.asked["ratings"] != 2 {
		t.Errorf("ratings were counted %d times, want twice", s.asked["ratings"])
	}
	for _, limit := range []int{10, 1, 0, 50} {
		got, err := u.Orders.Popular(ctx, limit)
		if err != nil || len(got) != limit || limit > 0 && got[0].Meal != "0" {
			t.Errorf("the %d most popular: %v, %v", limit, got, err)
		}
	}
	if s.asked["popular"] != 1 {
		t.Errorf("popular meals were added up %d times, want once", s.asked["popular"])
	}
	if got, err := u.Orders.Popular(ctx, 60); err != nil || len(got) != 60 {
		t.Errorf("more than are kept: %d, %v", len(got), err)
	}
}

func TestSessions(t *testing.T) {
	server, s := miniredis.RunT(t), newShop()
	one, two := open(t, server.Addr()).Sessions(s), open(t, server.Addr()).Sessions(s)
	ctx := t.Context()
	session := bytebites.Session{TokenHash: [32]byte{1}, User: "u1", Email: "one@example.org", ExpiresAt: time.Now().Add(time.Hour).UTC()}
	know := func(when string, sessions bytebites.Sessions, known bool) {
		t.Helper()
		got, err := sessions.Session(ctx, session.TokenHash)
		if known && (err != nil || got.User != "u1" || !got.ExpiresAt.Equal(session.ExpiresAt)) || !known && !errors.Is(err, bytebites.ErrNotFound) {
			t.Errorf("%s: %+v, %v", when, got, err)
		}
	}
	know("before", two, false)
	if err := one.Create(ctx, session); err != nil {
		t.Fatal(err)
	}
	know("written through", two, true)
	if s.asked["session"] != 1 {
		t.Errorf("the store was asked %d times, want once, before", s.asked["session"])
	}
	server.FlushAll()
	know("after a flush", two, true)
	if err := one.Delete(ctx, session.TokenHash); err != nil {
		t.Fatal(err)
	}
	know("signed out", two, false)

	// An entry lives no longer than its session, and is not believed if it does.
	session.TokenHash, session.ExpiresAt = [32]byte{2}, time.Now().Add(-time.Second)
	if err := one.Create(ctx, session); err != nil {
		t.Fatal(err)
	}
	know("expired", two, false)
}

func TestSessionIsNobodyElses(t *testing.T) {
	server, s := miniredis.RunT(t), newShop()
	sessions := open(t, server.Addr()).Sessions(s)
	mine := bytebites.Session{TokenHash: [32]byte{1}, User: "u1", ExpiresAt: time.Now().Add(time.Hour)}
	if err := sessions.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	key := server.Keys()[0]
	text, err := server.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Replace(key, "session:01", "session:02", 1)
	if err := server.Set(theirs, text); err != nil || theirs == key {
		t.Fatalf("set %s: %v", theirs, err)
	}
	if got, err := sessions.Session(t.Context(), [32]byte{2}); !errors.Is(err, bytebites.ErrNotFound) {
		t.Errorf("got somebody else's session: %+v, %v", got, err)
	}
}
