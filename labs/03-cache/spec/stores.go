package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// kind is a kind of question to the stores.
type kind string

// The kinds of question that a cache may answer.
const (
	aMeal    kind = "meals by id"
	aPage    kind = "a page of meals"
	aRating  kind = "ratings"
	aPopular kind = "popular meals"
	aSession kind = "a session"
)

// errStore is the error of stores that fail, as in a failover of the database.
var errStore = errors.New("database: connection reset by peer")

// memory is stores in memory, which stand for the database. They count the questions that
// reach them. They answer as the real stores do.
type memory struct {
	mu       sync.Mutex
	meals    []bytebites.Meal // in order of id
	ratings  map[bytebites.MealID]bytebites.Rating
	popular  []bytebites.Popularity // the most popular first
	sessions map[[32]byte]bytebites.Session
	asked    map[kind]int

	failing   bool                      // every call returns errStore
	held      chan struct{}             // unless nil, reads return when it is closed
	reading   func(ctx context.Context) // unless nil, called by each read when it begins
	unsure    bool                      // changes are made, and return errStore
	changing  func()                    // unless nil, called by each change before it is made
	committed func()                    // unless nil, called by the next change after it is made
}

// separators are texts that often separate the parts of a key. A visitor may write them too.
func separators() []string {
	return []string{":", ",", "-", "_", "|", "/", ".", " ", `":"`, `" "`, " Diet:", "&diet="}
}

// newMemory returns stores with some 80 meals. The meals differ in all that a visitor can select by.
func newMemory() *memory {
	m := &memory{
		ratings: make(map[bytebites.MealID]bytebites.Rating), sessions: make(map[[32]byte]bytebites.Session),
		asked: make(map[kind]int),
	}
	cuisines, diets := []string{"thai", "greek", "dutch", "thai:vegan"}, []string{"vegan", "halal", "20"}
	for n := range 54 {
		m.add(fmt.Sprintf("m%03d", n+1), cuisines[n%len(cuisines)], diets[n/len(cuisines)%len(diets)], 500+10*n)
	}
	for i, id := range []string{"M001", "m001-m002", "m001_m002", "10", "50", "thai"} {
		m.add(id, "dutch", "vegan", 2000+i)
	}
	for i, between := range separators() {
		m.add(fmt.Sprintf("s%03d", 2*i), "thai"+between+"greek", "vegan", 3000+i)
		m.add(fmt.Sprintf("s%03d", 2*i+1), "thai", "greek"+between+"vegan", 3100+i)
	}
	for i, meal := range m.meals {
		m.popular = append(m.popular, bytebites.Popularity{Meal: meal.ID, Portions: 5000 - i})
		if i%3 != 0 {
			m.ratings[meal.ID] = bytebites.Rating{Count: i, Average: 1 + float64(i%9)/2}
		}
	}
	return m
}

func (m *memory) add(id, cuisine, diet string, price int) {
	m.meals = append(m.meals, bytebites.Meal{
		ID: bytebites.MealID(id), Name: "dish " + id, Description: "the description of " + id,
		Cuisine: cuisine, Diets: []string{diet}, Price: bytebites.Cents(price), PrepMinutes: 20,
		Ingredients: []bytebites.Ingredient{{Name: "rice", Grams: 80, Supplier: "Mills"}},
		Nutrition:   bytebites.Nutrition{KiloCalories: price}, Version: 1,
	})
	slices.SortFunc(m.meals, func(a, b bytebites.Meal) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// change changes the stores behind the cache's back, as a deletion that was lost would leave
// them.
func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// fail makes all calls fail, or ends that.
func (m *memory) fail(failing bool) { m.change(func() { m.failing = failing }) }

// hold makes all reads wait, and returns what lets them go on.
func (m *memory) hold() (letGo func()) {
	held := make(chan struct{})
	m.change(func() { m.held = held })
	return sync.OnceFunc(func() {
		m.change(func() { m.held = nil })
		close(held)
	})
}

// questions returns the number of questions of a kind since the last call.
func (m *memory) questions(k kind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.asked[k]
	m.asked[k] = 0
	return n
}

// aside is the context key of questions that a check asks for itself. They are not counted, and are
// answered at once and rightly, whatever befalls the others.
type aside struct{}

// read answers a question. As a database does, it fails when its caller's context ends first.
func read[T any](ctx context.Context, m *memory, k kind, answer func() (T, error)) (T, error) {
	m.mu.Lock()
	if ctx.Value(aside{}) != nil {
		defer m.mu.Unlock()
		return answer()
	}
	m.asked[k]++
	value, err := answer()
	if m.failing {
		var none T
		value, err = none, errStore
	}
	held, reading := m.held, m.reading
	m.mu.Unlock()
	if reading != nil {
		reading(ctx)
	}
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		var none T
		return none, fmt.Errorf("query: %w", ctx.Err())
	}
	return value, err
}

// write makes a change. The caller may leave while it is made.
func (m *memory) write(change func() error) error {
	m.mu.Lock()
	changing := m.changing
	m.changing = nil
	m.mu.Unlock()
	if changing != nil {
		changing()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing {
		return errStore
	}
	if err := change(); err != nil {
		return err
	}
	if committed := m.committed; committed != nil {
		m.committed = nil
		m.mu.Unlock()
		committed()
		m.mu.Lock()
	}
	if m.unsure {
		return errStore
	}
	return nil
}

// rated returns two meals with a rating.
func (m *memory) rated() []bytebites.MealID {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []bytebites.MealID
	for _, meal := range m.meals {
		if _, rated := m.ratings[meal.ID]; rated && len(ids) < 2 {
			ids = append(ids, meal.ID)
		}
	}
	return ids
}

// unrated returns a meal without a rating.
func (m *memory) unrated() bytebites.MealID {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := slices.IndexFunc(m.meals, func(meal bytebites.Meal) bool {
		_, rated := m.ratings[meal.ID]
		return !rated
	})
	return m.meals[at].ID
}

func (m *memory) find(id bytebites.MealID) int {
	return slices.IndexFunc(m.meals, func(meal bytebites.Meal) bool { return meal.ID == id })
}

// The stores of the domain in this memory.
type (
	memoryCatalogue struct{ *memory }
	memoryRatings   struct{ *memory }
	memoryOrders    struct {
		bytebites.Orders // no check asks for more than Popular
		*memory
	}
	memorySessions struct{ *memory }
)

func (m memoryCatalogue) Meals(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	return read(ctx, m.memory, aPage, func() ([]bytebites.Meal, error) {
		var found []bytebites.Meal
		for _, meal := range m.meals {
			if len(found) < f.Limit && meal.ID > f.After && (f.Cuisine == "" || meal.Cuisine == f.Cuisine) &&
				(f.Diet == "" || slices.Contains(meal.Diets, f.Diet)) && (f.MaxPrice == 0 || meal.Price <= f.MaxPrice) &&
				strings.Contains(strings.ToLower(meal.Name), strings.ToLower(f.Search)) {
				found = append(found, meal)
			}
		}
		return found, nil
	})
}

func (m memoryCatalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	return read(ctx, m.memory, aMeal, func() (bytebites.Meal, error) {
		if i := m.find(id); i >= 0 {
			return m.meals[i], nil
		}
		return bytebites.Meal{}, fmt.Errorf("meal %q: %w", id, bytebites.ErrNotFound)
	})
}

func (m memoryCatalogue) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	return read(ctx, m.memory, aMeal, func() ([]bytebites.Meal, error) {
		var found []bytebites.Meal
		for _, meal := range m.meals {
			if slices.Contains(ids, meal.ID) {
				found = append(found, meal)
			}
		}
		return found, nil
	})
}

func (m memoryCatalogue) UpdateMeal(_ context.Context, id bytebites.MealID, change bytebites.MealChange) (changed bytebites.Meal, err error) {
	err = m.write(func() error {
		i := m.find(id)
		if i < 0 {
			return fmt.Errorf("meal %q: %w", id, bytebites.ErrNotFound)
		}
		meal := &m.meals[i]
		if change.Version != 0 && change.Version != meal.Version {
			return fmt.Errorf("meal %q: %w", id, bytebites.ErrConflict)
		}
		if change.Name != nil {
			meal.Name = *change.Name
		}
		if change.Description != nil {
			meal.Description = *change.Description
		}
		if change.Price != nil {
			meal.Price = *change.Price
		}
		meal.Version++
		changed = *meal
		return nil
	})
	return changed, err
}

func (m memoryCatalogue) Tastes(context.Context) ([]bytebites.Taste, error) { return nil, nil }

func (m memoryRatings) Ratings(ctx context.Context, meals []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	return read(ctx, m.memory, aRating, func() (map[bytebites.MealID]bytebites.Rating, error) {
		found := make(map[bytebites.MealID]bytebites.Rating)
		for _, id := range meals {
			if rating, rated := m.ratings[id]; rated {
				found[id] = rating
			}
		}
		return found, nil
	})
}

func (m memoryRatings) Rate(_ context.Context, _ bytebites.UserID, meal bytebites.MealID, stars int) error {
	return m.write(func() error {
		old := m.ratings[meal]
		n := old.Count + 1
		m.ratings[meal] = bytebites.Rating{Count: n, Average: (old.Average*float64(old.Count) + float64(stars)) / float64(n)}
		return nil
	})
}

func (m memoryOrders) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	return read(ctx, m.memory, aPopular, func() ([]bytebites.Popularity, error) {
		return slices.Clone(m.popular[:min(max(limit, 0), len(m.popular))]), nil
	})
}

func (m memorySessions) Create(_ context.Context, session bytebites.Session) error {
	return m.write(func() error {
		m.sessions[session.TokenHash] = session
		return nil
	})
}

func (m memorySessions) Session(ctx context.Context, tokenHash [32]byte) (bytebites.Session, error) {
	return read(ctx, m.memory, aSession, func() (bytebites.Session, error) {
		session, exists := m.sessions[tokenHash]
		if !exists || !session.ExpiresAt.After(time.Now()) {
			return bytebites.Session{}, fmt.Errorf("session: %w", bytebites.ErrNotFound)
		}
		return session, nil
	})
}

func (m memorySessions) Delete(_ context.Context, tokenHash [32]byte) error {
	return m.write(func() error {
		delete(m.sessions, tokenHash)
		return nil
	})
}
