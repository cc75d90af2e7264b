// Package fake keeps all data of ByteBites in memory, for tests of the API without servers. It
// implements the domain's interfaces under one lock.
package fake

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"golang.org/x/crypto/bcrypt"
)

// Password is the password of every subscriber.
const Password = "correct horse battery"

type keyed struct {
	user bytebites.UserID
	key  string
}

// World implements every store and service of the domain.
type World struct {
	mu        sync.Mutex
	meals     []bytebites.Meal // in order of id
	stock     map[bytebites.MealID]int
	accounts  map[string]bytebites.Account // by lower-case email
	profiles  map[bytebites.UserID]bytebites.Profile
	addresses map[bytebites.UserID][]bytebites.Address
	carts     map[bytebites.UserID][]bytebites.Line
	stars     map[bytebites.MealID]map[bytebites.UserID]int
	sessions  map[[32]byte]bytebites.Session
	orders    map[keyed]bytebites.Order // by Idempotency-Key
	events    map[string]bool
	weeks     map[bytebites.UserID]bytebites.Week
	placed    int
	now       func() time.Time

	// Fail, if set, is called before every call, and its error is returned.
	Fail func(ctx context.Context, call string) error
}

// Email returns the email of subscriber n, from 1.
func Email(n int) string { return fmt.Sprintf("user%07d@bytebites.example", n) }

// User returns the id of subscriber n, from 1.
func User(n int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("u%07d", n)) }

// Meal returns the id of meal n, from 1.
func Meal(n int) bytebites.MealID { return bytebites.MealID(fmt.Sprintf("m%04d", n)) }

// scarceStock is the stock of the last meal, in portions.
const scarceStock = 7

var (
	cuisines = []string{"italian", "thai", "mexican", "indian", "japanese", "french", "greek", "american"}
	dishes   = []string{"lasagne", "green curry", "black bean tacos", "dal tadka", "miso ramen", "ratatouille", "lemon chicken", "smash burger"}
	manners  = []string{"Smoky", "Weeknight", "Grandmother's", "Crisp", "Slow", "Bright", "Charred"}
	diets    = [][]string{{"vegetarian"}, {"gluten-free"}, {}, {"vegan", "vegetarian"}, {"high-protein"}}
)

// NewWorld returns a world of subscribers and meals. Its last meal is scarce.
func NewWorld(users, meals int, now func() time.Time) *World {
	w := &World{
		stock:     map[bytebites.MealID]int{},
		accounts:  map[string]bytebites.Account{},
		profiles:  map[bytebites.UserID]bytebites.Profile{},
		addresses: map[bytebites.UserID][]bytebites.Address{},
		carts:     map[bytebites.UserID][]bytebites.Line{},
		stars:     map[bytebites.MealID]map[bytebites.UserID]int{},
		sessions:  map[[32]byte]bytebites.Session{},
		orders:    map[keyed]bytebites.Order{},
		events:    map[string]bool{},
		weeks:     map[bytebites.UserID]bytebites.Week{},
		now:       now,
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	for n := 1; n <= users; n++ {
		w.accounts[Email(n)] = bytebites.Account{User: User(n), Email: Email(n), PasswordHash: hash}
		w.profiles[User(n)] = bytebites.Profile{User: User(n), Name: fmt.Sprintf("Subscriber %d", n), Email: Email(n),
			Preferences: bytebites.Preferences{PortionCount: 2}}
	}
	for n := 1; n <= meals; n++ {
		i := n % len(cuisines)
		m := bytebites.Meal{
			ID: Meal(n), Name: manners[n%len(manners)] + " " + dishes[i], Cuisine: cuisines[i], Version: 1,
			Description: "A dinner of the season, with everything measured out and ready for the pan.",
			Diets:       diets[n%len(diets)], Price: bytebites.Cents(890 + n*37%900), PrepMinutes: 15 + n%6*5,
			Ingredients: []bytebites.Ingredient{{Name: "tomato", Grams: 120, Supplier: "Hof Linde"}, {Name: "basil", Grams: 5, Supplier: "Kräuterei"}},
			Nutrition:   bytebites.Nutrition{KiloCalories: 400 + n*13%400, ProteinGrams: 24, CarbGrams: 60, FatGrams: 18, FibreGrams: 9, SaltMilligram: 1500},
		}
		w.meals = append(w.meals, m)
		w.stock[m.ID] = 100_000
		w.stars[m.ID] = map[bytebites.UserID]int{"someone": 3 + n%3, "else": 5}
	}
	w.stock[Meal(meals)] = scarceStock
	return w
}

// enter locks the world for one call.
func (w *World) enter(ctx context.Context, call string) (leave func(), err error) {
	if w.Fail != nil {
		if err := w.Fail(ctx, call); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	return w.mu.Unlock, nil
}

// OrderCount returns the number of orders.
func (w *World) OrderCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.orders)
}

// SessionHashes returns the token hashes that the session store got.
func (w *World) SessionHashes() [][32]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.sessions))
}

func (w *World) index(id bytebites.MealID) (int, bool) {
	return slices.BinarySearchFunc(w.meals, id, func(m bytebites.Meal, id bytebites.MealID) int { return cmp.Compare(m.ID, id) })
}

// Meals implements bytebites.Catalogue.
func (w *World) Meals(ctx context.Context, f bytebites.MealFilter) ([]bytebites.Meal, error) {
	leave, err := w.enter(ctx, "Meals")
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []bytebites.Meal
	for _, m := range w.meals {
		if m.ID <= f.After || f.Cuisine != "" && m.Cuisine != f.Cuisine || f.MaxPrice != 0 && m.Price > f.MaxPrice ||
			f.Diet != "" && !slices.Contains(m.Diets, f.Diet) ||
			!strings.Contains(strings.ToLower(m.Name), strings.ToLower(f.Search)) {
			continue
		}
		if len(found) == min(f.Limit, 100) {
			break
		}
		found = append(found, m)
	}
	return found, nil
}

// Meal implements bytebites.Catalogue.
func (w *World) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	leave, err := w.enter(ctx, "Meal")
	if err != nil {
		return bytebites.Meal{}, err
	}
	defer leave()
	if i, found := w.index(id); found {
		return w.meals[i], nil
	}
	return bytebites.Meal{}, bytebites.ErrNotFound
}

// MealsByID implements bytebites.Catalogue.
func (w *World) MealsByID(ctx context.Context, ids []bytebites.MealID) ([]bytebites.Meal, error) {
	leave, err := w.enter(ctx, "MealsByID")
	if err != nil {
		return nil, err
	}
	defer leave()
	var meals []bytebites.Meal
	for _, id := range ids {
		if i, found := w.index(id); found {
			meals = append(meals, w.meals[i])
		}
	}
	return meals, nil
}

// UpdateMeal implements bytebites.Catalogue.
func (w *World) UpdateMeal(ctx context.Context, id bytebites.MealID, change bytebites.MealChange) (bytebites.Meal, error) {
	leave, err := w.enter(ctx, "UpdateMeal")
	if err != nil {
		return bytebites.Meal{}, err
	}
	defer leave()
	i, found := w.index(id)
	if !found {
		return bytebites.Meal{}, bytebites.ErrNotFound
	}
	m := &w.meals[i]
	if change.Version != 0 && change.Version != m.Version {
		return bytebites.Meal{}, bytebites.ErrConflict
	}
	if change.Name != nil {
		m.Name = *change.Name
	}
	if change.Description != nil {
		m.Description = *change.Description
	}
	if change.Price != nil {
		m.Price = *change.Price
	}
	m.Version++
	return *m, nil
}

// Tastes implements bytebites.Catalogue.
func (w *World) Tastes(ctx context.Context) ([]bytebites.Taste, error) {
	leave, err := w.enter(ctx, "Tastes")
	if err != nil {
		return nil, err
	}
	defer leave()
	tastes := make([]bytebites.Taste, len(w.meals))
	for i, m := range w.meals {
		tastes[i] = bytebites.Taste{Meal: m.ID, Cuisine: m.Cuisine, Diets: m.Diets, Vector: []float32{1}}
	}
	return tastes, nil
}

// The API itself does not call Reserve, Confirm, Release and Unsettled.

// Reserve implements bytebites.Stock.
func (w *World) Reserve(context.Context, bytebites.OrderID, bytebites.UserID, []bytebites.Line) error {
	panic("the API reserves through Checkout")
}

// Confirm implements bytebites.Stock.
func (w *World) Confirm(context.Context, bytebites.OrderID) error {
	panic("the API confirms through Checkout")
}

// Release implements bytebites.Stock.
func (w *World) Release(context.Context, bytebites.OrderID) error {
	panic("the API releases through Checkout")
}

// Unsettled implements bytebites.Stock.
func (w *World) Unsettled(context.Context, int, int) ([]bytebites.Reservation, error) {
	panic("the API does not sweep")
}

// Available implements bytebites.Stock.
func (w *World) Available(ctx context.Context, ids []bytebites.MealID) (map[bytebites.MealID]int, error) {
	leave, err := w.enter(ctx, "Available")
	if err != nil {
		return nil, err
	}
	defer leave()
	left := map[bytebites.MealID]int{}
	for _, id := range ids {
		if n, found := w.stock[id]; found {
			left[id] = n
		}
	}
	return left, nil
}

// Account implements bytebites.Directory.
func (w *World) Account(ctx context.Context, email string) (bytebites.Account, error) {
	leave, err := w.enter(ctx, "Account")
	if err != nil {
		return bytebites.Account{}, err
	}
	defer leave()
	account, found := w.accounts[strings.ToLower(email)]
	if !found {
		return account, bytebites.ErrNotFound
	}
	return account, nil
}

// Register implements bytebites.Directory.
func (w *World) Register(ctx context.Context, a bytebites.Account) error {
	leave, err := w.enter(ctx, "Register")
	if err != nil {
		return err
	}
	defer leave()
	email := strings.ToLower(a.Email)
	if _, taken := w.accounts[email]; taken {
		return bytebites.ErrDuplicate
	}
	w.accounts[email] = a
	return nil
}

// Create implements bytebites.Sessions.
func (w *World) Create(ctx context.Context, s bytebites.Session) error {
	leave, err := w.enter(ctx, "Create")
	if err != nil {
		return err
	}
	defer leave()
	w.sessions[s.TokenHash] = s
	return nil
}

// Session implements bytebites.Sessions.
func (w *World) Session(ctx context.Context, hash [32]byte) (bytebites.Session, error) {
	leave, err := w.enter(ctx, "Session")
	if err != nil {
		return bytebites.Session{}, err
	}
	defer leave()
	s, found := w.sessions[hash]
	if !found || !s.ExpiresAt.After(w.now()) {
		return bytebites.Session{}, bytebites.ErrNotFound
	}
	return s, nil
}

// Delete implements bytebites.Sessions.
func (w *World) Delete(ctx context.Context, hash [32]byte) error {
	leave, err := w.enter(ctx, "Delete")
	if err != nil {
		return err
	}
	defer leave()
	delete(w.sessions, hash)
	return nil
}

// Profile implements bytebites.Profiles.
func (w *World) Profile(ctx context.Context, user bytebites.UserID) (bytebites.Profile, error) {
	leave, err := w.enter(ctx, "Profile")
	if err != nil {
		return bytebites.Profile{}, err
	}
	defer leave()
	p, found := w.profiles[user]
	if !found {
		return p, bytebites.ErrNotFound
	}
	return p, nil
}

// Profiles returns the world as bytebites.Profiles, whose Create differs from that of
// bytebites.Sessions.
func (w *World) Profiles() bytebites.Profiles { return profiles{w} }

type profiles struct{ *World }

// Create implements bytebites.Profiles.
func (p profiles) Create(ctx context.Context, profile bytebites.Profile) error {
	leave, err := p.enter(ctx, "CreateProfile")
	if err != nil {
		return err
	}
	defer leave()
	if _, taken := p.profiles[profile.User]; taken {
		return bytebites.ErrDuplicate
	}
	p.profiles[profile.User] = profile
	return nil
}

// SetPreferences implements bytebites.Profiles.
func (w *World) SetPreferences(ctx context.Context, user bytebites.UserID, preferences bytebites.Preferences) error {
	leave, err := w.enter(ctx, "SetPreferences")
	if err != nil {
		return err
	}
	defer leave()
	p, found := w.profiles[user]
	if !found {
		return bytebites.ErrNotFound
	}
	p.Preferences = preferences
	w.profiles[user] = p
	return nil
}

// Addresses implements bytebites.Profiles.
func (w *World) Addresses(ctx context.Context, user bytebites.UserID) ([]bytebites.Address, error) {
	leave, err := w.enter(ctx, "Addresses")
	if err != nil {
		return nil, err
	}
	defer leave()
	return w.addresses[user], nil
}

// SetAddresses implements bytebites.Profiles.
func (w *World) SetAddresses(ctx context.Context, user bytebites.UserID, addresses []bytebites.Address) error {
	leave, err := w.enter(ctx, "SetAddresses")
	if err != nil {
		return err
	}
	defer leave()
	w.addresses[user] = addresses
	return nil
}

// Cart implements bytebites.Carts.
func (w *World) Cart(ctx context.Context, user bytebites.UserID) ([]bytebites.Line, error) {
	leave, err := w.enter(ctx, "Cart")
	if err != nil {
		return nil, err
	}
	defer leave()
	return w.carts[user], nil
}

// SetCart implements bytebites.Carts.
func (w *World) SetCart(ctx context.Context, user bytebites.UserID, lines []bytebites.Line) error {
	leave, err := w.enter(ctx, "SetCart")
	if err != nil {
		return err
	}
	defer leave()
	lines = slices.Clone(lines)
	slices.SortFunc(lines, func(a, b bytebites.Line) int { return cmp.Compare(a.Meal, b.Meal) })
	w.carts[user] = lines
	return nil
}

// Rate implements bytebites.Ratings.
func (w *World) Rate(ctx context.Context, user bytebites.UserID, meal bytebites.MealID, stars int) error {
	leave, err := w.enter(ctx, "Rate")
	if err != nil {
		return err
	}
	defer leave()
	w.stars[meal][user] = stars
	return nil
}

// Ratings implements bytebites.Ratings.
func (w *World) Ratings(ctx context.Context, ids []bytebites.MealID) (map[bytebites.MealID]bytebites.Rating, error) {
	leave, err := w.enter(ctx, "Ratings")
	if err != nil {
		return nil, err
	}
	defer leave()
	ratings := map[bytebites.MealID]bytebites.Rating{}
	for _, id := range ids {
		sum, count := 0, len(w.stars[id])
		for _, stars := range w.stars[id] {
			sum += stars
		}
		if count > 0 {
			ratings[id] = bytebites.Rating{Count: count, Average: float64(sum) / float64(count)}
		}
	}
	return ratings, nil
}

// Week implements bytebites.Weeks.
func (w *World) Week(ctx context.Context, user bytebites.UserID) (bytebites.Week, error) {
	leave, err := w.enter(ctx, "Week")
	if err != nil {
		return bytebites.Week{}, err
	}
	defer leave()
	week, found := w.weeks[user]
	if !found {
		return week, bytebites.ErrNotFound
	}
	return week, nil
}

// SetWeek implements bytebites.Weeks.
func (w *World) SetWeek(ctx context.Context, user bytebites.UserID, week bytebites.Week) error {
	leave, err := w.enter(ctx, "SetWeek")
	if err != nil {
		return err
	}
	defer leave()
	if stored, found := w.weeks[user]; found && cmp.Or(cmp.Compare(stored.Basis, week.Basis), stored.PlannedAt.Compare(week.PlannedAt)) > 0 {
		return nil
	}
	w.weeks[user] = week
	return nil
}

// Plan implements bytebites.Recommender.
func (w *World) Plan(ctx context.Context, _ bytebites.UserID) (bytebites.Week, error) {
	leave, err := w.enter(ctx, "Plan")
	if err != nil {
		return bytebites.Week{}, err
	}
	defer leave()
	week := bytebites.Week{PlannedAt: w.now()}
	for i := range 7 {
		week.Meals = append(week.Meals, w.meals[i*3%len(w.meals)].ID)
	}
	return week, nil
}

func sameLines(order bytebites.Order, lines []bytebites.Line) bool {
	if len(order.Lines) != len(lines) {
		return false
	}
	ordered := map[bytebites.MealID]int{}
	for _, l := range order.Lines {
		ordered[l.Meal] = l.Quantity
	}
	for _, l := range lines {
		if ordered[l.Meal] != l.Quantity {
			return false
		}
	}
	return true
}

// PlaceOrder implements bytebites.Checkout.
func (w *World) PlaceOrder(ctx context.Context, r bytebites.OrderRequest) (bytebites.Order, bool, error) {
	leave, err := w.enter(ctx, "PlaceOrder")
	if err != nil {
		return bytebites.Order{}, false, err
	}
	defer leave()
	key := keyed{r.User, r.IdempotencyKey}
	if order, found := w.orders[key]; found {
		if !sameLines(order, r.Lines) {
			return bytebites.Order{}, false, bytebites.ErrKeyReused
		}
		return order, true, nil
	}
	w.placed++
	order := bytebites.Order{
		ID: bytebites.OrderID(fmt.Sprintf("o%08d", w.placed)), User: r.User, IdempotencyKey: r.IdempotencyKey,
		Status:   bytebites.OrderPlaced,
		PlacedAt: w.now().Truncate(time.Microsecond),
		Done:     map[bytebites.Effect]time.Time{},
	}
	for _, l := range r.Lines {
		i, found := w.index(l.Meal)
		if !found {
			return bytebites.Order{}, false, bytebites.ErrNotFound
		}
		if w.stock[l.Meal] < l.Quantity {
			return bytebites.Order{}, false, &bytebites.OutOfStockError{Meal: l.Meal}
		}
		order.Lines = append(order.Lines, bytebites.OrderLine{Meal: l.Meal, Name: w.meals[i].Name, Quantity: l.Quantity, Price: w.meals[i].Price})
		order.Total += w.meals[i].Price * bytebites.Cents(l.Quantity)
	}
	for _, l := range r.Lines {
		w.stock[l.Meal] -= l.Quantity
	}
	for _, effect := range bytebites.Effects() {
		order.Done[effect] = order.PlacedAt
	}
	w.orders[key] = order
	return order, false, nil
}

// Place implements bytebites.Orders.
func (w *World) Place(context.Context, bytebites.Order, func(context.Context) error) error {
	panic("the API places orders through Checkout")
}

// Finish implements bytebites.Orders.
func (w *World) Finish(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect) error {
	panic("the API finishes no effects")
}

// OrderByKey implements bytebites.Orders.
func (w *World) OrderByKey(context.Context, bytebites.UserID, string) (bytebites.Order, error) {
	panic("the API finds replays through Checkout")
}

func (w *World) find(user bytebites.UserID, id bytebites.OrderID) (keyed, bytebites.Order, bool) {
	for key, order := range w.orders {
		if order.User == user && order.ID == id {
			return key, order, true
		}
	}
	return keyed{}, bytebites.Order{}, false
}

// Order implements bytebites.Orders.
func (w *World) Order(ctx context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	leave, err := w.enter(ctx, "Order")
	if err != nil {
		return bytebites.Order{}, err
	}
	defer leave()
	_, order, found := w.find(user, id)
	if !found {
		return order, bytebites.ErrNotFound
	}
	return order, nil
}

func latestFirst(a, b bytebites.HistoryCursor) int {
	return cmp.Or(b.PlacedAt.Compare(a.PlacedAt), cmp.Compare(b.ID, a.ID))
}

// History implements bytebites.Orders.
func (w *World) History(ctx context.Context, user bytebites.UserID, before bytebites.HistoryCursor, limit int) ([]bytebites.Order, error) {
	leave, err := w.enter(ctx, "History")
	if err != nil {
		return nil, err
	}
	defer leave()
	var orders []bytebites.Order
	for _, order := range w.orders {
		if order.User == user && (before.IsZero() || latestFirst(order.Cursor(), before) > 0) {
			orders = append(orders, order)
		}
	}
	slices.SortFunc(orders, func(a, b bytebites.Order) int { return latestFirst(a.Cursor(), b.Cursor()) })
	return orders[:min(limit, len(orders))], nil
}

// Once implements bytebites.Orders.
func (w *World) Once(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect, func(context.Context) error) (bool, error) {
	panic("the API does no effects")
}

// ApplyPayment implements bytebites.Orders.
func (w *World) ApplyPayment(context.Context, bytebites.PaymentEvent) (bool, error) {
	panic("the API receives events through Payments")
}

// RecordPayment implements bytebites.Orders.
func (w *World) RecordPayment(context.Context, bytebites.PaymentEvent, func(context.Context) error) (bool, error) {
	panic("the API receives events through Payments")
}

// SettlePayment implements bytebites.Orders.
func (w *World) SettlePayment(context.Context, bytebites.PaymentEvent) error {
	panic("the API receives events through Payments")
}

// Receive implements bytebites.Payments.
func (w *World) Receive(ctx context.Context, event bytebites.PaymentEvent) (bool, error) {
	leave, err := w.enter(ctx, "Receive")
	if err != nil {
		return false, err
	}
	defer leave()
	key, order, found := w.find(event.User, event.Order)
	switch {
	case !found:
		return false, bytebites.ErrNotFound
	case w.events[event.ID]:
		return false, nil
	case event.Amount != order.Total:
		return false, bytebites.ErrConflict
	}
	w.events[event.ID] = true
	order.Status = bytebites.OrderPaymentFailed
	if event.Succeeded {
		order.Status = bytebites.OrderPaid
	}
	w.orders[key] = order
	return true, nil
}

// Popular implements bytebites.Orders.
func (w *World) Popular(ctx context.Context, limit int) ([]bytebites.Popularity, error) {
	leave, err := w.enter(ctx, "Popular")
	if err != nil {
		return nil, err
	}
	defer leave()
	var popular []bytebites.Popularity
	for i, m := range w.meals[:min(limit, len(w.meals))] {
		popular = append(popular, bytebites.Popularity{Meal: m.ID, Portions: 1000 - i})
	}
	return popular, nil
}
