package contract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
)

type rating struct {
	Count   int     `json:"count"`
	Average float64 `json:"average"`
}

type meal struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Cuisine   string   `json:"cuisine"`
	Diets     []string `json:"diets"`
	Price     int64    `json:"price_cents"`
	Rating    rating   `json:"rating"`
	Portions  int      `json:"portions"`
	Available int      `json:"available"`
	Version   int      `json:"version"`
}

func getMeal(ctx context.Context, c *Client, id bytebites.MealID) (meal, error) {
	var m meal
	answer, err := c.Get(ctx, "/meals/"+string(id))
	if err != nil {
		return m, err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return m, err
	}
	err = answer.Into(&m)
	return m, err
}

// listMeals reads all pages of a query.
func listMeals(ctx context.Context, c *Client, query url.Values) ([]meal, error) {
	var all []meal
	query.Set("limit", "37")
	for range 100 {
		answer, err := c.Get(ctx, "/meals?"+query.Encode())
		if err != nil {
			return nil, err
		}
		if err := answer.Want(http.StatusOK); err != nil {
			return nil, err
		}
		var page struct {
			Meals []meal `json:"meals"`
			Next  string `json:"next"`
		}
		if err := answer.Into(&page); err != nil {
			return nil, err
		}
		all = append(all, page.Meals...)
		if page.Next == "" {
			return all, nil
		}
		if len(page.Meals) != 37 {
			return nil, fmt.Errorf("a page of %d meals is not the last", len(page.Meals))
		}
		query.Set("cursor", page.Next)
	}
	return nil, errors.New("the pages do not end")
}

func mealChecks() []Check {
	return []Check{
		{"meal-pages", "The pages of a list hold every meal once, in order.", func(ctx context.Context, c *Client) error {
			all, err := listMeals(ctx, c, url.Values{})
			if err != nil {
				return err
			}
			ids := make([]string, len(all))
			for i, m := range all {
				ids[i] = m.ID
			}
			if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
				return errors.New("meals are out of order or repeated")
			}
			for _, want := range append(slices.Clone(c.Meals), c.Scarce) {
				if !slices.Contains(ids, string(want)) {
					return fmt.Errorf("meal %s is on no page", want)
				}
			}
			return nil
		}},
		{"meal-filters", "A filter removes the meals that do not match, and no others.", func(ctx context.Context, c *Client) error {
			all, err := listMeals(ctx, c, url.Values{})
			if err != nil {
				return err
			}
			pick := all[len(all)/2]
			word, _, _ := strings.Cut(pick.Name, " ")
			filters := []struct {
				name, value string
				matches     func(meal) bool
			}{
				{"cuisine", pick.Cuisine, func(m meal) bool { return m.Cuisine == pick.Cuisine }},
				{"max_price_cents", fmt.Sprint(pick.Price), func(m meal) bool { return m.Price <= pick.Price }},
				{"q", strings.ToUpper(word), func(m meal) bool { return strings.Contains(strings.ToLower(m.Name), strings.ToLower(word)) }},
				{"q", "%", func(m meal) bool { return strings.Contains(m.Name, "%") }},
				{"q", "_", func(m meal) bool { return strings.Contains(m.Name, "_") }},
				{"q", `\`, func(m meal) bool { return strings.Contains(m.Name, `\`) }},
				{"q", "'; DROP TABLE meals; --", func(meal) bool { return false }},
				{"cuisine", "' OR '1'='1", func(meal) bool { return false }},
			}
			if i := slices.IndexFunc(all, func(m meal) bool { return len(m.Diets) > 0 }); i >= 0 {
				diet := all[i].Diets[0]
				filters = append(filters, struct {
					name, value string
					matches     func(meal) bool
				}{"diet", diet, func(m meal) bool { return slices.Contains(m.Diets, diet) }})
			}
			for _, f := range filters {
				got, err := listMeals(ctx, c, url.Values{f.name: {f.value}})
				if err != nil {
					return err
				}
				want := 0
				for _, m := range all {
					if f.matches(m) {
						want++
					}
				}
				if len(got) != want || slices.ContainsFunc(got, func(m meal) bool { return !f.matches(m) }) {
					return fmt.Errorf("filter %s=%q: expected %d meals, saw %d", f.name, f.value, want, len(got))
				}
			}
			return nil
		}},
		{"meal-queries", "An invalid query is refused.", func(ctx context.Context, c *Client) error {
			for _, query := range []string{
				"limit=0", "limit=51", "limit=-1", "limit=many", "limit=1e3", "limit=99999999999999999999", "cursor=forged", "cursor=bzoxNzAwMDAwMDAwMDAwMDAw",
				"max_price_cents=-5", "q=" + strings.Repeat("x", 81), "q=%00", "q=%ff", "cuisine=%0d%0aX-Evil:1", "limit=1&limit=2", "q=%zz", "a=1;b=2",
			} {
				answer, err := c.Get(ctx, "/meals?"+query, Hostile())
				if err != nil {
					return err
				}
				if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
					return fmt.Errorf("%s: %w", query, err)
				}
			}
			return nil
		}},
		{"meal", "A meal has its rating and stock; an unknown meal is answered with 404.", func(ctx context.Context, c *Client) error {
			m, err := getMeal(ctx, c, c.Meals[0])
			if err != nil {
				return err
			}
			if m.ID != string(c.Meals[0]) || m.Available == 0 {
				return fmt.Errorf("asked for %s, saw %s with %d portions left", c.Meals[0], m.ID, m.Available)
			}
			for _, id := range []string{"nothing", strings.Repeat("m", 65), "m%20", "m'--", "m%00", "%F0%9F%8D%95"} {
				if err := expect(ctx, c, "/meals/"+id, http.StatusNotFound); err != nil {
					return err
				}
			}
			return nil
		}},
		{"popular-meals", "The popular meals come with the most popular first.", func(ctx context.Context, c *Client) error {
			answer, err := c.Get(ctx, "/meals/popular?limit=5")
			if err != nil {
				return err
			}
			if err := answer.Want(http.StatusOK); err != nil {
				return err
			}
			var popular struct {
				Meals []meal `json:"meals"`
			}
			if err := answer.Into(&popular); err != nil {
				return err
			}
			if n := len(popular.Meals); n == 0 || n > 5 {
				return fmt.Errorf("expected 1 to 5 meals, saw %d", n)
			}
			if !slices.IsSortedFunc(popular.Meals, func(a, b meal) int { return b.Portions - a.Portions }) {
				return errors.New("less popular meals come first")
			}
			return nil
		}},
		{"staff", "Only staff can change meals, and no change overwrites a newer version.", checkStaff},
		{"ratings", "A subscriber's last rating counts, and counts once.", checkRatings},
	}
}

func checkStaff(ctx context.Context, c *Client) error {
	id := c.Meals[len(c.Meals)-1]
	path := "/meals/" + string(id)
	before, err := getMeal(ctx, c, id)
	if err != nil {
		return err
	}
	price := map[string]any{"price_cents": before.Price + 100}
	signedIn, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	for _, header := range []string{"", "Bearer ", "Bearer wrong", "Basic " + c.StaffToken, c.StaffToken, "Bearer " + c.StaffToken + "x", "Bearer " + c.StaffToken[:len(c.StaffToken)-1]} {
		answer, err := signedIn.Put(ctx, path, price, Header("Authorization", header))
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnauthorized, "unauthorized"); err != nil {
			return fmt.Errorf("%.10q: %w", header, err)
		}
	}
	staff := Header("Authorization", "Bearer "+c.StaffToken)
	answer, err := c.Put(ctx, path, map[string]any{"price_cents": before.Price + 100, "version": before.Version}, staff)
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return err
	}
	var changed meal
	if err := answer.Into(&changed); err != nil {
		return err
	}
	seen, err := getMeal(ctx, c, id)
	if err != nil {
		return err
	}
	if changed.Price != before.Price+100 || seen.Price != changed.Price || changed.Version <= before.Version || changed.Name != before.Name {
		return fmt.Errorf("expected price %d and a new version, saw %+v, then %+v", before.Price+100, changed, seen)
	}
	// Read as 0, this version would overwrite the change above.
	if answer, err = c.Put(ctx, path, Raw(`{"price_cents":1,"version":null}`), staff, Hostile()); err != nil {
		return err
	}
	if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
		return fmt.Errorf("version null: %w", err)
	}
	for _, step := range []struct {
		path   string
		body   any
		status int
	}{
		{path, map[string]any{"price_cents": 1, "version": before.Version}, http.StatusConflict},
		{"/meals/nothing", price, http.StatusNotFound},
		{path, map[string]any{"price_cents": before.Price, "version": changed.Version}, http.StatusOK}, // restores the price
	} {
		answer, err := c.Put(ctx, step.path, step.body, staff)
		if err != nil {
			return err
		}
		if err := answer.Want(step.status); err != nil {
			return err
		}
	}
	return nil
}

func checkRatings(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	rate := func(id string, stars int, status int) error {
		answer, err := one.Post(ctx, "/meals/"+id+"/ratings", map[string]int{"stars": stars})
		if err != nil {
			return err
		}
		return answer.Want(status)
	}
	id := string(c.Meals[1])
	if err := rate(id, 1, http.StatusNoContent); err != nil {
		return err
	}
	low, err := getMeal(ctx, c, c.Meals[1])
	if err != nil {
		return err
	}
	if err := rate(id, 5, http.StatusNoContent); err != nil {
		return err
	}
	high, err := getMeal(ctx, c, c.Meals[1])
	if err != nil {
		return err
	}
	gain := (high.Rating.Average - low.Rating.Average) * float64(high.Rating.Count)
	if low.Rating.Count == 0 || high.Rating.Count != low.Rating.Count || math.Abs(gain-4) > .01*float64(high.Rating.Count) {
		return fmt.Errorf("one star, then five: saw %+v, then %+v", low.Rating, high.Rating)
	}
	return rate("nothing", 5, http.StatusNotFound)
}
