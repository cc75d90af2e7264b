package httpapi

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

type linesBody struct {
	Lines []lineBody `json:"lines"`
}

// pricedLineBody is a line with the name and price of the meal.
type pricedLineBody struct {
	Meal     string `json:"meal_id"`
	Name     string `json:"name"`
	Quantity int    `json:"quantity"`
	Price    int64  `json:"price_cents"` // of one portion
}

type cartBody struct {
	Lines []pricedLineBody `json:"lines"`
	Total int64            `json:"total_cents"`
}

func (a *api) cart(c *gin.Context, s bytebites.Session) error {
	ctx := c.Request.Context()
	lines, err := a.Carts.Cart(ctx, s.User)
	if err != nil {
		return fmt.Errorf("load cart: %w", err)
	}
	meals, err := a.mealsOfLines(ctx, lines)
	if err != nil {
		return err
	}
	return ok(c, cartOf(lines, meals))
}

func (a *api) setCart(c *gin.Context, s bytebites.Session) error {
	var body linesBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	if body.Lines == nil {
		v.fail("lines", "must be a list")
	}
	v.lines(body.Lines, 0)
	if err := v.err(); err != nil {
		return err
	}
	ctx := c.Request.Context()
	lines := linesOf(body.Lines)
	// Carts are stored with the users, where no foreign key checks that a meal exists.
	meals, err := a.mealsOfLines(ctx, lines)
	if err != nil {
		return err
	}
	for i, l := range lines {
		if _, found := meals[l.Meal]; !found {
			v.fail(fmt.Sprintf("lines/%d/meal_id", i), "is an unknown meal")
		}
	}
	if err := v.err(); err != nil {
		return err
	}
	if err := a.Carts.SetCart(ctx, s.User, lines); err != nil {
		return fmt.Errorf("set cart: %w", err)
	}
	return ok(c, cartOf(lines, meals))
}

func (a *api) mealsOfLines(ctx context.Context, lines []bytebites.Line) (map[bytebites.MealID]bytebites.Meal, error) {
	ids := make([]bytebites.MealID, len(lines))
	for i, l := range lines {
		ids[i] = l.Meal
	}
	return a.mealsByID(ctx, ids)
}

// cartOf prices lines at current prices. It leaves out meals that do not exist any more.
func cartOf(lines []bytebites.Line, meals map[bytebites.MealID]bytebites.Meal) cartBody {
	body := cartBody{Lines: make([]pricedLineBody, 0, len(lines))}
	for _, l := range lines {
		m, found := meals[l.Meal]
		if !found {
			continue
		}
		body.Lines = append(body.Lines, pricedLineBody{
			Meal: string(l.Meal), Name: m.Name, Quantity: l.Quantity, Price: int64(m.Price)})
		body.Total += int64(m.Price) * int64(l.Quantity)
	}
	return body
}
