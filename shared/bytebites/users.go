package bytebites

import (
	"context"
	"time"
)

// UserID is an opaque name for a subscriber; see NewUserID.
type UserID string

// Account is a subscriber's entry in the directory. It holds what sign-in needs.
type Account struct {
	User         UserID
	Email        string
	PasswordHash []byte // bcrypt
}

// Directory maps an email address to a subscriber. It lives with the catalogue, because
// before sign-in only the email address is known and it does not name a shard.
type Directory interface {
	// Account returns the account of an email address in any case, or ErrNotFound.
	Account(ctx context.Context, email string) (Account, error)
	// Register adds an account. The error is ErrDuplicate when the email address, in any
	// case, or the subscriber already has an account. Create the subscriber's profile first:
	// a profile without an account does no harm, but an account must lead to a subscriber.
	Register(ctx context.Context, a Account) error
}

// Session is a signed-in browser.
type Session struct {
	// TokenHash is the SHA-256 hash of the token in the cookie. Stores never see the
	// token itself, so a leaked store does not let an attacker sign in.
	TokenHash [32]byte
	User      UserID
	Email     string
	ExpiresAt time.Time
}

// Sessions stores the sessions of signed-in subscribers.
//
// The baseline keeps them in the memory of one process. Lab 02 moves them to storage that
// all replicas share, and lab 03 adds Redis in front of it.
type Sessions interface {
	// Create stores a session.
	Create(ctx context.Context, s Session) error
	// Session returns a session that has not expired, or ErrNotFound.
	Session(ctx context.Context, tokenHash [32]byte) (Session, error)
	// Delete deletes a session. Deleting an unknown session changes nothing.
	Delete(ctx context.Context, tokenHash [32]byte) error
}

// Preferences are a subscriber's tastes and diets.
type Preferences struct {
	Diets        []string // each meal must fit all of them
	Cuisines     []string // preferred to other cuisines
	Dislikes     []string // ingredient names
	PortionCount int      // 1 to 8
}

// Address is a delivery address of a subscriber.
type Address struct {
	Label      string
	Street     string
	PostalCode string
	City       string
	Country    string // ISO 3166-1 alpha-2
}

// Profile is a subscriber's name, email address and preferences.
type Profile struct {
	User        UserID
	Name        string
	Email       string
	Preferences Preferences
}

// Profiles stores the profiles and delivery addresses of subscribers.
type Profiles interface {
	// Profile returns a subscriber, or ErrNotFound.
	Profile(ctx context.Context, user UserID) (Profile, error)
	// Create adds a subscriber. The error is ErrDuplicate when the id is taken.
	Create(ctx context.Context, p Profile) error
	// SetPreferences replaces a subscriber's preferences. The error is ErrNotFound for an
	// unknown subscriber.
	SetPreferences(ctx context.Context, user UserID, p Preferences) error
	// Addresses returns a subscriber's addresses in the order in which they were set.
	Addresses(ctx context.Context, user UserID) ([]Address, error)
	// SetAddresses replaces all addresses of a subscriber.
	SetAddresses(ctx context.Context, user UserID, addresses []Address) error
}

// Carts stores the meals that subscribers have picked but not ordered.
type Carts interface {
	// Cart returns the lines in order of meal id. An empty cart is no error.
	Cart(ctx context.Context, user UserID) ([]Line, error)
	// SetCart replaces all lines.
	SetCart(ctx context.Context, user UserID, lines []Line) error
}

// Rating summarises the stars that subscribers gave a meal.
type Rating struct {
	Count   int
	Average float64 // 1 to 5 stars, or 0 without ratings
}

// Ratings stores the stars that subscribers give to meals.
type Ratings interface {
	// Rate sets a subscriber's stars (1 to 5) for a meal. It replaces earlier stars.
	Rate(ctx context.Context, user UserID, meal MealID, stars int) error
	// Ratings returns the rating of each meal that has one.
	Ratings(ctx context.Context, meals []MealID) (map[MealID]Rating, error)
}
