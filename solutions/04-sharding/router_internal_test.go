package sharding

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// A thousand degrees of freedom make chi-square nearly normal: mean 1023, deviation 45. Six
// deviations above the mean come by chance once in a billion.
func TestBucketsAreEven(t *testing.T) {
	const people, perBucket = 100_000, 100_000.0 / shard.Buckets
	now := time.Unix(1_750_000_000, 0)
	for what, id := range map[string]func(i int) bytebites.UserID{
		"seeded":   func(i int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("u%07d", i)) },
		"numbers":  func(i int) bytebites.UserID { return bytebites.UserID(fmt.Sprint(i)) },
		"joined":   func(i int) bytebites.UserID { return bytebites.NewUserID(now.Add(time.Duration(i) * time.Millisecond)) },
		"emails":   func(i int) bytebites.UserID { return bytebites.UserID(fmt.Sprintf("eve+%d@bytebites.example", i)) },
		"one char": func(i int) bytebites.UserID { return bytebites.UserID(strings.Repeat("a", i%317) + fmt.Sprint(i/317)) },
	} {
		var counts [shard.Buckets]int
		for i := range people {
			counts[NewRouter().Bucket(id(i))]++
		}
		chi := 0.0
		for _, n := range counts {
			chi += (float64(n) - perBucket) * (float64(n) - perBucket) / perBucket
		}
		const freedom = shard.Buckets - 1
		if limit := freedom + 6*math.Sqrt(2*freedom); chi > limit {
			t.Errorf("%s: chi-square %.0f, want at most %.0f", what, chi, limit)
		}
	}
}

// No subscriber may change buckets, because their rows are on disks.
func TestBucketsAreStable(t *testing.T) {
	for user, want := range map[bytebites.UserID]shard.Bucket{
		"": 20, "u0000001": 571, "u0000042": 475, "v": 620, "\xff\x00": 1001,
	} {
		if got := NewRouter().Bucket(user); got != want {
			t.Errorf("%q is in bucket %d, and was in %d", user, got, want)
		}
	}
}

func TestOrderIDs(t *testing.T) {
	r := NewRouter()
	seen := make(map[bytebites.OrderID]bool)
	for i := range 10_000 {
		user := bytebites.UserID(fmt.Sprintf("u%07d", i))
		id := r.NewOrderID(user)
		if bucket, ok := r.BucketOf(id); !ok || bucket != r.Bucket(user) || seen[id] || len(id) != 34 {
			t.Fatalf("%s of %s names bucket %d, %v; want %d, and no id twice", id, user, bucket, ok, r.Bucket(user))
		}
		seen[id] = true
	}
	random := strings.Repeat("a", 26)
	for _, id := range []bytebites.OrderID{
		"", "ord_", "ord__", "ord_00a_", "ord_00a", bytebites.OrderID("ord_400_" + random), bytebites.OrderID("ord_-01_" + random),
		bytebites.OrderID("ord_00A_" + random), bytebites.OrderID("ord_0x1_" + random), bytebites.OrderID("ord_+1f_" + random), bytebites.OrderID("ord_00a_" + random + "a"),
		bytebites.OrderID("seed-ord_00a_" + random), "seed-0000001", checkout.NewOrderID(), "ord_\xff\xff\xff_",
	} {
		if bucket, ok := r.BucketOf(id); ok {
			t.Errorf("%q names bucket %d", id, bucket)
		}
	}
	if bucket, ok := r.BucketOf(bytebites.OrderID("ord_3ff_" + random)); !ok || bucket != shard.Buckets-1 {
		t.Errorf("the last bucket: got %d, %v", bucket, ok)
	}
}

func TestPlan(t *testing.T) {
	plan := NewRouter().Plan
	four := plan(shard.Assignment{}, []shard.Server{1, 2, 3, 4})
	for _, test := range []struct {
		name    string
		home    shard.Assignment
		servers []shard.Server
		moves   int
	}{
		{"from one to four", shard.Assignment{}, []shard.Server{1, 2, 3, 4}, 1024},
		{"the same", four, []shard.Server{1, 2, 3, 4}, 0},
		{"in another order", four, []shard.Server{4, 1, 3, 2}, 0},
		{"a fifth", four, []shard.Server{1, 2, 3, 4, 5}, 204},
		{"a fifth, named first", four, []shard.Server{5, 1, 2, 3, 4}, 204},
		{"three are left", four, []shard.Server{1, 2, 4}, 256},
		{"another one in its place", four, []shard.Server{1, 2, 4, 5}, 256},
		{"the one of before stays", shard.Assignment{}, []shard.Server{0, 1}, 512},
		{"three from one", shard.Assignment{}, []shard.Server{0, 1, 2}, 682},
	} {
		next := plan(test.home, test.servers)
		counts := make(map[shard.Server]int)
		moves := 0
		for bucket, server := range next {
			counts[server]++
			if server != test.home[bucket] {
				moves++
			}
		}
		if moves != test.moves {
			t.Errorf("%s: %d buckets move, want %d", test.name, moves, test.moves)
		}
		for server, n := range counts {
			least := shard.Buckets / len(test.servers)
			if !slices.Contains(test.servers, server) || n < least || n > least+1 {
				t.Errorf("%s: %d buckets on server %d", test.name, n, server)
			}
		}
		if again := plan(next, test.servers); again != next {
			t.Errorf("%s: planned again, something moves", test.name)
		}
	}
	if plan(four, nil) != four {
		t.Error("buckets move though there is nowhere to go")
	}
}

func TestPlace(t *testing.T) {
	r := NewRouter()
	const before, since = bytebites.UserID("u0000042"), bytebites.UserID("v0000042")
	alone := func(s shard.Server) shard.Place { return shard.Place{Home: s, Mirror: s} }
	oldFirst, newFirst := shard.Place{Home: 1, Mirror: 2}, shard.Place{Home: 2, Mirror: 1}
	for _, test := range []struct {
		phase         shard.Phase
		before, since shard.Place
	}{
		{shard.Settled, alone(1), alone(1)},
		{shard.NewUsers, alone(1), newFirst},
		{shard.DoubleWrites, oldFirst, newFirst},
		{shard.Backfill, oldFirst, newFirst},
		{shard.Verify, oldFirst, newFirst},
		{shard.DarkReads, oldFirst, newFirst},
		{shard.Flipped, newFirst, newFirst},
	} {
		for user, want := range map[bytebites.UserID]shard.Place{before: test.before, since: test.since, "v": test.since} {
			m := shard.Map{Phase: test.phase, NewFrom: "v"}
			bucket := r.Bucket(user)
			m.Source[bucket], m.Target[bucket] = 1, 2
			if got := r.Place(m, user); got != want {
				t.Errorf("%s, %s: %+v, want %+v", test.phase, user, got, want)
			}
			m.Target[bucket] = 1
			if got := r.Place(m, user); got != alone(1) {
				t.Errorf("%s, %s, whose bucket stays: %+v", test.phase, user, got)
			}
		}
	}
	if len(shard.Phases()) != 7 {
		t.Error("there is a phase that this test does not know")
	}
}
