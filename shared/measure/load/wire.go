package load

import (
	"math/rand/v2"
	"strconv"

	"bytebites.example/workshop/shared/bytebites"
)

// The bodies below repeat the API's JSON. They do not use the API's code on purpose, because a
// real client is not compiled with its server. A change that breaks clients must also break
// this package's test against the API's document.

type lineBody struct {
	Meal     bytebites.MealID `json:"meal_id"`
	Quantity int              `json:"quantity"`
}

type cartBody struct {
	Lines []lineBody `json:"lines"`
}

func linesBody(lines []bytebites.Line) cartBody {
	body := cartBody{Lines: make([]lineBody, 0, len(lines))}
	for _, l := range lines {
		body.Lines = append(body.Lines, lineBody(l))
	}
	return body
}

type ratingBody struct {
	Stars int `json:"stars"`
}

type preferencesBody struct {
	Diets        []string `json:"diets"`
	Cuisines     []string `json:"cuisines"`
	Dislikes     []string `json:"dislikes"`
	PortionCount int      `json:"portion_count"`
}

func (s *Stream) preferences(r *rand.Rand) preferencesBody {
	body := preferencesBody{Diets: []string{}, Cuisines: []string{}, Dislikes: []string{}, PortionCount: 1 + r.IntN(8)}
	if n := len(s.population.Diets); n > 0 && r.IntN(2) == 0 {
		body.Diets = append(body.Diets, s.population.Diets[r.IntN(n)])
	}
	if n := len(s.population.Cuisines); n > 0 {
		body.Cuisines = append(body.Cuisines, s.population.Cuisines[r.IntN(n)])
	}
	return body
}

type addressBody struct {
	Label      string `json:"label"`
	Street     string `json:"street"`
	PostalCode string `json:"postal_code"`
	City       string `json:"city"`
	Country    string `json:"country"`
}

type addressesBody struct {
	Addresses []addressBody `json:"addresses"`
}

func addresses(r *rand.Rand) addressesBody {
	body := addressesBody{}
	for _, label := range []string{"home", "work"}[:1+r.IntN(2)] {
		body.Addresses = append(body.Addresses, addressBody{
			Label: label, Street: "Main Street " + strconv.Itoa(1+r.IntN(200)),
			PostalCode: strconv.Itoa(10_000 + r.IntN(90_000)), City: "Berlin", Country: "DE",
		})
	}
	return body
}

type mealsBody struct {
	Meals []struct {
		ID      bytebites.MealID `json:"id"`
		Cuisine string           `json:"cuisine"`
		Diets   []string         `json:"diets"`
	} `json:"meals"`
	Next string `json:"next"`
}

type orderBody struct {
	ID    bytebites.OrderID `json:"id"`
	Lines []lineBody        `json:"lines"`
}

type mealBody struct {
	ID bytebites.MealID `json:"id"`
}

type profileBody struct {
	Email string `json:"email"`
}
