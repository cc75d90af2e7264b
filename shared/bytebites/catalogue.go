package bytebites

import "context"

// MealID is an opaque name for a meal.
type MealID string

// Cents is an amount of money in hundredths of a euro.
type Cents int64

// Ingredient is one ingredient of a meal kit, with its amount in one portion.
type Ingredient struct {
	Name     string
	Grams    int
	Supplier string
}

// Nutrition holds the nutrients of one portion of a meal.
type Nutrition struct {
	KiloCalories  int
	ProteinGrams  int
	CarbGrams     int
	FatGrams      int
	FibreGrams    int
	SaltMilligram int
}

// Meal is a meal kit that can be ordered.
type Meal struct {
	ID          MealID
	Name        string
	Description string
	Cuisine     string
	Diets       []string // such as "vegetarian"; sorted
	Price       Cents
	PrepMinutes int
	Ingredients []Ingredient
	Nutrition   Nutrition
	Version     int // grows by one with each change
}

// MealChange is a change of a meal by staff. A nil field leaves its value unchanged.
type MealChange struct {
	Name        *string
	Description *string
	Price       *Cents
	// Version, unless zero, must be the meal's current version. Otherwise the change
	// fails with ErrConflict.
	Version int
}

// MealFilter selects meals. A zero field selects all.
type MealFilter struct {
	Cuisine  string
	Diet     string
	MaxPrice Cents
	Search   string // part of the name, in any case
	After    MealID // the last meal of the page before
	Limit    int    // at most this many; the store caps it at 100
}

// Taste is a meal as the recommender sees it: a point in taste space.
type Taste struct {
	Meal         MealID
	Cuisine      string
	Diets        []string
	KiloCalories int
	Vector       []float32 // unit length
}

// Catalogue reads and changes meals.
//
// Lab 03 puts a read-through cache in front of it.
type Catalogue interface {
	// Meals returns the meals that match, in order of id.
	Meals(ctx context.Context, filter MealFilter) ([]Meal, error)
	// Meal returns one meal, or ErrNotFound.
	Meal(ctx context.Context, id MealID) (Meal, error)
	// MealsByID returns the meals that exist among ids, in no particular order.
	MealsByID(ctx context.Context, ids []MealID) ([]Meal, error)
	// UpdateMeal changes a meal and returns the changed meal. Errors: ErrNotFound, and
	// ErrConflict when the change names another version.
	UpdateMeal(ctx context.Context, id MealID, change MealChange) (Meal, error)
	// Tastes returns every meal as a point in taste space.
	Tastes(ctx context.Context) ([]Taste, error)
}

// Line is a meal and its number of portions.
type Line struct {
	Meal     MealID
	Quantity int
}

// Reservation is stock that is set aside for an order.
type Reservation struct {
	Order OrderID
	User  UserID
}

// Stock reserves meals for orders. Stock lives with the catalogue and orders live with the
// users, so no transaction spans both after sharding. Checkout therefore works in three
// calls: it reserves the stock, places the order, and confirms the reservation. If the order
// fails, checkout releases the reservation. A sweeper settles reservations that a crash in
// between leaves held.
type Stock interface {
	// Reserve takes all lines from the stock, or none. The error matches ErrOutOfStock
	// when a line asks for more than is left, and ErrNotFound when a meal does not exist.
	Reserve(ctx context.Context, order OrderID, user UserID, lines []Line) error
	// Confirm makes a held reservation final. Confirming again changes nothing. The error
	// is ErrConflict when the reservation was released before.
	Confirm(ctx context.Context, order OrderID) error
	// Release returns a held reservation to the stock. Releasing again changes nothing,
	// and so does an unknown order. The error is ErrConflict when the reservation was
	// confirmed before.
	Release(ctx context.Context, order OrderID) error
	// Unsettled returns reservations that are still held and older than minAgeSeconds.
	// The oldest come first, and limit bounds their number.
	Unsettled(ctx context.Context, minAgeSeconds, limit int) ([]Reservation, error)
	// Available returns the number of portions left of each meal that exists.
	Available(ctx context.Context, meals []MealID) (map[MealID]int, error)
}
