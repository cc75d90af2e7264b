package bytebites

import "context"

// MealID is an opaque name for a meal.
type MealID string

// Cents is an amount of money in hundredths of a euro.
type Cents int64

// Ingredient is one thing that a meal kit holds, for one portion.
type Ingredient struct {
	Name     string
	Grams    int
	Supplier string
}

// Nutrition is what one portion of a meal holds.
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

// MealChange is what staff may change of a meal. A nil field stays as it is.
type MealChange struct {
	Name        *string
	Description *string
	Price       *Cents
	// Version, when not zero, must be the meal's present version, or the change is
	// refused with ErrConflict.
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
	// MealsByID returns those of the meals that exist, in no particular order.
	MealsByID(ctx context.Context, ids []MealID) ([]Meal, error)
	// UpdateMeal changes a meal and returns it as it is then; ErrNotFound, or
	// ErrConflict when the change names another version.
	UpdateMeal(ctx context.Context, id MealID, change MealChange) (Meal, error)
	// Tastes returns every meal as a point in taste space.
	Tastes(ctx context.Context) ([]Taste, error)
}

// Line is a meal and how many portions of it.
type Line struct {
	Meal     MealID
	Quantity int
}

// Reservation is stock that is set aside for an order.
type Reservation struct {
	Order OrderID
	User  UserID
}

// Stock sets meals aside for orders. It lives with the catalogue, the orders with the
// users, so after sharding no transaction spans both: an order is reserved, placed and
// confirmed, or released when placing it failed. A sweeper settles what a crash in
// between leaves behind.
type Stock interface {
	// Reserve takes all lines off the shelf, or none. The error matches ErrOutOfStock
	// when a line asks for more than is left, ErrNotFound when a meal does not exist.
	Reserve(ctx context.Context, order OrderID, user UserID, lines []Line) error
	// Confirm makes a held reservation final. Confirming again changes nothing;
	// ErrConflict when it was released before.
	Confirm(ctx context.Context, order OrderID) error
	// Release puts a held reservation back on the shelf. Releasing again, or an
	// unknown order, changes nothing; ErrConflict when it was confirmed before.
	Release(ctx context.Context, order OrderID) error
	// Unsettled returns reservations still held more than minAgeSeconds after they
	// were made, the oldest first, at most limit.
	Unsettled(ctx context.Context, minAgeSeconds, limit int) ([]Reservation, error)
	// Available returns how many portions are left of each of the meals that exist.
	Available(ctx context.Context, meals []MealID) (map[MealID]int, error)
}
