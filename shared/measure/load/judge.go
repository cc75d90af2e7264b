package load

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
)

// CauseMixedUp is the cause of failure of a request that got the answer to another request, such
// as another subscriber's profile.
const CauseMixedUp = "answer to another request"

// judge decides whether an answer is right: by its status, its content type and its body. An order
// that is rejected for lack of stock is a right answer.
func (c *client) judge(q Request, response *http.Response, body []byte) attempt {
	a := attempt{status: response.StatusCode, certain: response.StatusCode < 500}
	switch {
	case slices.Contains(c.contracts[q.Kind].statuses, a.status):
		if a.status == http.StatusNoContent {
			return a
		}
		a.cause = causeAnswer
		if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
			a.order, a.cause = c.stream.compare(q, body)
		}
		if a.cause != "" && q.Key != "" {
			a.certain = false
		}
	case q.Key != "" && outOfStock(response.StatusCode, body):
	default:
		a.cause = "status " + strconv.Itoa(a.status)
		a.mayRetry = a.status >= 500
	}
	return a
}

// compare compares the body of a successful answer with its request. It returns the order that the
// body holds, if it holds one, and the cause of failure of an answer that is not right.
//
// Not every answer names its request: a cart, the subscriber's orders and the week's meals do not.
func (s *Stream) compare(q Request, body []byte) (order orderBody, cause string) {
	right := true
	var err error
	switch q.Kind {
	case ShowMeal:
		var meal mealBody
		err = json.Unmarshal(body, &meal)
		right = meal.ID == q.Meal
	case ListMeals:
		var page mealsBody
		err = json.Unmarshal(body, &page)
		right = s.fits(q.Page, page)
	case PopularMeals:
		var popular mealsBody
		err = json.Unmarshal(body, &popular)
		right = popular.Meals != nil && len(popular.Meals) <= popularSize
	case ShowMe:
		var me profileBody
		err = json.Unmarshal(body, &me)
		right = strings.EqualFold(me.Email, s.population.Sessions[q.User].Email)
	case SetPreferences:
		right, err = echoes[preferencesBody](q.Body, body, preferencesBody.equal)
	case SetAddresses:
		right, err = echoes[addressesBody](q.Body, body, addressesBody.equal)
	case SetCart:
		var cart cartBody
		err = json.Unmarshal(body, &cart)
		right = sameLines(cart.Lines, q.lines())
	case PlaceOrder:
		err = json.Unmarshal(body, &order)
		right = sameLines(order.Lines, q.lines())
	default:
		var object map[string]json.RawMessage
		err = json.Unmarshal(body, &object)
	}
	switch {
	case err != nil || q.Kind == PlaceOrder && order.ID == "":
		return orderBody{}, causeAnswer
	case !right:
		return orderBody{}, CauseMixedUp
	default:
		return order, ""
	}
}

// popularSize is the number of popular meals that the API shows unless it is asked for another.
const popularSize = 10

// fits reports whether a page of meals is the one that was asked for.
func (s *Stream) fits(asked Page, page mealsBody) bool {
	if page.Meals == nil || len(page.Meals) > pageSize {
		return false
	}
	for i, m := range page.Meals {
		if i > 0 && m.ID <= page.Meals[i-1].ID ||
			asked.Cuisine != "" && m.Cuisine != asked.Cuisine ||
			asked.Diet != "" && !slices.Contains(m.Diets, asked.Diet) {
			return false
		}
	}
	if asked.Cuisine != "" || asked.Diet != "" {
		return true
	}
	start, known := s.population.PageStarts[asked.Cursor]
	return !known || len(page.Meals) > 0 && page.Meals[0].ID == start
}

// echoes reports whether an answer repeats the body of its request.
func echoes[T any](request, answer []byte, equal func(T, T) bool) (bool, error) {
	var sent, received T
	if err := json.Unmarshal(request, &sent); err != nil {
		return false, err
	}
	if err := json.Unmarshal(answer, &received); err != nil {
		return false, err
	}
	return equal(sent, received), nil
}

func (p preferencesBody) equal(q preferencesBody) bool {
	return p.PortionCount == q.PortionCount && slices.Equal(p.Diets, q.Diets) &&
		slices.Equal(p.Cuisines, q.Cuisines) && slices.Equal(p.Dislikes, q.Dislikes)
}

func (a addressesBody) equal(b addressesBody) bool { return slices.Equal(a.Addresses, b.Addresses) }

// lines returns the lines of a cart or an order as its body has them.
func (q Request) lines() []lineBody {
	var body cartBody
	// The request was marshalled from this type.
	_ = json.Unmarshal(q.Body, &body)
	return body.Lines
}

// sameLines compares lines in any order.
func sameLines(a, b []lineBody) bool {
	quantities := make(map[bytebites.MealID]int, len(a))
	for _, l := range a {
		quantities[l.Meal] = l.Quantity
	}
	for _, l := range b {
		if quantities[l.Meal] != l.Quantity {
			return false
		}
	}
	return len(a) == len(b) && len(quantities) == len(a)
}
