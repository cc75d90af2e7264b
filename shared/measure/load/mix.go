package load

import (
	"errors"
	"fmt"
)

// Kind is a kind of request.
type Kind string

// The kinds of request that mixes are made of.
const (
	ListMeals       Kind = "GET /meals"
	ShowMeal        Kind = "GET /meals/:id"
	PopularMeals    Kind = "GET /meals/popular"
	ShowMe          Kind = "GET /me"
	SetPreferences  Kind = "PUT /me/preferences"
	ShowAddresses   Kind = "GET /me/addresses"
	SetAddresses    Kind = "PUT /me/addresses"
	ShowCart        Kind = "GET /cart"
	SetCart         Kind = "PUT /cart"
	RateMeal        Kind = "POST /meals/:id/ratings"
	ListOrders      Kind = "GET /orders"
	PlaceOrder      Kind = "POST /orders"
	Recommendations Kind = "GET /recommendations"
)

// Share is how often a kind of request is sent, relative to the others of its mix.
type Share struct {
	Kind   Kind
	Weight float64
}

// Mix is a blend of requests.
type Mix struct {
	Name   string
	Shares []Share
	// Skew is the exponent s of the Zipf law by which meals are chosen: the meal of
	// rank k, counted from 0, is chosen in proportion to (1+k)^-s. More than 1.
	Skew float64
}

// defaultSkew makes the most popular of 500 meals some 20 % of all choices and the first
// ten about half.
const defaultSkew = 1.1

// Dinner is what people do between 4 and 7 PM: look, choose, order. 17 % are orders.
func Dinner() Mix {
	return Mix{Name: "dinner", Skew: defaultSkew, Shares: []Share{
		{ListMeals, 20}, {ShowMeal, 25}, {PopularMeals, 8}, {ShowMe, 6},
		{ShowCart, 7}, {SetCart, 8}, {ListOrders, 4}, {PlaceOrder, 17},
		{Recommendations, 2}, {RateMeal, 2}, {SetPreferences, 1},
	}}
}

// Browse is people who look and do not order: lab 03.
func Browse() Mix {
	return Mix{Name: "browse", Skew: defaultSkew, Shares: []Share{
		{ListMeals, 35}, {ShowMeal, 40}, {PopularMeals, 15}, {ShowMe, 10},
	}}
}

// UserWrites is what people write of themselves, with few orders: lab 04.
func UserWrites() Mix {
	return Mix{Name: "user writes", Skew: defaultSkew, Shares: []Share{
		{SetCart, 40}, {SetPreferences, 12}, {SetAddresses, 10}, {RateMeal, 18},
		{ShowCart, 5}, {ListOrders, 12}, {PlaceOrder, 3},
	}}
}

// Orders is people who know what they want: lab 05.
func Orders() Mix {
	return Mix{Name: "orders", Skew: defaultSkew, Shares: []Share{
		{PlaceOrder, 85}, {ShowMeal, 10}, {ListOrders, 5},
	}}
}

// OnlyOrders is nothing but orders: lab 01, where a machine's size is read off them.
func OnlyOrders() Mix {
	return Mix{Name: "only orders", Skew: defaultSkew, Shares: []Share{{PlaceOrder, 1}}}
}

// Mixes returns every named mix.
func Mixes() []Mix { return []Mix{Dinner(), Browse(), UserWrites(), Orders(), OnlyOrders()} }

// validate says what is wrong with a mix.
func (m Mix) validate() error {
	if len(m.Shares) == 0 {
		return errors.New("mix: no kind of request")
	}
	if !(m.Skew > 1) {
		return fmt.Errorf("mix: skew %v is not more than 1", m.Skew)
	}
	for _, s := range m.Shares {
		if _, ok := kinds()[s.Kind]; !ok {
			return fmt.Errorf("mix: unknown kind %q", s.Kind)
		}
		if !(s.Weight > 0) {
			return fmt.Errorf("mix: weight %v of %s is not more than 0", s.Weight, s.Kind)
		}
	}
	return nil
}
