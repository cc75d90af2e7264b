package shardstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
)

func TestMergePopular(t *testing.T) {
	parts := [][]bytebites.Popularity{
		{{Meal: "a", Portions: 5}, {Meal: "b", Portions: 4}},
		{{Meal: "c", Portions: 5}, {Meal: "b", Portions: 4}},
		nil,
	}
	for limit, want := range map[int][]bytebites.Popularity{
		// A meal that is first on no server may be first in total. Equal counts are in order of id.
		2:  {{Meal: "b", Portions: 8}, {Meal: "a", Portions: 5}},
		10: {{Meal: "b", Portions: 8}, {Meal: "a", Portions: 5}, {Meal: "c", Portions: 5}},
		0:  {},
		-1: {},
	} {
		if got := mergePopular(parts, limit); !slices.Equal(got, want) {
			t.Errorf("limit %d: %v, want %v", limit, got, want)
		}
	}
}

func TestMergeRatings(t *testing.T) {
	got := mergeRatings([]map[bytebites.MealID]bytebites.Rating{
		{"a": {Count: 99, Average: 5}, "b": {Count: 2, Average: 3}},
		{"a": {Count: 1, Average: 1}},
		nil,
	})
	want := map[bytebites.MealID]bytebites.Rating{"a": {Count: 100, Average: 4.96}, "b": {Count: 2, Average: 3}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMergedRatingsDoNotDependOnTheSequence merges the answers of three servers in each sequence,
// because servers answer in any order. A subscriber must not see the average change for that.
func TestMergedRatingsDoNotDependOnTheSequence(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		parts, count, stars := make([]map[bytebites.MealID]bytebites.Rating, 3), 0, 0
		for i := range parts {
			n := 1 + random.IntN(200)
			sum := n + random.IntN(4*n+1)
			parts[i] = map[bytebites.MealID]bytebites.Rating{"a": {Count: n, Average: float64(sum) / float64(n)}}
			count, stars = count+n, stars+sum
		}
		want := bytebites.Rating{Count: count, Average: float64(stars) / float64(count)}
		for _, sequence := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			got := mergeRatings([]map[bytebites.MealID]bytebites.Rating{parts[sequence[0]], parts[sequence[1]], parts[sequence[2]]})
			if got["a"] != want {
				t.Fatalf("%v in sequence %v: got %v, want %v", parts, sequence, got["a"], want)
			}
		}
	}
}

func TestBusy(t *testing.T) {
	for _, silent := range []error{
		context.DeadlineExceeded, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF,
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, bytebites.ErrBusy,
		&pq.Error{Code: pqerror.AdminShutdown}, &pq.Error{Code: pqerror.CannotConnectNow}, &pq.Error{Code: pqerror.ConnectionFailure},
	} {
		wrapped := fmt.Errorf("read cart: %w", silent)
		if err := Busy(wrapped); !errors.Is(err, bytebites.ErrBusy) || !errors.Is(err, silent) || errors.Is(err, bytebites.ErrNotFound) {
			t.Errorf("%v became %v", wrapped, err)
		}
	}
	for _, answer := range []error{nil, bytebites.ErrNotFound, bytebites.ErrDuplicate, context.Canceled, &pq.Error{Code: pqerror.SyntaxError}} {
		if err := Busy(answer); err != answer { //nolint:errorlint // it must be the same
			t.Errorf("%v became %v", answer, err)
		}
	}
}

// table lists the subscribers on some servers, in pages.
type table map[shard.Server][]bytebites.UserID

func (t table) page(_ context.Context, server shard.Server, after bytebites.UserID) ([]bytebites.UserID, error) {
	users := t[server]
	from, _ := slices.BinarySearch(users, after+"\x00")
	return users[from:min(from+Batch, len(users))], nil
}

func TestWalkComesToEverybodyOnce(t *testing.T) {
	servers := table{1: nil, 2: nil, 3: nil, 4: nil}
	all := make(map[bytebites.UserID][]shard.Server)
	for i := range 7 * Batch {
		user := bytebites.UserID(fmt.Sprintf("u%07d", i))
		on := []shard.Server{shard.Server(1 + i%3)}
		if i%5 == 0 {
			on = append(on, 4)
		}
		for _, server := range on {
			servers[server] = append(servers[server], user)
		}
		all[user] = on
	}
	for _, after := range []bytebites.UserID{"", "u0000003", "u0000999", "v"} {
		var came []Found
		err := walk(t.Context(), []shard.Server{1, 2, 3, 4}, after, func(_ context.Context, found []Found) error {
			came = append(came, found...)
			return nil
		}, servers.page)
		want := 0
		for user := range all {
			if user > after {
				want++
			}
		}
		if err != nil || len(came) != want || !slices.IsSortedFunc(came, func(a, b Found) int { return strings.Compare(string(a.User), string(b.User)) }) {
			t.Errorf("after %q: %d of %d, %v", after, len(came), want, err)
		}
		for _, f := range came {
			if !slices.Equal(f.On, all[f.User]) {
				t.Fatalf("%s found on %v, is on %v", f.User, f.On, all[f.User])
			}
		}
	}
}

func TestWalkStops(t *testing.T) {
	enough, down := errors.New("enough"), errors.New("down")
	servers := table{1: {"a", "b"}}
	err := walk(t.Context(), []shard.Server{1}, "", func(context.Context, []Found) error { return enough }, servers.page)
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	err = walk(t.Context(), []shard.Server{1}, "", func(context.Context, []Found) error { return nil },
		func(context.Context, shard.Server, bytebites.UserID) ([]bytebites.UserID, error) { return nil, down })
	if !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestDarkReads(t *testing.T) {
	type answer struct {
		value any
		err   error
	}
	says := func(n int) answer { return answer{value: []bytebites.Line{{Meal: "m", Quantity: n}}} }
	none, down := answer{err: fmt.Errorf("here: %w", bytebites.ErrNotFound)}, answer{err: bytebites.ErrBusy}
	at := func(version int64, copied bool) shard.Standing {
		return shard.Standing{Version: version, Copied: copied}
	}
	rest := []shard.Standing{at(3, true)}
	// Look n sees mirror n and standing n. Looks after the last entry see the last entry.
	for name, test := range map[string]struct {
		home         answer
		mirror       []answer
		standing     []shard.Standing
		same, differ int // comparisons
	}{
		"same":                       {says(1), []answer{says(1)}, rest, 1, 0},
		"different":                  {says(1), []answer{says(2)}, rest, 0, 1},
		"different, no mark":         {says(1), []answer{says(2)}, []shard.Standing{at(0, true)}, 0, 1},
		"both none":                  {none, []answer{{err: bytebites.ErrNotFound}}, rest, 1, 0},
		"one none":                   {says(1), []answer{none}, rest, 0, 1},
		"mirror down":                {says(1), []answer{down}, rest, 0, 0},
		"home down":                  {down, []answer{says(1)}, rest, 0, 0},
		"on its way":                 {says(2), []answer{says(1), says(2)}, []shard.Standing{at(4, false)}, 1, 0},
		"never copied":               {says(2), []answer{says(1)}, []shard.Standing{at(4, false)}, 0, 0},
		"written meanwhile":          {says(2), []answer{says(1)}, []shard.Standing{at(3, true), at(4, true), at(5, true), at(6, true), at(7, true), at(8, true)}, 0, 0},
		"written, and then it rests": {says(2), []answer{says(1)}, []shard.Standing{at(3, true), at(4, true)}, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			meter, err := NewMeter(registry)
			if err != nil {
				t.Fatal(err)
			}
			var same, differ atomic.Int64
			d := NewDarkReads(nil, func(ok bool) {
				if ok {
					same.Add(1)
				} else {
					differ.Add(1)
				}
			}, meter, slog.New(slog.DiscardHandler))
			var stood, looked int
			d.standing = func(context.Context, shard.Server, bytebites.UserID) (shard.Standing, error) {
				stood++
				return test.standing[min(stood, len(test.standing))-1], nil
			}
			d.Compare("u", shard.Place{Home: 1, Mirror: 2}, func(_ context.Context, server shard.Server) (any, error) {
				if server == 1 {
					return test.home.value, test.home.err
				}
				looked++
				seen := test.mirror[min(looked, len(test.mirror))-1]
				return seen.value, seen.err
			})
			d.running.Wait()
			if int(same.Load()) != test.same || int(differ.Load()) != test.differ {
				t.Errorf("%s: same %d times and different %d, want %d and %d", name, same.Load(), differ.Load(), test.same, test.differ)
			}
			if n := counted(t, registry, "unknown"); n != 1-test.same-test.differ {
				t.Errorf("%s: unknown %v times", name, n)
			}
		})
	}
}

// counted returns how many dark reads had a result, according to the metrics.
func counted(t *testing.T, registry *prometheus.Registry, result string) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if labels := metric.GetLabel(); len(labels) > 0 && labels[0].GetValue() == result {
				return int(metric.GetCounter().GetValue())
			}
		}
	}
	return 0
}

func TestDarkReadsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter, err := NewMeter(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		d := NewDarkReads(nil, func(bool) {}, meter, slog.New(slog.DiscardHandler))
		d.standing = func(context.Context, shard.Server, bytebites.UserID) (shard.Standing, error) {
			return shard.Standing{}, nil
		}
		var asked atomic.Int64
		hangs := func(ctx context.Context, _ shard.Server) (any, error) {
			asked.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for range 10 * maxDarkReads {
			d.Compare("u", shard.Place{Home: 1, Mirror: 2}, hangs)
		}
		synctest.Wait()
		if n := asked.Load(); n != maxDarkReads {
			t.Errorf("%d are under way, want %d", n, maxDarkReads)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// one is an Access with one server that records its calls.
type one struct {
	stores service.UserData
	asked  []string
	answer any // replaces the true answer, unless nil
}

func (o *one) Read(ctx context.Context, user bytebites.UserID, ask Question) (any, error) {
	o.asked = append(o.asked, "read "+string(user))
	answer, err := ask(ctx, o.stores)
	if o.answer != nil {
		answer = o.answer
	}
	return answer, err
}

func (o *one) Write(ctx context.Context, user bytebites.UserID, change Change) error {
	o.asked = append(o.asked, "write "+string(user))
	return change(ctx, o.stores)
}

func (o *one) Everywhere(ctx context.Context, ask Question) ([]any, error) {
	o.asked = append(o.asked, "everywhere")
	answer, err := ask(ctx, o.stores)
	return []any{answer, answer}, err
}

// byLetter is a router with one bucket for each first letter.
type byLetter struct{ shard.Router }

func (byLetter) Bucket(user bytebites.UserID) shard.Bucket { return shard.Bucket(user[0]) }

func (byLetter) BucketOf(order bytebites.OrderID) (shard.Bucket, bool) {
	tag, ok := strings.CutPrefix(string(order), "of ")
	return shard.Bucket(append([]byte(tag), 0)[0]), ok
}

// shelf is a fake of one server's stores, with only the methods used here.
type shelf struct {
	bytebites.Orders
	bytebites.Ratings
	asked int
}

func (s *shelf) Order(_ context.Context, user bytebites.UserID, id bytebites.OrderID) (bytebites.Order, error) {
	s.asked++
	return bytebites.Order{ID: id, User: user}, nil
}

func (s *shelf) Finish(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect) error {
	s.asked++
	return nil
}

func (s *shelf) ApplyPayment(context.Context, bytebites.PaymentEvent) (bool, error) {
	s.asked++
	return true, nil
}

func (s *shelf) Once(ctx context.Context, _ bytebites.UserID, _ bytebites.OrderID, _ bytebites.Effect, work func(context.Context) error) (bool, error) {
	s.asked++
	return true, work(ctx)
}

func (s *shelf) Place(ctx context.Context, _ bytebites.Order, within func(context.Context) error) error {
	s.asked++
	return within(ctx)
}

func (s *shelf) RecordPayment(ctx context.Context, _ bytebites.PaymentEvent, within func(context.Context) error) (bool, error) {
	s.asked++
	return true, within(ctx)
}

func (s *shelf) SettlePayment(context.Context, bytebites.PaymentEvent) error {
	s.asked++
	return nil
}

func (s *shelf) Add(context.Context, bytebites.UserID, ...bytebites.Event) error {
	s.asked++
	return nil
}

func (s *shelf) Claim(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect, time.Duration) (bool, error) {
	s.asked++
	return true, nil
}

func (s *shelf) Release(context.Context, bytebites.UserID, bytebites.OrderID, bytebites.Effect) error {
	s.asked++
	return nil
}

func (s *shelf) Popular(_ context.Context, limit int) ([]bytebites.Popularity, error) {
	return []bytebites.Popularity{{Meal: "m", Portions: limit}}, nil
}

func TestOrdersOfAnotherBucketAreNotAskedFor(t *testing.T) {
	at := &shelf{}
	access := &one{stores: service.UserData{Orders: at}}
	orders := UserData(access, byLetter{}).Orders
	ctx := t.Context()
	for id, found := range map[bytebites.OrderID]bool{"of u": true, "of v": false, "old": true} {
		at.asked, access.asked = 0, nil
		order, err := orders.Order(ctx, "u1", id)
		if (err == nil) != found || (order.ID == id) != found {
			t.Errorf("%s: %+v, %v", id, order, err)
		}
		errFinish := orders.Finish(ctx, "u1", id, bytebites.EffectEmail)
		applied, errApply := orders.ApplyPayment(ctx, bytebites.PaymentEvent{User: "u1", Order: id})
		nothing := func(context.Context) error { return nil }
		first, errOnce := orders.Once(ctx, "u1", id, bytebites.EffectEmail, nothing)
		recorded, errRecord := orders.RecordPayment(ctx, bytebites.PaymentEvent{User: "u1", Order: id}, nothing)
		errSettle := orders.SettlePayment(ctx, bytebites.PaymentEvent{User: "u1", Order: id})
		for _, err := range []error{err, errFinish, errApply, errOnce, errRecord, errSettle} {
			if errors.Is(err, bytebites.ErrNotFound) == found {
				t.Errorf("%s: %v", id, err)
			}
		}
		if applied != found || first != found || recorded != found || !found && (at.asked > 0 || access.asked != nil) || found && !slices.Equal(access.asked, []string{"read u1", "write u1", "write u1", "write u1", "write u1", "write u1"}) {
			t.Errorf("%s: asked %v, payment applied: %v", id, access.asked, applied)
		}
	}
}

// TestWithinAChange checks that a call inside a change joins it, if it is about the same
// subscriber.
func TestWithinAChange(t *testing.T) {
	at := &shelf{}
	access := &one{stores: service.UserData{Orders: at, Outbox: at, Claims: at}}
	stores, others := UserData(access, byLetter{}), UserData(access, byLetter{})
	calls := func(ctx context.Context, user bytebites.UserID) error {
		_, errOrder := stores.Orders.Order(ctx, user, "old")
		_, errClaim := stores.Claims.Claim(ctx, user, "old", bytebites.EffectEmail, time.Second)
		return errors.Join(errOrder, errClaim, stores.Outbox.Add(ctx, user), stores.Claims.Release(ctx, user, "old", bytebites.EffectEmail))
	}
	same := func(ctx context.Context) error { return calls(ctx, "u1") }
	for name, change := range map[string]func(context.Context, func(context.Context) error) error{
		"place": func(ctx context.Context, within func(context.Context) error) error {
			return stores.Orders.Place(ctx, bytebites.Order{User: "u1"}, within)
		},
		"once": func(ctx context.Context, within func(context.Context) error) error {
			_, err := stores.Orders.Once(ctx, "u1", "old", bytebites.EffectEmail, within)
			return err
		},
		"record": func(ctx context.Context, within func(context.Context) error) error {
			_, err := stores.Orders.RecordPayment(ctx, bytebites.PaymentEvent{User: "u1", Order: "old"}, within)
			return err
		},
	} {
		for _, test := range []struct {
			name   string
			within func(context.Context) error
			want   []string
		}{
			{"the same subscriber's", same, []string{"write u1"}},
			{"another's", func(ctx context.Context) error { return calls(ctx, "u2") },
				[]string{"write u1", "read u2", "write u2", "write u2", "write u2"}},
			{"popularDepth", func(ctx context.Context) error {
				_, err := stores.Orders.Once(ctx, "u1", "old", bytebites.EffectLedger, same)
				return err
			}, []string{"write u1"}},
			{"by other stores", func(ctx context.Context) error { return others.Outbox.Add(ctx, "u1") }, []string{"write u1", "write u1"}},
		} {
			access.asked = nil
			if err := change(t.Context(), test.within); err != nil || !slices.Equal(access.asked, test.want) {
				t.Errorf("%s, %s: asked %q, %v; want %q", name, test.name, access.asked, err, test.want)
			}
		}
	}
	access.asked = nil
	if err := same(t.Context()); err != nil || len(access.asked) != 4 {
		t.Errorf("outside of a change: asked %q, %v", access.asked, err)
	}
}

func TestPopularIsAskedForDeeper(t *testing.T) {
	orders := UserData(&one{stores: service.UserData{Orders: &shelf{}}}, byLetter{}).Orders
	got, err := orders.Popular(t.Context(), 3)
	if want := []bytebites.Popularity{{Meal: "m", Portions: 2 * 3 * popularDepth}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestAnotherAnswerIsAnError(t *testing.T) {
	orders := UserData(&one{stores: service.UserData{Orders: &shelf{}}, answer: 42}, byLetter{}).Orders
	if _, err := orders.Order(t.Context(), "u1", "old"); err == nil || !strings.Contains(err.Error(), "int") {
		t.Errorf("got %v, want an error that names both types", err)
	}
}
