package bytebites

import (
	"context"
	"time"
)

// UserID is an opaque name for a subscriber; see NewUserID.
type UserID string

// Account is what the directory knows of a subscriber: enough to sign in.
type Account struct {
	User         UserID
	Email        string
	PasswordHash []byte // bcrypt
}

// Directory leads from an email address to a subscriber. It lives with the catalogue:
// before anyone has signed in, nothing else names the shard.
type Directory interface {
	// Account returns the account of an email address in any case, or ErrNotFound.
	Account(ctx context.Context, email string) (Account, error)
	// Register adds an account; ErrDuplicate when the email address, in any case, or the
	// subscriber has one. The subscriber's profile comes first: one that nobody can sign
	// in to harms nobody, but an account must lead to a subscriber.
	Register(ctx context.Context, a Account) error
}

// Session is a signed-in browser.
type Session struct {
	// TokenHash is the SHA-256 of the token that the cookie carries. Stores never see
	// the token itself, so a leaked store signs nobody in.
	TokenHash [32]byte
	User      UserID
	Email     string
	ExpiresAt time.Time
}

// Sessions remembers who is signed in.
//
// The baseline keeps them in the memory of one process; lab 02 moves them to storage
// that all replicas share, lab 03 puts Redis in front.
type Sessions interface {
	// Create stores a session.
	Create(ctx context.Context, s Session) error
	// Session returns a session that has not expired, or ErrNotFound.
	Session(ctx context.Context, tokenHash [32]byte) (Session, error)
	// Delete forgets a session; an unknown one changes nothing.
	Delete(ctx context.Context, tokenHash [32]byte) error
}

// Preferences is what a subscriber likes to eat.
type Preferences struct {
	Diets        []string // each meal must fit all of them
	Cuisines     []string // liked more than others
	Dislikes     []string // ingredient names
	PortionCount int      // 1 to 8
}

// Address is where a box may be delivered.
type Address struct {
	Label      string
	Street     string
	PostalCode string
	City       string
	Country    string // ISO 3166-1 alpha-2
}

// Profile is a subscriber.
type Profile struct {
	User        UserID
	Name        string
	Email       string
	Preferences Preferences
}

// Profiles keeps what a subscriber says of themself.
type Profiles interface {
	// Profile returns a subscriber, or ErrNotFound.
	Profile(ctx context.Context, user UserID) (Profile, error)
	// Create adds a subscriber; ErrDuplicate when the id is taken.
	Create(ctx context.Context, p Profile) error
	// SetPreferences replaces the preferences; ErrNotFound for an unknown subscriber.
	SetPreferences(ctx context.Context, user UserID, p Preferences) error
	// Addresses returns the addresses in the order in which they were set.
	Addresses(ctx context.Context, user UserID) ([]Address, error)
	// SetAddresses replaces all addresses.
	SetAddresses(ctx context.Context, user UserID, addresses []Address) error
}

// Carts keeps what a subscriber has picked but not ordered.
type Carts interface {
	// Cart returns the lines in order of meal id; an empty cart is no error.
	Cart(ctx context.Context, user UserID) ([]Line, error)
	// SetCart replaces all lines.
	SetCart(ctx context.Context, user UserID, lines []Line) error
}

// Rating is what subscribers think of a meal.
type Rating struct {
	Count   int
	Average float64 // of 1 to 5 stars; 0 when nobody rated
}

// Ratings keeps the stars that subscribers give.
type Ratings interface {
	// Rate sets a subscriber's stars (1 to 5) for a meal, in place of earlier ones.
	Rate(ctx context.Context, user UserID, meal MealID, stars int) error
	// Ratings returns the rating of each of the meals that has one.
	Ratings(ctx context.Context, meals []MealID) (map[MealID]Rating, error)
}
