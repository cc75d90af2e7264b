// Package seed fills a database with a year of ByteBites: subscribers, meals and past orders.
// The same size gives the same rows on every machine. The rows do not depend on chance or on the
// date.
//
// Meal(1) is the most ordered meal, and popularity falls with the number by Zipf's law. The last
// ScarceMeals meals have ScarcePortions portions each, because some tests must run out of stock.
// The stock of all other meals lasts for days of load.
//
// Seeded orders are paid and all their effects are done. They have no stock reservations and no
// ledger entries. They have no Idempotency-Keys, because a key is valid for one day. Their ids
// start with postgres.SeededOrderPrefix, so that checks of the running service can exclude them.
package seed

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Password is the password of every seeded subscriber.
const Password = "correct horse battery staple"

// passwordHash is the bcrypt hash of Password at cost 10. All subscribers share it, because one
// hash takes 64 ms. Its salt is fixed, so that the data is the same on every machine.
const passwordHash = "$2a$10$eeHOC5YCRrAryUndhDnVeOEh6rhyM744/shKplrwNk34xeWpLt206"

// The stock of the meals.
const (
	ScarceMeals    = 5  // number of meals that run out soon, the last ones
	ScarcePortions = 20 // stock of each scarce meal
	// PlentyPortions is the stock of every other meal.
	PlentyPortions = 1_000_000
)

// MaxMeals is the number of meals that have recipes.
const MaxMeals = 500

// minMeals leaves enough meals for orders of four different meals besides the scarce ones.
const minMeals = 20

// Size is the number of subscribers, meals and orders.
type Size struct{ Users, Meals, Orders int }

// Full is ByteBites at its full size, with 100,000 subscribers.
func Full() Size { return Size{Users: 100_000, Meals: MaxMeals, Orders: 1_000_000} }

// Growing is a fifth of Full in subscribers and orders. Each subscriber has as many orders as in
// Full, so counts for one subscriber are similar. A table is still far longer than the part that
// an index reads. Seeding and starting such a database takes a fraction of the time.
func Growing() Size { return Size{Users: 20_000, Meals: MaxMeals, Orders: 200_000} }

// Early is ByteBites six months ago, before it grew: new subscribers with two orders each. Its
// data can be moved from server to server within seconds.
func Early() Size { return Size{Users: 5_000, Meals: MaxMeals, Orders: 10_000} }

// Small is enough for tests of behaviour, but not for measurements.
func Small() Size { return Size{Users: 1_000, Meals: MaxMeals, Orders: 10_000} }

// LastOrderAt returns a time that is later than every seeded order.
func LastOrderAt() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// User returns the id of the n-th seeded subscriber, counted from 1.
func User(n int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("u%07d", n)) }

// Email returns the email address of the n-th seeded subscriber, counted from 1.
func Email(n int) string { return fmt.Sprintf("user%07d@bytebites.example", n) }

// Meal returns the id of the n-th meal, counted from 1.
func Meal(n int) bytebites.MealID { return bytebites.MealID(fmt.Sprintf("m%04d", n)) }

// ScarceMeal returns the id of the n-th scarce meal, counted from 1.
func (s Size) ScarceMeal(n int) bytebites.MealID { return Meal(s.Meals - ScarceMeals + n) }

//go:embed sql
var seedFiles embed.FS

// Key identifies the data. It changes with any change of the schema, of the seed or of the size,
// and it is part of the names of cached images.
func (s Size) Key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d users, %d meals, %d orders, hash %s\n", s.Users, s.Meals, s.Orders, passwordHash)
	fmt.Fprintf(sum, "stock %d, last %d %d\n", PlentyPortions, ScarceMeals, ScarcePortions)
	fmt.Fprintf(sum, "migrations %s\n", postgres.MigrationsKey())
	if err := postgres.WriteFiles(sum, seedFiles); err != nil {
		panic(err) // embedded files can always be read
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
