package spec

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/workshop/rig"
)

// person is a subscriber who sends one request after the other, and remembers each write that was
// acknowledged. So the rows that must exist are known exactly.
type person struct {
	user   bytebites.UserID
	email  string
	cookie string
	random *rand.Rand
	turn   int // which replica gets the next request; see doors
	next   int // number of the next write, which makes each write of theirs different

	// The acknowledged state. Nil is what they have never written.
	cart        map[string]int // portions by meal
	preferences *preferences
	addresses   []address
	ratings     map[string]int    // stars by meal
	orders      map[string]*order // by key
}

func newPerson(user bytebites.UserID, email, cookie string) *person {
	seed := uint64(0)
	for _, c := range []byte(user) {
		seed = seed*131 + uint64(c)
	}
	return &person{
		user: user, email: email, cookie: cookie, random: rand.New(rand.NewPCG(seed, 4)),
		ratings: make(map[string]int), orders: make(map[string]*order),
	}
}

// The bodies of the API.

type line struct {
	Meal     string `json:"meal_id"`
	Quantity int    `json:"quantity"`
}

type lines struct {
	Lines []line `json:"lines"`
}

type preferences struct {
	Diets        []string `json:"diets"`
	Cuisines     []string `json:"cuisines"`
	Dislikes     []string `json:"dislikes"`
	PortionCount int      `json:"portion_count"`
}

type address struct {
	Label      string `json:"label"`
	Street     string `json:"street"`
	PostalCode string `json:"postal_code"`
	City       string `json:"city"`
	Country    string `json:"country"`
}

type order struct {
	id    bytebites.OrderID
	lines []line
}

// write is a request that stores something, and how to see that it is stored.
type write struct {
	what    string
	request request
	status  []int // the status codes that acknowledge it
	// acknowledged remembers the write, given its answer.
	acknowledged func(rig.Answer) error
	// view is the path that shows it afterwards. It is empty when the API shows it nowhere.
	// shown returns the part of that page that must be equal to want.
	view  string
	shown func(page []byte) (any, error)
	want  any
}

// plentyMeals is the number of meals to choose from. None of them is scarce.
const plentyMeals = 200

// meals returns one to three different meals.
func (p *person) meals() []line {
	chosen := make([]line, 0, 3)
	for _, n := range p.random.Perm(plentyMeals)[:1+p.random.IntN(3)] {
		chosen = append(chosen, line{Meal: string(seed.Meal(1 + n)), Quantity: 1 + p.random.IntN(9)})
	}
	return chosen
}

// something returns a write of a random sort.
func (p *person) something() write {
	switch n := p.random.IntN(100); {
	case n < 40:
		return p.setCart()
	case n < 60:
		return p.setPreferences()
	case n < 75:
		return p.setAddresses()
	case n < 94:
		return p.rate()
	default:
		return p.order()
	}
}

func (p *person) put(path string, body any) request {
	return request{method: http.MethodPut, path: path, cookie: p.cookie, body: body}
}

func byMeal(all []line) map[string]int {
	portions := make(map[string]int, len(all))
	for _, l := range all {
		portions[l.Meal] += l.Quantity
	}
	return portions
}

func (p *person) setCart() write {
	chosen := p.meals()
	want := byMeal(chosen)
	return write{
		what: fmt.Sprintf("cart %v", want), request: p.put("/cart", lines{chosen}), status: []int{http.StatusOK},
		acknowledged: func(rig.Answer) error { p.cart = want; return nil },
		view:         "/cart", want: want,
		shown: func(page []byte) (any, error) {
			var cart lines
			err := json.Unmarshal(page, &cart)
			return byMeal(cart.Lines), err
		},
	}
}

func (p *person) setPreferences() write {
	p.next++
	set := preferences{
		Diets: []string{}, Cuisines: []string{"italian", "thai"}[:p.random.IntN(3)],
		Dislikes: []string{fmt.Sprintf("dislike %d of %s", p.next, p.user)}, PortionCount: 1 + p.random.IntN(8),
	}
	return write{
		what: fmt.Sprintf("preferences %+v", set), request: p.put("/me/preferences", set), status: []int{http.StatusOK},
		acknowledged: func(rig.Answer) error { p.preferences = &set; return nil },
		view:         "/me", want: set,
		shown: func(page []byte) (any, error) {
			var me struct {
				Preferences preferences `json:"preferences"`
			}
			err := json.Unmarshal(page, &me)
			return me.Preferences, err
		},
	}
}

func (p *person) setAddresses() write {
	p.next++
	var set []address
	for _, label := range []string{"home", "work"}[:1+p.random.IntN(2)] {
		set = append(set, address{
			Label: label, Street: fmt.Sprintf("Street %d of %s", p.next, p.user), PostalCode: fmt.Sprint(10_000 + p.random.IntN(90_000)),
			City: "Berlin", Country: "DE",
		})
	}
	type body struct {
		Addresses []address `json:"addresses"`
	}
	return write{
		what: fmt.Sprintf("addresses %+v", set), request: p.put("/me/addresses", body{set}), status: []int{http.StatusOK},
		acknowledged: func(rig.Answer) error { p.addresses = set; return nil },
		view:         "/me/addresses", want: set,
		shown: func(page []byte) (any, error) {
			var b body
			err := json.Unmarshal(page, &b)
			return b.Addresses, err
		},
	}
}

func (p *person) rate() write {
	meal, stars := string(seed.Meal(1+p.random.IntN(plentyMeals))), 1+p.random.IntN(5)
	return write{
		what: fmt.Sprintf("%d stars for %s", stars, meal), status: []int{http.StatusNoContent},
		request: request{method: http.MethodPost, path: "/meals/" + meal + "/ratings", cookie: p.cookie, body: struct {
			Stars int `json:"stars"`
		}{stars}},
		acknowledged: func(rig.Answer) error { p.ratings[meal] = stars; return nil },
	}
}

func (p *person) order() write { return p.orderOf(p.meals()) }

// orderOf orders these meals.
func (p *person) orderOf(chosen []line) write {
	p.next++
	key := fmt.Sprintf("check-%s-%d", p.user, p.next)
	w := write{
		what: fmt.Sprintf("order %v", chosen), status: []int{http.StatusOK, http.StatusCreated},
		request: request{method: http.MethodPost, path: "/orders", cookie: p.cookie, key: key, body: lines{chosen}},
		view:    "/orders", want: true,
	}
	w.acknowledged = func(a rig.Answer) error {
		var placed struct {
			ID bytebites.OrderID `json:"id"`
		}
		if err := a.Into(&placed); err != nil {
			return err
		}
		p.orders[key] = &order{id: placed.ID, lines: chosen}
		return nil
	}
	w.shown = func(page []byte) (any, error) {
		return strings.Contains(string(page), `"`+string(p.orders[key].id)+`"`), nil
	}
	return w
}

// same reports whether a page shows the write.
func (w write) same(page []byte) (bool, error) {
	seen, err := w.shown(page)
	if err != nil {
		return false, err
	}
	return reflect.DeepEqual(seen, w.want), nil
}
