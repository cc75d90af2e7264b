package spec

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/workshop/lab"
)

// shownMeals is the number of meals whose ratings are compared.
const shownMeals = 40

// totals compares popular meals and ratings with the sums of all shards.
func (l *trial) totals(ctx context.Context, _ *lab.Run) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	m, err := l.readMap(ctx)
	if err != nil {
		return err
	}
	// After a way back the fifth shard may still have rows, which count no more.
	homes := slices.DeleteFunc(slices.Clone(l.nodes), func(n *node) bool { return spreadOf(m.Source)[n.number] == 0 })
	if err := l.popularTotals(ctx, homes); err != nil {
		return err
	}
	return l.ratingTotals(ctx, homes)
}

// totalled is a meal as the API shows it.
type totalled struct {
	ID     bytebites.MealID `json:"id"`
	Rating struct {
		Count   int     `json:"count"`
		Average float64 `json:"average"`
	} `json:"rating"`
	Portions int `json:"portions"`
}

func (l *trial) page(ctx context.Context, path string, dst any) error {
	a, err := l.ask(ctx, l.replicas[0], request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return &lab.Failure{Expected: "GET " + path + " to be answered", Seen: a.String(), Waited: a.Waited(), Look: lab.Look{File: "stores.go", Func: "stores.Everywhere"}}
	}
	return a.Into(dst)
}

// popularTotals compares popular meals with the sums of all shards.
func (l *trial) popularTotals(ctx context.Context, homes []*node) error {
	var page struct {
		Meals []totalled `json:"meals"`
	}
	if err := l.page(ctx, "/meals/popular", &page); err != nil {
		return err
	}
	sums := make(map[bytebites.MealID]int)
	for _, n := range homes {
		popular, err := postgres.NewOrders(n.pool).Popular(ctx, seed.MaxMeals)
		if err != nil {
			return err
		}
		for _, p := range popular {
			sums[p.Meal] += p.Portions
		}
	}
	var bad []string
	shown := make(map[bytebites.MealID]bool)
	least := math.MaxInt
	for _, m := range page.Meals {
		shown[m.ID], least = true, min(least, m.Portions)
		if m.Portions != sums[m.ID] {
			bad = append(bad, fmt.Sprintf("%d portions of meal %s; the shards have %d", m.Portions, m.ID, sums[m.ID]))
		}
	}
	for meal, portions := range sums {
		if !shown[meal] && portions > least {
			bad = append(bad, fmt.Sprintf("meal %s is missing; the shards have %d portions of it", meal, portions))
		}
	}
	if len(page.Meals) == 0 {
		bad = append(bad, "no meals at all")
	}
	return failIf(bad, "the popular meals of all shards together", lab.Look{File: "stores.go", Func: "stores.Everywhere", Hint: "the most popular meal of all may be the first on no shard"})
}

// ratingTotals compares ratings with the sums of all shards.
func (l *trial) ratingTotals(ctx context.Context, homes []*node) error {
	var bad []string
	for n := 1; n <= shownMeals; n++ {
		meal := seed.Meal(n)
		var shown totalled
		if err := l.page(ctx, "/meals/"+string(meal), &shown); err != nil {
			return err
		}
		count, stars := 0, 0
		for _, n := range homes {
			var c, s int
			err := n.pool.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(stars), 0) FROM ratings WHERE meal_id = $1`, string(meal)).Scan(&c, &s)
			if err != nil {
				return fmt.Errorf("count ratings: %w", err)
			}
			count, stars = count+c, stars+s
		}
		average := 0.0
		if count > 0 {
			average = float64(stars) / float64(count)
		}
		if shown.Rating.Count != count || math.Abs(shown.Rating.Average-average) > 1e-6 {
			bad = append(bad, fmt.Sprintf("%d ratings of %s, %.3f on average; the shards have %d, %.3f on average",
				shown.Rating.Count, meal, shown.Rating.Average, count, average))
		}
	}
	return failIf(bad, "the ratings of all shards together", lab.Look{File: "stores.go", Func: "stores.Everywhere", Hint: "the average of averages is not the average"})
}
