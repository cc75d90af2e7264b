package load_test

import (
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/measure/load"
)

func stream(tb testing.TB, mix load.Mix, seed uint64) *load.Stream {
	tb.Helper()
	s, err := load.NewStream(mix, population(), seed, "run")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestStreamIsDeterminedBySeed(t *testing.T) {
	for _, mix := range load.Mixes() {
		t.Run(mix.Name, func(t *testing.T) {
			a, b, other := stream(t, mix, 7), stream(t, mix, 7), stream(t, mix, 8)
			same := 0
			const n = 500
			for i := range uint64(n) {
				// In another order, as the workers of an attack read them.
				if j := n - 1 - i; !reflect.DeepEqual(a.Request(j), b.Request(j)) {
					t.Fatalf("request %d differs between two streams of one seed", j)
				}
				if reflect.DeepEqual(a.Request(i), other.Request(i)) {
					same++
				}
			}
			if same > n/5 {
				t.Errorf("%d of %d requests are the same under another seed", same, n)
			}
		})
	}
}

func TestPeopleTakeTurns(t *testing.T) {
	people := len(population().Sessions)
	for _, mix := range load.Mixes() {
		t.Run(mix.Name, func(t *testing.T) {
			s, last := stream(t, mix, 5), []int(nil)
			for turn := range 20 {
				var order []int
				for i := range people {
					order = append(order, s.Request(uint64(turn*people+i)).User)
				}
				if !reflect.DeepEqual(everyone(people), slices.Sorted(slices.Values(order))) {
					t.Fatalf("turn %d: %v, want each of %d people once", turn, order, people)
				}
				if reflect.DeepEqual(order, last) {
					t.Errorf("turn %d: the order of the turn before", turn)
				}
				last = order
			}
		})
	}
}

// everyone returns the indexes of n sessions.
func everyone(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestMixShares(t *testing.T) {
	const n = 50_000
	for _, mix := range load.Mixes() {
		t.Run(mix.Name, func(t *testing.T) {
			s, total, count := stream(t, mix, 3), 0.0, map[load.Kind]int{}
			for _, share := range mix.Shares {
				total += share.Weight
			}
			for i := range uint64(n) {
				count[s.Request(i).Kind]++
			}
			for _, share := range mix.Shares {
				p := share.Weight / total
				// Five standard deviations of a binomial count.
				if want, sd := n*p, math.Sqrt(n*p*(1-p)); math.Abs(float64(count[share.Kind])-want) > 5*sd {
					t.Errorf("%s: %d of %d requests, want %.0f", share.Kind, count[share.Kind], n, want)
				}
			}
		})
	}
	if share := orderShare(load.Dinner()); share < 0.15 || share > 0.20 {
		t.Errorf("dinner: share of orders %.3f, want 0.15 to 0.20", share)
	}
}

func orderShare(mix load.Mix) float64 {
	orders, total := 0.0, 0.0
	for _, s := range mix.Shares {
		total += s.Weight
		if s.Kind == load.PlaceOrder {
			orders += s.Weight
		}
	}
	return orders / total
}

func TestMealsFollowZipf(t *testing.T) {
	const n = 200_000
	mix := only(load.ShowMeal)
	s, count := stream(t, mix, 11), map[string]int{}
	for i := range uint64(n) {
		count[strings.TrimPrefix(s.Request(i).Path, "/meals/")]++
	}
	sum := 0.0
	for k := range 500 {
		sum += math.Pow(1+float64(k), -mix.Skew)
	}
	for _, rank := range []int{0, 1, 4, 9, 49, 199} {
		p := math.Pow(1+float64(rank), -mix.Skew) / sum
		got := float64(count[string(population().Meals[rank])])
		if sd := math.Sqrt(n * p * (1 - p)); math.Abs(got-n*p) > 5*sd {
			t.Errorf("meal of rank %d: chosen %.0f times of %d, want %.0f", rank, got, n, n*p)
		}
	}
}

func TestOrders(t *testing.T) {
	s, keys := stream(t, only(load.PlaceOrder), 5), map[string]bool{}
	sizes := map[int]bool{}
	for i := range uint64(2000) {
		q := s.Request(i)
		if q.Method != http.MethodPost || q.Path != "/orders" || !strings.HasPrefix(q.Key, "run-") || keys[q.Key] {
			t.Fatalf("request %d: %+v", i, q)
		}
		keys[q.Key], sizes[len(q.Lines)] = true, true
		seen := map[string]bool{}
		for _, l := range q.Lines {
			if seen[string(l.Meal)] || l.Quantity < 1 || l.Quantity > 4 {
				t.Fatalf("request %d: lines %+v", i, q.Lines)
			}
			seen[string(l.Meal)] = true
		}
	}
	if want := map[int]bool{1: true, 2: true, 3: true}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("numbers of lines %v, want %v", sizes, want)
	}
}

func TestNewStreamRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*load.Mix, *load.Population)
		want   string
	}{
		{"no kinds", func(m *load.Mix, _ *load.Population) { m.Shares = nil }, "no kind"},
		{"unknown kind", func(m *load.Mix, _ *load.Population) { m.Shares[0].Kind = "GET /x" }, "unknown kind"},
		{"weight zero", func(m *load.Mix, _ *load.Population) { m.Shares[0].Weight = 0 }, "weight"},
		{"weight NaN", func(m *load.Mix, _ *load.Population) { m.Shares[0].Weight = math.NaN() }, "weight"},
		{"flat skew", func(m *load.Mix, _ *load.Population) { m.Skew = 1 }, "skew"},
		{"no meals", func(_ *load.Mix, p *load.Population) { p.Meals = nil }, "no meals"},
		{"no sessions", func(_ *load.Mix, p *load.Population) { p.Sessions = nil }, "needs sessions"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mix, people := load.Dinner(), population()
			test.change(&mix, &people)
			if _, err := load.NewStream(mix, people, 1, "run"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// All of these requests can be sent twice. Otherwise a killed server would cost failures that no retry
// can mend.
func TestReadsAndOrders(t *testing.T) {
	mix := load.ReadsAndOrders()
	orders := false
	for _, share := range mix.Shares {
		order := share.Kind == load.PlaceOrder
		if !order && !strings.HasPrefix(string(share.Kind), http.MethodGet+" ") {
			t.Errorf("%s is neither", share.Kind)
		}
		orders = orders || order
	}
	if !orders || len(mix.Shares) >= len(load.Dinner().Shares) {
		t.Errorf("got %v", mix.Shares)
	}
	stream(t, mix, 1) // the mix is valid
}
