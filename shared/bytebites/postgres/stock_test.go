package postgres_test

import (
	"errors"
	"sync"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
)

func testStock(t *testing.T, f *fixture) {
	t.Run("no oversell", func(t *testing.T) { testNoOversell(t, f) })
	t.Run("no deadlock", func(t *testing.T) { testNoDeadlock(t, f) })
	t.Run("states", func(t *testing.T) { testReservationStates(t, f) })
	t.Run("all or nothing", func(t *testing.T) { testAllOrNothing(t, f) })
	t.Run("again", func(t *testing.T) { testReserveAgain(t, f) })
	t.Run("unsettled", func(t *testing.T) { testUnsettled(t, f) })
}

// together runs work n times at once and returns each error.
func together(n int, work func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	return errs
}

func testNoOversell(t *testing.T, f *fixture) {
	meal := f.size.ScarceMeal(1)
	orders := make([]bytebites.Order, 50)
	for i := range orders {
		orders[i] = f.draft(f.user(), meal)
	}
	errs := together(len(orders), func(i int) error {
		return f.stock.Reserve(f.ctx, orders[i].ID, orders[i].User, lines(orders[i]))
	})
	won := 0
	for i, err := range errs {
		var out *bytebites.OutOfStockError
		switch {
		case err == nil:
			won++
			must(t, f.stock.Release(f.ctx, orders[i].ID))
		case !errors.Is(err, bytebites.ErrOutOfStock) || !errors.As(err, &out) || out.Meal != meal:
			t.Errorf("got error %v, want that %s ran out", err, meal)
		}
	}
	if won != seed.ScarcePortions {
		t.Errorf("%d reservations of %d portions", won, seed.ScarcePortions)
	}
	if left := f.available(t, meal); left != seed.ScarcePortions {
		t.Errorf("%d left after all were released", left)
	}
}

func testNoDeadlock(t *testing.T, f *fixture) {
	a, b, c := seed.Meal(1), seed.Meal(2), seed.Meal(3)
	circle := [][]bytebites.MealID{{a, b, c}, {b, c, a}, {c, a, b}, {c, b, a}}
	orders := make([]bytebites.Order, 80)
	for i := range orders {
		orders[i] = f.draft(f.user(), circle[i%len(circle)]...)
	}
	for _, err := range together(len(orders), func(i int) error {
		if err := f.stock.Reserve(f.ctx, orders[i].ID, orders[i].User, lines(orders[i])); err != nil {
			return err
		}
		return f.stock.Release(f.ctx, orders[i].ID)
	}) {
		if err != nil {
			t.Errorf("reserve and release: %v", err)
		}
	}
}

func testReservationStates(t *testing.T, f *fixture) {
	confirm := func(id bytebites.OrderID) error { return f.stock.Confirm(f.ctx, id) }
	release := func(id bytebites.OrderID) error { return f.stock.Release(f.ctx, id) }
	type step struct {
		call func(bytebites.OrderID) error
		want error
	}
	for _, test := range []struct {
		name     string
		reserved bool
		steps    []step
		taken    int // portions that are not available at the end
	}{
		{"confirm twice", true, []step{{confirm, nil}, {confirm, nil}}, 1},
		{"release twice", true, []step{{release, nil}, {release, nil}}, 0},
		{"confirm, release", true, []step{{confirm, nil}, {release, bytebites.ErrConflict}}, 1},
		{"release, confirm", true, []step{{release, nil}, {confirm, bytebites.ErrConflict}}, 0},
		{"unknown", false, []step{{release, nil}, {confirm, bytebites.ErrNotFound}}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			meal := f.size.ScarceMeal(2)
			before := f.available(t, meal)
			order := f.draft(f.user(), meal)
			if test.reserved {
				f.reserve(t, order)
				must(t, f.orders.Place(f.ctx, order, nil))
			}
			for i, step := range test.steps {
				if err := step.call(order.ID); !errors.Is(err, step.want) {
					t.Errorf("step %d: got error %v, want %v", i, err, step.want)
				}
			}
			if got := before - f.available(t, meal); got != test.taken {
				t.Errorf("%d portions taken, want %d", got, test.taken)
			}
			if test.reserved && test.taken == 0 { // a released order does not exist
				f.exec(t, `DELETE FROM order_lines WHERE order_id = $1`, string(order.ID))
				f.exec(t, `DELETE FROM orders WHERE id = $1`, string(order.ID))
			}
		})
	}
}

func (f *fixture) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := f.db.ExecContext(f.ctx, statement, args...)
	must(t, err)
}

func testAllOrNothing(t *testing.T, f *fixture) {
	plenty, scarce := seed.Meal(9), f.size.ScarceMeal(3)
	before := f.available(t, plenty)
	user := f.user()
	for _, test := range []struct {
		name  string
		lines []bytebites.Line
		want  error // nil: any
	}{
		{"out of stock", []bytebites.Line{{Meal: plenty, Quantity: 2}, {Meal: scarce, Quantity: seed.ScarcePortions + 1}}, bytebites.ErrOutOfStock},
		{"out of stock in two lines", []bytebites.Line{{Meal: scarce, Quantity: 11}, {Meal: scarce, Quantity: 10}}, bytebites.ErrOutOfStock},
		{"huge", []bytebites.Line{{Meal: plenty, Quantity: 1 << 40}}, bytebites.ErrOutOfStock},
		{"unknown meal", []bytebites.Line{{Meal: plenty, Quantity: 1}, {Meal: "x'; DROP TABLE stock; --", Quantity: 1}}, bytebites.ErrNotFound},
		{"NUL in meal", []bytebites.Line{{Meal: plenty, Quantity: 1}, {Meal: "\x00", Quantity: 1}}, bytebites.ErrNotFound},
		{"negative", []bytebites.Line{{Meal: plenty, Quantity: -5}}, nil},
		{"nothing", []bytebites.Line{{Meal: plenty, Quantity: 0}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			order := f.draft(user)
			err := f.stock.Reserve(f.ctx, order.ID, user, test.lines)
			if err == nil || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
			wantError(t, "confirm after", f.stock.Confirm(f.ctx, order.ID), bytebites.ErrNotFound)
			if left := f.available(t, plenty); left != before {
				t.Errorf("%d left of the other meal, want %d", left, before)
			}
		})
	}
}

func testReserveAgain(t *testing.T, f *fixture) {
	meal := f.size.ScarceMeal(4)
	order := f.draft(f.user(), meal)
	other := []bytebites.Line{{Meal: meal, Quantity: 2}}
	for _, err := range together(8, func(int) error { return f.stock.Reserve(f.ctx, order.ID, order.User, lines(order)) }) {
		must(t, err)
	}
	if left := f.available(t, meal); left != seed.ScarcePortions-1 {
		t.Errorf("%d left after reserving one portion eight times for one order", left)
	}
	wantError(t, "other lines", f.stock.Reserve(f.ctx, order.ID, order.User, other), bytebites.ErrConflict)
	wantError(t, "other subscriber", f.stock.Reserve(f.ctx, order.ID, f.user(), lines(order)), bytebites.ErrConflict)
	must(t, f.stock.Release(f.ctx, order.ID))
	wantError(t, "after release", f.stock.Reserve(f.ctx, order.ID, order.User, lines(order)), bytebites.ErrConflict)
}

func testUnsettled(t *testing.T, f *fixture) {
	old, older, fresh, settled := f.draft(f.user(), seed.Meal(5)), f.draft(f.user(), seed.Meal(5)),
		f.draft(f.user(), seed.Meal(5)), f.draft(f.user(), seed.Meal(5))
	for _, order := range []bytebites.Order{old, older, fresh, settled} {
		f.reserve(t, order)
	}
	must(t, f.stock.Release(f.ctx, settled.ID))
	for id, age := range map[bytebites.OrderID]int{old.ID: 100, older.ID: 200, settled.ID: 300} {
		f.exec(t, `UPDATE reservations SET made_at = now() - make_interval(secs => $2) WHERE order_id = $1`, string(id), age)
	}
	held, err := f.stock.Unsettled(f.ctx, 60, 10)
	must(t, err)
	want := []bytebites.Reservation{{Order: older.ID, User: older.User}, {Order: old.ID, User: old.User}}
	if len(held) != 2 || held[0] != want[0] || held[1] != want[1] {
		t.Errorf("got %v, want %v", held, want)
	}
	if held, err = f.stock.Unsettled(f.ctx, 60, 1); err != nil || len(held) != 1 {
		t.Errorf("limit of one: %v, %v", held, err)
	}
	for _, order := range []bytebites.Order{old, older, fresh} {
		must(t, f.stock.Release(f.ctx, order.ID))
	}
}
