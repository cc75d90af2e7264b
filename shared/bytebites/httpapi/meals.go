package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

const (
	defaultMealPage = 20
	maxMealPage     = 50
	maxPrice        = 1_000_00 // cents
)

type ratingBody struct {
	Count   int     `json:"count"`
	Average float64 `json:"average"`
}

// mealBody is a meal in a list.
type mealBody struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	Description  string      `json:"description"`
	Cuisine      string      `json:"cuisine"`
	Diets        []string    `json:"diets"`
	Price        int64       `json:"price_cents"`
	PrepMinutes  int         `json:"prep_minutes"`
	KiloCalories int         `json:"kilocalories"`
	Rating       *ratingBody `json:"rating,omitempty"`
	Portions     *int        `json:"portions,omitempty"` // of popular meals only
}

func mealOf(m bytebites.Meal) mealBody {
	return mealBody{
		ID: string(m.ID), Name: m.Name, Description: m.Description, Cuisine: m.Cuisine,
		Diets: orEmpty(m.Diets), Price: int64(m.Price), PrepMinutes: m.PrepMinutes,
		KiloCalories: m.Nutrition.KiloCalories,
	}
}

type ingredientBody struct {
	Name     string `json:"name"`
	Grams    int    `json:"grams"`
	Supplier string `json:"supplier"`
}

type nutritionBody struct {
	KiloCalories  int `json:"kilocalories"`
	ProteinGrams  int `json:"protein_grams"`
	CarbGrams     int `json:"carb_grams"`
	FatGrams      int `json:"fat_grams"`
	FibreGrams    int `json:"fibre_grams"`
	SaltMilligram int `json:"salt_milligrams"`
}

// mealDetailBody is a meal with all details.
type mealDetailBody struct {
	mealBody
	Ingredients []ingredientBody `json:"ingredients"`
	Nutrition   nutritionBody    `json:"nutrition"`
	Available   int              `json:"available"` // portions left
	Version     int              `json:"version"`
}

type mealPageBody struct {
	Meals []mealBody `json:"meals"`
	Next  string     `json:"next,omitempty"` // cursor of the next page
}

func (a *api) meals(c *gin.Context) error {
	q := queryOf(c)
	limit := q.number("limit", 1, maxMealPage, defaultMealPage)
	filter := bytebites.MealFilter{
		Cuisine:  q.text("cuisine", 40),
		Diet:     q.text("diet", 40),
		Search:   q.text("q", 80),
		MaxPrice: bytebites.Cents(q.number("max_price_cents", 1, maxPrice, 0)),
		Limit:    limit + 1, // one more shows whether there is a next page
	}
	cursor := q.text("cursor", maxCursorBytes)
	if q.err != nil {
		return q.err
	}
	if cursor != "" {
		var err error
		if filter.After, err = mealAfterCursor(cursor); err != nil {
			return err
		}
	}
	ctx := c.Request.Context()
	meals, err := a.Catalogue.Meals(ctx, filter)
	if err != nil {
		return fmt.Errorf("list meals: %w", err)
	}
	var page mealPageBody
	if len(meals) > limit {
		meals = meals[:limit]
		page.Next = cursorAfterMeal(meals[limit-1].ID)
	}
	if page.Meals, err = a.ratedMeals(ctx, meals); err != nil {
		return err
	}
	return ok(c, page)
}

// ratedMeals returns the bodies of meals with their ratings.
func (a *api) ratedMeals(ctx context.Context, meals []bytebites.Meal) ([]mealBody, error) {
	if len(meals) == 0 {
		return []mealBody{}, nil
	}
	ids := make([]bytebites.MealID, len(meals))
	for i, m := range meals {
		ids[i] = m.ID
	}
	ratings, err := a.Ratings.Ratings(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load ratings: %w", err)
	}
	bodies := make([]mealBody, len(meals))
	for i, m := range meals {
		bodies[i] = mealOf(m)
		rating := ratingBody(ratings[m.ID])
		bodies[i].Rating = &rating
	}
	return bodies, nil
}

// mealID returns the id in the path, which checkID has checked.
func mealID(c *gin.Context) bytebites.MealID { return bytebites.MealID(c.Param("id")) }

func (a *api) meal(c *gin.Context) error {
	meal, err := a.Catalogue.Meal(c.Request.Context(), mealID(c))
	if err != nil {
		return fmt.Errorf("load meal: %w", err)
	}
	return a.mealDetail(c, meal)
}

func (a *api) mealDetail(c *gin.Context, meal bytebites.Meal) error {
	ctx := c.Request.Context()
	rated, err := a.ratedMeals(ctx, []bytebites.Meal{meal})
	if err != nil {
		return err
	}
	available, err := a.Stock.Available(ctx, []bytebites.MealID{meal.ID})
	if err != nil {
		return fmt.Errorf("load stock: %w", err)
	}
	body := mealDetailBody{
		mealBody:    rated[0],
		Ingredients: make([]ingredientBody, len(meal.Ingredients)),
		Nutrition:   nutritionBody(meal.Nutrition),
		Available:   available[meal.ID],
		Version:     meal.Version,
	}
	for i, ingredient := range meal.Ingredients {
		body.Ingredients[i] = ingredientBody(ingredient)
	}
	return ok(c, body)
}

type mealChangeBody struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Price       *int64  `json:"price_cents"`
	Version     version `json:"version"`
}

// version is the version of a meal in a body. It is not null: read as 0, a null would turn a guarded
// change into one that overwrites any version.
type version int

// UnmarshalJSON implements json.Unmarshaler.
func (v *version) UnmarshalJSON(text []byte) error {
	var given *int
	if err := json.Unmarshal(text, &given); err != nil || given == nil {
		return &json.UnmarshalTypeError{Value: "value other than an integer", Field: "version", Type: reflect.TypeFor[int]()}
	}
	*v = version(*given)
	return nil
}

func (a *api) updateMeal(c *gin.Context) error {
	var body mealChangeBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	change := bytebites.MealChange{Name: body.Name, Description: body.Description, Version: int(body.Version)}
	if body.Name != nil {
		v.text("name", *body.Name, 1, 120)
	}
	if body.Description != nil {
		v.text("description", *body.Description, 0, 2000)
	}
	if body.Price != nil {
		v.number("price_cents", *body.Price, 1, maxPrice)
		price := bytebites.Cents(*body.Price)
		change.Price = &price
	}
	v.number("version", int64(body.Version), 0, 1<<31-1)
	if body.Name == nil && body.Description == nil && body.Price == nil {
		v.fail("", "must change at least one field")
	}
	if err := v.err(); err != nil {
		return err
	}
	meal, err := a.Catalogue.UpdateMeal(c.Request.Context(), mealID(c), change)
	if err != nil {
		return fmt.Errorf("update meal: %w", err)
	}
	return a.mealDetail(c, meal)
}

type popularBody struct {
	Meals []mealBody `json:"meals"`
}

func (a *api) popularMeals(c *gin.Context) error {
	q := queryOf(c)
	limit := q.number("limit", 1, maxMealPage, 10)
	if q.err != nil {
		return q.err
	}
	ctx := c.Request.Context()
	popular, err := a.Orders.Popular(ctx, limit)
	if err != nil {
		return fmt.Errorf("count popular meals: %w", err)
	}
	ids := make([]bytebites.MealID, len(popular))
	for i, p := range popular {
		ids[i] = p.Meal
	}
	known, err := a.mealsByID(ctx, ids)
	if err != nil {
		return err
	}
	meals := make([]bytebites.Meal, 0, len(popular))
	portions := make([]int, 0, len(popular))
	for _, p := range popular {
		if m, found := known[p.Meal]; found {
			meals = append(meals, m)
			portions = append(portions, p.Portions)
		}
	}
	bodies, err := a.ratedMeals(ctx, meals)
	if err != nil {
		return err
	}
	for i := range bodies {
		bodies[i].Portions = &portions[i]
	}
	return ok(c, popularBody{Meals: bodies})
}

// mealsByID returns those of the meals that exist. Without ids it queries no store.
func (a *api) mealsByID(ctx context.Context, ids []bytebites.MealID) (map[bytebites.MealID]bytebites.Meal, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	meals, err := a.Catalogue.MealsByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load meals: %w", err)
	}
	byID := make(map[bytebites.MealID]bytebites.Meal, len(meals))
	for _, m := range meals {
		byID[m.ID] = m
	}
	return byID, nil
}

type starsBody struct {
	Stars int `json:"stars"`
}

func (a *api) rate(c *gin.Context, s bytebites.Session) error {
	var body starsBody
	if err := a.readJSON(c, &body); err != nil {
		return err
	}
	var v validator
	v.number("stars", int64(body.Stars), 1, 5)
	if err := v.err(); err != nil {
		return err
	}
	ctx, id := c.Request.Context(), mealID(c)
	// Ratings are stored with the users, where no foreign key checks that a meal exists.
	if _, err := a.Catalogue.Meal(ctx, id); err != nil {
		return fmt.Errorf("load meal: %w", err)
	}
	if err := a.Ratings.Rate(ctx, s.User, id, body.Stars); err != nil {
		return fmt.Errorf("rate meal: %w", err)
	}
	return noContent(c)
}
