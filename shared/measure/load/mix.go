package load

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
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

// Share is the weight of a kind of request relative to the other kinds of its mix.
type Share struct {
	Kind   Kind
	Weight float64
}

// Mix is a set of kinds of request with their weights.
type Mix struct {
	Name   string
	Shares []Share
	// Skew is the exponent s of the Zipf distribution of meals; more than 1. The meal of rank
	// k, counted from 0, is chosen in proportion to (1+k)^-s.
	Skew float64
}

// defaultSkew gives the most popular of 500 meals about 20 % of all choices, and the first
// ten meals about half.
const defaultSkew = 1.1

// Dinner is the mix between 4 and 7 PM: subscribers look, choose and order. 17 % are orders.
func Dinner() Mix {
	return Mix{Name: "dinner", Skew: defaultSkew, Shares: []Share{
		{ListMeals, 20}, {ShowMeal, 25}, {PopularMeals, 8}, {ShowMe, 6},
		{ShowCart, 7}, {SetCart, 8}, {ListOrders, 4}, {PlaceOrder, 17},
		{Recommendations, 2}, {RateMeal, 2}, {SetPreferences, 1},
	}}
}

// ReadsAndOrders is the part of the dinner mix that can be sent a second time, for loads in which
// a server dies: a balancer may repeat a GET, and a client repeats an order under the same key.
func ReadsAndOrders() Mix {
	mix := Mix{Name: "reads and orders", Skew: defaultSkew}
	for _, share := range Dinner().Shares {
		if share.Kind == PlaceOrder || strings.HasPrefix(string(share.Kind), http.MethodGet+" ") {
			mix.Shares = append(mix.Shares, share)
		}
	}
	return mix
}

// Browse is a mix of reads without orders, for lab 03.
func Browse() Mix {
	return Mix{Name: "browse", Skew: defaultSkew, Shares: []Share{
		{ListMeals, 35}, {ShowMeal, 40}, {PopularMeals, 15}, {ShowMe, 10},
	}}
}

// UserWrites is a mix of writes of subscribers' own data with few orders, for lab 04.
func UserWrites() Mix {
	return Mix{Name: "user writes", Skew: defaultSkew, Shares: []Share{
		{SetCart, 40}, {SetPreferences, 12}, {SetAddresses, 10}, {RateMeal, 18},
		{ShowCart, 5}, {ListOrders, 12}, {PlaceOrder, 3},
	}}
}

// Orders is a mix of 85 % orders, for lab 05.
func Orders() Mix {
	return Mix{Name: "orders", Skew: defaultSkew, Shares: []Share{
		{PlaceOrder, 85}, {ShowMeal, 10}, {ListOrders, 5},
	}}
}

// OnlyOrders is a mix of orders alone, for lab 01, which compares sizes of machines by them.
func OnlyOrders() Mix {
	return Mix{Name: "only orders", Skew: defaultSkew, Shares: []Share{{PlaceOrder, 1}}}
}

// MenuPages is a mix of pages of the menu alone, for lab 06. With a cache such requests cost about the same, so the
// utilisation of replicas follows the rate.
func MenuPages() Mix {
	return Mix{Name: "meals", Skew: defaultSkew, Shares: []Share{{ListMeals, 1}}}
}

// Mixes returns every named mix.
func Mixes() []Mix { return []Mix{Dinner(), Browse(), UserWrites(), Orders(), OnlyOrders()} }

// validate returns an error that names the first fault of a mix.
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
