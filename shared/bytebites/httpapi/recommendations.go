package httpapi

import (
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"github.com/gin-gonic/gin"
)

type dayBody struct {
	Day  string   `json:"day"`
	Meal mealBody `json:"meal"`
}

type weekBody struct {
	PlannedAt time.Time `json:"planned_at"`
	Days      []dayBody `json:"days"`
}

var weekdays = [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

// recommendations returns the stored week. For a subscriber without one, it plans and stores the
// week now, so that only the first visit waits.
func (a *api) recommendations(c *gin.Context, s bytebites.Session) error {
	ctx := c.Request.Context()
	week, err := a.Weeks.Week(ctx, s.User)
	if errors.Is(err, bytebites.ErrNotFound) {
		if week, err = a.Recommender.Plan(ctx, s.User); err != nil {
			return fmt.Errorf("plan week: %w", err)
		}
		if err := a.Weeks.SetWeek(ctx, s.User, week); err != nil {
			return fmt.Errorf("store week: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("load week: %w", err)
	}
	meals, err := a.mealsByID(ctx, week.Meals)
	if err != nil {
		return err
	}
	body := weekBody{PlannedAt: week.PlannedAt.UTC(), Days: make([]dayBody, 0, len(weekdays))}
	for i, id := range week.Meals {
		if m, found := meals[id]; found && i < len(weekdays) {
			body.Days = append(body.Days, dayBody{Day: weekdays[i], Meal: mealOf(m)})
		}
	}
	return ok(c, body)
}
