// Package seed fills a database with ByteBites as it is after a year: subscribers,
// meals and past orders. The same size gives the same rows on every machine; nothing
// in it is random and nothing depends on the day.
//
// Meal(1) is the most ordered meal and popularity falls with the number, as in Zipf's
// law. The last ScarceMeals meals have ScarcePortions portions each, for tests that run
// out of stock; of all others there is more than days of load can order.
//
// Seeded orders are paid, all their effects are done, and they have neither stock
// reservations nor ledger entries nor Idempotency-Keys, which had a day to be retried
// in. Their ids start with postgres.SeededOrderPrefix, so that checks of the running
// service leave them out.
package seed

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Password is what every seeded subscriber signs in with.
const Password = "correct horse battery staple"

// passwordHash is Password by bcrypt at cost 10. All share it, for hashing takes 64 ms
// each, and a salt of our own making keeps the data the same on every machine.
const passwordHash = "$2a$10$eeHOC5YCRrAryUndhDnVeOEh6rhyM744/shKplrwNk34xeWpLt206"

// The meals that run out soon.
const (
	ScarceMeals    = 5  // the last so many
	ScarcePortions = 20 // of each
	// PlentyPortions is the stock of every other meal.
	PlentyPortions = 1_000_000
)

// MaxMeals is how many meals there are recipes for.
const MaxMeals = 500

// minMeals leaves room for orders of four different meals beside the scarce ones.
const minMeals = 20

// Size says how much there is of everything.
type Size struct{ Users, Meals, Orders int }

// Full is ByteBites as the labs know it.
func Full() Size { return Size{Users: 100_000, Meals: MaxMeals, Orders: 1_000_000} }

// Growing is ByteBites on its way there. Everybody has ordered as often as in Full, so what
// is counted for one subscriber comes out alike, and a table is still far longer than what
// an index reads of it; but it is made, and started, in a fraction of the time.
func Growing() Size { return Size{Users: 20_000, Meals: MaxMeals, Orders: 200_000} }

// Early is ByteBites as it was six months ago, before it grew: everybody is new, and has
// ordered twice. It can be moved from server to server within seconds.
func Early() Size { return Size{Users: 5_000, Meals: MaxMeals, Orders: 10_000} }

// Small is enough for tests of what the service does, not of how fast.
func Small() Size { return Size{Users: 1_000, Meals: MaxMeals, Orders: 10_000} }

// LastOrderAt returns an instant that is later than every seeded order.
func LastOrderAt() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// User returns the id of the n-th seeded subscriber, counted from 1.
func User(n int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("u%07d", n)) }

// Email returns the address that the n-th seeded subscriber signs in with.
func Email(n int) string { return fmt.Sprintf("user%07d@bytebites.example", n) }

// Meal returns the id of the n-th meal, counted from 1.
func Meal(n int) bytebites.MealID { return bytebites.MealID(fmt.Sprintf("m%04d", n)) }

// ScarceMeal returns the id of the n-th meal that runs out soon, counted from 1.
func (s Size) ScarceMeal(n int) bytebites.MealID { return Meal(s.Meals - ScarceMeals + n) }

//go:embed sql
var seedFiles embed.FS

// Key names the data: it is another one after any change to the schema, to the seed or
// to the size. Names of cached images carry it.
func (s Size) Key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d users, %d meals, %d orders, hash %s\n", s.Users, s.Meals, s.Orders, passwordHash)
	fmt.Fprintf(sum, "stock %d, last %d %d\n", PlentyPortions, ScarceMeals, ScarcePortions)
	fmt.Fprintf(sum, "migrations %s\n", postgres.MigrationsKey())
	if err := hashFiles(sum, seedFiles); err != nil {
		panic(err) // embedded files can always be read
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// hashFiles writes names and contents of all files, in order of name.
func hashFiles(w io.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s %d\n%s", path, len(content), content)
		return err
	})
}
