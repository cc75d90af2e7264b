package spec

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestPersonTellsDifferences(t *testing.T) {
	told := newPerson("u0000001", "one@bytebites.example", "")
	told.cart = map[string]int{"m0001": 2}
	told.preferences = &preferences{Diets: []string{}, Cuisines: []string{"thai"}, Dislikes: []string{"x"}, PortionCount: 3}
	told.addresses = []address{{Label: "home", Street: "Street 1", PostalCode: "10000", City: "Berlin", Country: "DE"}}
	told.ratings["m0002"] = 4
	told.orders["key"] = &order{id: "ord_1", lines: []line{{"m0003", 1}}}
	right := func() stored {
		return stored{
			Cart:        map[string]int{"m0001": 2},
			Preferences: &preferences{Diets: []string{}, Cuisines: []string{"thai"}, Dislikes: []string{"x"}, PortionCount: 3},
			Addresses:   slices.Clone(told.addresses),
			Ratings:     map[string]int{"m0002": 4, "m0009": 1}, // one of before
			Orders:      map[string]storedOrder{"ord_1": {Key: "key", Lines: map[string]int{"m0003": 1}}},
		}
	}
	for _, test := range []struct {
		name   string
		change func(*stored)
		says   string // of the only difference; empty for none
	}{
		{"nothing", func(*stored) {}, ""},
		{"an old cart", func(s *stored) { s.Cart["m0001"] = 1 }, "cart"},
		{"an empty cart", func(s *stored) { s.Cart = nil }, "cart"},
		{"old preferences", func(s *stored) { s.Preferences.Dislikes = []string{"w"} }, "preferences"},
		{"no addresses", func(s *stored) { s.Addresses = nil }, "addresses"},
		{"other stars", func(s *stored) { s.Ratings["m0002"] = 5 }, "stars for m0002"},
		{"no stars", func(s *stored) { delete(s.Ratings, "m0002") }, "stars for m0002"},
		{"a lost order", func(s *stored) { delete(s.Orders, "ord_1") }, "is lost"},
		{"another order", func(s *stored) { s.Orders["ord_2"] = storedOrder{Key: "other"} }, "was never acknowledged"},
		{"a changed order", func(s *stored) { s.Orders["ord_1"].Lines["m0003"] = 7 }, "is of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := right()
			test.change(&s)
			seen := told.differences(s)
			if test.says == "" && len(seen) == 0 {
				return
			}
			if len(seen) != 1 || test.says == "" || !strings.Contains(seen[0], test.says) {
				t.Errorf("got %q, want one difference with %q", seen, test.says)
			}
			again := newPerson(told.user, told.email, "")
			*again = *told
			again.accept(s)
			if seen := again.differences(s); len(seen) != 0 {
				t.Errorf("once accepted: %q", seen)
			}
		})
	}
}

func TestSettlementFindsTheServerOfEach(t *testing.T) {
	l := &trial{subject: Subject{Router: newPlain()}}
	var m shard.Map
	for b := range m.Source {
		m.Source[b] = 1
	}
	here := func(n int) digests { return digests{"users": {1, "7"}, "orders": {n, "9"}} }
	before := census{"a": here(2), "b": here(3), "c": here(0), "d": here(1)}
	nodes := []*node{{number: 1}, {number: 2}}
	s := l.settle(m, nodes, []census{
		{"a": here(2), "b": digests{"users": {1, "8"}, "orders": {3, "9"}}, "d": here(2)},
		{"a": here(2), "e": here(1)},
	})
	for what, test := range map[string]struct {
		seen []string
		want string
	}{
		"twice":  {s.twice, "a is on server 1 and on server 2"},
		"astray": {s.astray, "e is on server 2, their bucket on server 1"},
		"changed": {
			s.differences(before, map[bytebites.UserID]bool{"a": true}),
			"b has other users than before; c is gone; d had 1 rows of orders, and has 2",
		},
	} {
		if got := strings.Join(test.seen, "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", what, got, test.want)
		}
	}
}

func TestWaitAt(t *testing.T) {
	l, now := newLedger(), time.Now()
	for _, began := range []time.Duration{-5 * time.Second, -800 * time.Millisecond, -300 * time.Millisecond} {
		l.wrote(now.Add(began), 1)
	}
	l.wrote(time.Now(), 2) // too short to be remembered
	if got := l.waitAt(now.Add(-time.Millisecond)); got < 5*time.Second {
		t.Errorf("at the end: %v, want the longest of all that were under way", got)
	}
	if got := l.waitAt(now.Add(-10 * time.Second)); got != 0 {
		t.Errorf("long before: %v, want none", got)
	}
	if counts, _ := l.counts(); counts.writes != 4 || counts.again != 1 {
		t.Errorf("%+v, want 4 writes, of them 1 sent again", counts)
	}
}

func TestDoorsCloseWhenAllRequestsHaveEnded(t *testing.T) {
	one, two := &testbed.Service{}, &testbed.Service{}
	d := newDoors([]*testbed.Service{one, two})
	_, leaveFirst := d.enter(0)
	inside, leave := d.enter(1)
	if inside != two {
		t.Fatal("turns do not alternate")
	}
	closed := make(chan struct{})
	go func() { d.set([]*testbed.Service{one}); close(closed) }()
	select {
	case <-closed:
		t.Fatal("closed with a request under way")
	case <-time.After(50 * time.Millisecond):
	}
	if entered, out := d.enter(1); entered != one {
		t.Error("a closed door takes a request")
	} else {
		out()
	}
	leave()
	<-closed
	leaveFirst()
}

func TestWritesShowWhatWasStored(t *testing.T) {
	p := newPerson("u0000001", "one@bytebites.example", "")
	for name, w := range map[string]write{"cart": p.setCart(), "preferences": p.setPreferences(), "addresses": p.setAddresses(), "order": p.order()} {
		if name == "order" {
			if err := w.acknowledged(rig.Answer{Status: http.StatusCreated, Body: []byte(`{"id":"ord_1"}`)}); err != nil {
				t.Fatal(err)
			}
		}
		if same, err := w.same([]byte(`{}`)); same || err != nil {
			t.Errorf("%s: an empty page passes for it: %t, %v", name, same, err)
		}
	}
}
