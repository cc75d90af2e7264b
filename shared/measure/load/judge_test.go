package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// Each answer is right for some request of its kind, and wrong for the one that gets it.
func TestAnswersToOtherRequestsFail(t *testing.T) {
	t.Parallel()
	always := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	const oneLine = `{"lines":[{"meal_id":"m0001","quantity":1}]}`
	const page = `{"meals":[{"id":"m0001","cuisine":"thai","diets":["vegan"]},{"id":"m0002","cuisine":"greek","diets":[]}]}`
	tests := []struct {
		name    string
		kind    load.Kind
		handler http.HandlerFunc
		fails   func(load.Request) bool
	}{
		{"one meal for all", load.ShowMeal, always(`{"id":"m0001"}`), func(q load.Request) bool { return q.Meal != "m0001" }},
		{"no meal", load.ShowMeal, always(`{}`), func(load.Request) bool { return true }},
		{"the first page for all", load.ListMeals, always(page), func(q load.Request) bool { return q.Page != load.Page{} }},
		{"a page out of order", load.ListMeals, always(`{"meals":[{"id":"m0001"},{"id":"m0003"},{"id":"m0002"}]}`), func(load.Request) bool { return true }},
		{"a meal twice on a page", load.ListMeals, always(`{"meals":[{"id":"m0001"},{"id":"m0001"}]}`), func(load.Request) bool { return true }},
		{"a page that is too long", load.ListMeals, always(`{"meals":[` + meals(21) + `]}`), func(load.Request) bool { return true }},
		{"a meal for a page", load.ListMeals, always(`{"id":"m0001"}`), func(load.Request) bool { return true }},
		{"too many popular meals", load.PopularMeals, always(`{"meals":[` + meals(11) + `]}`), func(load.Request) bool { return true }},
		{"popular meals", load.PopularMeals, always(`{"meals":[` + meals(10) + `]}`), func(load.Request) bool { return false }},
		{"one profile for all", load.ShowMe, always(`{"email":"User3@bytebites.example"}`), func(q load.Request) bool { return q.User != 3 }},
		{"one cart for all", load.SetCart, always(oneLine), func(q load.Request) bool { return string(q.Body) != oneLine }},
		{"an empty cart", load.SetCart, always(`{"lines":[]}`), func(load.Request) bool { return true }},
		{"one order for all", load.PlaceOrder, always(`{"id":"o1","lines":[{"meal_id":"m0001","quantity":1}]}`), func(q load.Request) bool { return string(q.Body) != oneLine }},
		{"other preferences", load.SetPreferences, always(`{"diets":[],"cuisines":[],"dislikes":[],"portion_count":9}`), func(load.Request) bool { return true }},
		{"no addresses", load.SetAddresses, always(`{"addresses":[]}`), func(load.Request) bool { return true }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				test.handler(w, r)
			}))
			defer server.Close()
			g := generator(server.URL, only(test.kind))
			r, err := g.Hit(t.Context(), 400, 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := load.NewStream(g.Mix, g.Population, g.Seed, "")
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for i := range r.Sent {
				if test.fails(stream.Request(uint64(i))) {
					want++
				}
			}
			if r.Sent != 40 || r.Failed != want || r.Failures[load.CauseMixedUp] != want || len(r.Accepted()) != map[bool]int{true: 40 - want}[test.kind == load.PlaceOrder] {
				t.Errorf("%d sent, %d failed: %v, %d orders accepted; want %d mixed up", r.Sent, r.Failed, r.Failures, len(r.Accepted()), want)
			}
		})
	}
}

// meals returns n meals as JSON, in order of id.
func meals(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"id":"m%04d"}`, i+1)
	}
	return strings.Join(all, ",")
}

// Judging is done on the cores that also run the servers.
func BenchmarkJudgePage(b *testing.B) {
	meal := `{"id":"m%04d","name":"Green curry with tofu","description":"Coconut, lime leaf and crisp beans.","cuisine":"thai",` +
		`"diets":["vegan","vegetarian"],"price_cents":1190,"prep_minutes":25,"kilocalories":540,"rating":{"count":128,"average":4.4}}`
	all := make([]string, 20)
	for i := range all {
		all[i] = fmt.Sprintf(meal, i+1)
	}
	body := []byte(`{"meals":[` + strings.Join(all, ",") + `],"next":"bTptMDAwMQ"}`)
	stream, err := load.NewStream(only(load.ListMeals), population(), 1, "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if cause := stream.Compare(load.Request{Kind: load.ListMeals}, body); cause != "" {
			b.Fatal(cause)
		}
	}
}
