package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"bytebites.example/workshop/shared/bytebites"
)

// Request is one request of a mix.
type Request struct {
	Kind   Kind
	Method string
	Path   string // with its query
	Body   []byte
	Meal   bytebites.MealID // that ShowMeal and RateMeal name
	Page   Page             // that ListMeals asks for
	User   int              // the index of its session in the population; -1 without one
	Key    string           // the Idempotency-Key of an order
	Lines  []bytebites.Line
}

// Page is what a page of meals is asked for by. A page has at most one of the three.
type Page struct{ Cursor, Cuisine, Diet string }

// Population holds the subscribers that send requests, and the values that requests use.
type Population struct {
	Sessions []Session
	Meals    []bytebites.MealID // the most popular first
	Cursors  []string           // of the pages of the catalogue after the first
	// PageStarts holds the first meal of a page by the page's cursor, which is empty for the
	// first page. A page without a start here may begin with any meal.
	PageStarts map[string]bytebites.MealID
	Cuisines   []string
	Diets      []string
}

// contract is the API's contract of a kind of request.
type contract struct {
	session  bool  // needs a session
	statuses []int // of right answers
}

func kinds() map[Kind]contract {
	ok := []int{http.StatusOK}
	return map[Kind]contract{
		ListMeals:       {statuses: ok},
		ShowMeal:        {statuses: ok},
		PopularMeals:    {statuses: ok},
		ShowMe:          {session: true, statuses: ok},
		SetPreferences:  {session: true, statuses: ok},
		ShowAddresses:   {session: true, statuses: ok},
		SetAddresses:    {session: true, statuses: ok},
		ShowCart:        {session: true, statuses: ok},
		SetCart:         {session: true, statuses: ok},
		RateMeal:        {session: true, statuses: []int{http.StatusNoContent}},
		ListOrders:      {session: true, statuses: ok},
		PlaceOrder:      {session: true, statuses: []int{http.StatusOK, http.StatusCreated}},
		Recommendations: {session: true, statuses: ok},
	}
}

// Stream is the endless sequence of requests of a mix, a population and a seed. Request number
// i depends only on these. So goroutines may read a stream in any order, and two attacks with
// the same seed send the same requests.
//
// The sessions take turns. In each turn every session sends one request, in a random order.
// So all sessions are equally busy, although a few stand for many subscribers.
type Stream struct {
	mix        Mix
	population Population
	seed       uint64
	run        string
	bounds     []float64 // running sums of the weights
}

// NewStream returns a stream. The run is a part of every Idempotency-Key. It must differ
// between attacks on the same database, else the server takes new orders for repeats. The
// error names a fault of the mix or a lack of the population.
func NewStream(mix Mix, population Population, seed uint64, run string) (*Stream, error) {
	if err := mix.validate(); err != nil {
		return nil, err
	}
	if len(population.Meals) == 0 {
		return nil, errors.New("population: no meals")
	}
	s := &Stream{mix: mix, population: population, seed: seed, run: run}
	sum := 0.0
	for _, share := range mix.Shares {
		if kinds()[share.Kind].session && len(population.Sessions) == 0 {
			return nil, fmt.Errorf("population: %s needs sessions", share.Kind)
		}
		sum += share.Weight
		s.bounds = append(s.bounds, sum)
	}
	return s, nil
}

// Request returns request number i.
func (s *Stream) Request(i uint64) Request {
	r := s.draws(s.key(i))
	kind := s.kind(r)
	q := Request{Kind: kind, Method: http.MethodGet, User: -1}
	if len(s.population.Sessions) > 0 {
		q.User = s.turn(i)
	}
	switch kind {
	case ListMeals:
		q.Page = s.page(r)
		q.Path = q.Page.path()
	case ShowMeal:
		q.Meal = s.meal(r)
		q.Path = "/meals/" + url.PathEscape(string(q.Meal))
	case PopularMeals:
		q.Path = "/meals/popular"
	case ShowMe:
		q.Path = "/me"
	case SetPreferences:
		q.put("/me/preferences", s.preferences(r))
	case ShowAddresses:
		q.Path = "/me/addresses"
	case SetAddresses:
		q.put("/me/addresses", addresses(r))
	case ShowCart:
		q.Path = "/cart"
	case SetCart:
		q.put("/cart", linesBody(s.lines(r)))
	case RateMeal:
		q.Meal = s.meal(r)
		q.put("/meals/"+url.PathEscape(string(q.Meal))+"/ratings", ratingBody{Stars: 1 + r.IntN(5)})
		q.Method = http.MethodPost
	case ListOrders:
		q.Path = "/orders"
	case PlaceOrder:
		q.Lines = s.lines(r)
		q.Key = s.run + "-" + strconv.FormatUint(i, 10)
		q.put("/orders", linesBody(q.Lines))
		q.Method = http.MethodPost
	case Recommendations:
		q.Path = "/recommendations"
	}
	return q
}

func (q *Request) put(path string, body any) {
	q.Method, q.Path = http.MethodPut, path
	// Plain structs of strings and numbers always marshal.
	q.Body, _ = json.Marshal(body)
}

func (s *Stream) kind(r *rand.Rand) Kind {
	x := r.Float64() * s.bounds[len(s.bounds)-1]
	for i, bound := range s.bounds {
		if x < bound {
			return s.mix.Shares[i].Kind
		}
	}
	return s.mix.Shares[len(s.bounds)-1].Kind
}

// turn returns the index of the session that sends request number i.
func (s *Stream) turn(i uint64) int {
	n := uint64(len(s.population.Sessions))
	// The key is inverted, because the plain key gives the draws of request i / n.
	return s.draws(scramble(^s.key(i / n))).Perm(int(n))[i%n]
}

// key returns the scrambled number, so that neighbours of n give independent draws.
func (s *Stream) key(n uint64) uint64 { return scramble(s.seed ^ scramble(n)) }

func (s *Stream) draws(key uint64) *rand.Rand { return rand.New(rand.NewPCG(scramble(s.seed), key)) }

func (s *Stream) zipf(r *rand.Rand) *rand.Zipf {
	return rand.NewZipf(r, s.mix.Skew, 1, uint64(len(s.population.Meals)-1))
}

func (s *Stream) meal(r *rand.Rand) bytebites.MealID { return s.population.Meals[s.zipf(r).Uint64()] }

// lines returns 1 to 3 different meals of 1 to 4 portions.
func (s *Stream) lines(r *rand.Rand) []bytebites.Line {
	z := s.zipf(r)
	want := min(1+r.IntN(3), len(s.population.Meals))
	lines := make([]bytebites.Line, 0, want)
	for len(lines) < want {
		meal := s.population.Meals[z.Uint64()]
		if slices.ContainsFunc(lines, func(l bytebites.Line) bool { return l.Meal == meal }) {
			continue
		}
		lines = append(lines, bytebites.Line{Meal: meal, Quantity: 1 + r.IntN(4)})
	}
	return lines
}

// pageSize is the number of meals on a page of the catalogue.
const pageSize = 20

// page returns a page of meals: 40 % the first page, 20 % a later page, 20 % filtered by cuisine
// and 20 % by diet.
func (s *Stream) page(r *rand.Rand) Page {
	switch x := r.Float64(); {
	case x < 0.4:
	case x < 0.6 && len(s.population.Cursors) > 0:
		return Page{Cursor: s.population.Cursors[r.IntN(len(s.population.Cursors))]}
	case x < 0.8 && len(s.population.Cuisines) > 0:
		return Page{Cuisine: s.population.Cuisines[r.IntN(len(s.population.Cuisines))]}
	case len(s.population.Diets) > 0:
		return Page{Diet: s.population.Diets[r.IntN(len(s.population.Diets))]}
	}
	return Page{}
}

// path returns the path of the page, with its query.
func (p Page) path() string {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for name, value := range map[string]string{"cursor": p.Cursor, "cuisine": p.Cuisine, "diet": p.Diet} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "/meals?" + query.Encode()
}

// scramble is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
