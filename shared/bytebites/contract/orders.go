package contract

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"bytebites.example/workshop/shared/bytebites"
)

type line struct {
	Meal     string `json:"meal_id"`
	Quantity int    `json:"quantity"`
}

type pricedLine struct {
	line
	Price int64 `json:"price_cents"`
}

type order struct {
	ID      string       `json:"id"`
	Status  string       `json:"status"`
	Lines   []pricedLine `json:"lines"`
	Total   int64        `json:"total_cents"`
	Effects []struct {
		Name string `json:"name"`
		Done bool   `json:"done"`
	} `json:"effects"`
}

// newKey returns a new Idempotency-Key.
func newKey() string { return "contract-" + rand.Text() }

func linesBody(lines ...line) map[string][]line {
	return map[string][]line{"lines": append([]line{}, lines...)} // an empty list, not null
}

func (c *Client) order(ctx context.Context, key string, lines ...line) (*Answer, error) {
	return c.Post(ctx, "/orders", linesBody(lines...), Header("Idempotency-Key", key))
}

// placed places an order and requires one of these statuses.
func (c *Client) placed(ctx context.Context, key string, statuses []int, lines ...line) (order, error) {
	var o order
	answer, err := c.order(ctx, key, lines...)
	if err != nil {
		return o, err
	}
	if err := answer.Want(statuses...); err != nil {
		return o, err
	}
	err = answer.Into(&o)
	return o, err
}

func (c *Client) getOrder(ctx context.Context, id string) (order, error) {
	var o order
	answer, err := c.Get(ctx, "/orders/"+id)
	if err != nil {
		return o, err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return o, err
	}
	err = answer.Into(&o)
	return o, err
}

func orderChecks() []Check {
	return []Check{
		{"cart", "A cart keeps its lines at current prices, and only its subscriber sees it.", checkCart},
		{"order", "An order of several meals is placed, priced and stored, and reduces the stock; the cart does not change.", checkOrder},
		{"order-replay", "A repeated Idempotency-Key returns the same order; with other lines it is refused.", checkReplay},
		{"order-race", "Twenty requests at once with one Idempotency-Key place one order.", checkRace},
		{"out-of-stock", "An order that exceeds the stock names the meal, and no part of it is placed.", checkOutOfStock},
		{"others-orders", "Another subscriber's order is answered with 404.", checkOthers},
		{"order-pages", "The pages of the history hold every order once, the latest first.", checkHistory},
		{"recommendations", "A week is planned once and then kept.", checkWeek},
	}
}

func checkCart(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	other, err := c.As(ctx, c.Emails[1])
	if err != nil {
		return err
	}
	set := func(c *Client, status int, lines ...line) (order, error) {
		var cart order
		answer, err := c.Put(ctx, "/cart", linesBody(lines...))
		if err != nil {
			return cart, err
		}
		if err := answer.Want(status); err != nil || status != http.StatusOK {
			return cart, err
		}
		err = answer.Into(&cart)
		return cart, err
	}
	if _, err := set(other, http.StatusOK, line{string(c.Meals[2]), 9}); err != nil {
		return err
	}
	first, err := getMeal(ctx, c, c.Meals[0])
	if err != nil {
		return err
	}
	second, err := getMeal(ctx, c, c.Meals[1])
	if err != nil {
		return err
	}
	if _, err := set(one, http.StatusOK, line{first.ID, 2}, line{second.ID, 50}); err != nil {
		return err
	}
	if _, err := set(one, http.StatusUnprocessableEntity, line{"nothing", 1}); err != nil {
		return err
	}
	read := func(c *Client) (order, error) {
		var cart order
		answer, err := c.Get(ctx, "/cart")
		if err != nil {
			return cart, err
		}
		err = answer.Into(&cart)
		return cart, err
	}
	cart, err := read(one)
	if err != nil {
		return err
	}
	want := []pricedLine{{line{first.ID, 2}, first.Price}, {line{second.ID, 50}, second.Price}}
	slices.SortFunc(want, func(a, b pricedLine) int { return cmp.Compare(a.Meal, b.Meal) })
	if !reflect.DeepEqual(cart.Lines, want) || cart.Total != 2*first.Price+50*second.Price {
		return fmt.Errorf("expected %+v, saw %+v", want, cart)
	}
	if cart, err = read(other); err != nil {
		return err
	}
	if len(cart.Lines) != 1 || cart.Lines[0].Quantity != 9 {
		return fmt.Errorf("another subscriber's cart changed to %+v", cart)
	}
	if _, err := set(other, http.StatusOK); err != nil {
		return err
	}
	if cart, err = set(one, http.StatusOK); err != nil {
		return err
	}
	if len(cart.Lines) != 0 || cart.Total != 0 {
		return fmt.Errorf("an emptied cart holds %+v", cart)
	}
	return nil
}

func checkOrder(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	var before, after [3]meal
	for i := range before {
		if before[i], err = getMeal(ctx, c, c.Meals[i]); err != nil {
			return err
		}
	}
	if answer, err := one.Put(ctx, "/cart", linesBody(line{before[0].ID, 7})); err != nil {
		return err
	} else if err := answer.Want(http.StatusOK); err != nil {
		return err
	}
	answer, err := one.order(ctx, newKey(), line{before[2].ID, 3}, line{before[0].ID, 1}, line{before[1].ID, 2})
	if err != nil {
		return err
	}
	if err := answer.Want(http.StatusCreated); err != nil {
		return err
	}
	var o order
	if err := answer.Into(&o); err != nil {
		return err
	}
	if got, want := answer.Answer.Get("Location"), "/orders/"+o.ID; got != want {
		return fmt.Errorf("expected Location %s, saw %s", want, got)
	}
	if want := before[0].Price + 2*before[1].Price + 3*before[2].Price; o.Total != want || len(o.Lines) != 3 || o.Status != string(bytebites.OrderPlaced) {
		return fmt.Errorf("expected 3 lines of %d cents in all, saw %+v", want, o)
	}
	stored, err := one.getOrder(ctx, o.ID)
	if err != nil {
		return err
	}
	if !sameOrder(stored, o) {
		return fmt.Errorf("placed %+v, stored %+v", o, stored)
	}
	for i := range after {
		if after[i], err = getMeal(ctx, c, c.Meals[i]); err != nil {
			return err
		}
		if got := before[i].Available - after[i].Available; got != i+1 {
			return fmt.Errorf("%d portions of meal %s ordered, stock reduced by %d", i+1, after[i].ID, got)
		}
	}
	answer, err = one.Get(ctx, "/cart")
	if err != nil {
		return err
	}
	var cart order
	if err := answer.Into(&cart); err != nil {
		return err
	}
	if len(cart.Lines) != 1 || cart.Lines[0].Quantity != 7 {
		return fmt.Errorf("ordering changed the cart to %+v", cart.Lines)
	}
	for _, lines := range [][]line{{{"nothing", 1}}, {{before[0].ID, 1}, {"nothing", 1}}} {
		answer, err := one.order(ctx, newKey(), lines...)
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnprocessableEntity, "invalid-content"); err != nil {
			return err
		}
	}
	return nil
}

// sameOrder compares two orders without their effects, which may progress.
func sameOrder(a, b order) bool {
	a.Effects, b.Effects = nil, nil
	for _, o := range []*order{&a, &b} {
		o.Lines = slices.Clone(o.Lines)
		slices.SortFunc(o.Lines, func(x, y pricedLine) int { return cmp.Compare(x.Meal, y.Meal) })
	}
	return reflect.DeepEqual(a, b)
}

func checkReplay(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	other, err := c.As(ctx, c.Emails[1])
	if err != nil {
		return err
	}
	key := newKey() + ` ~!"'%;`
	lines := []line{{string(c.Meals[0]), 1}, {string(c.Meals[1]), 1}}
	first, err := one.placed(ctx, key, []int{http.StatusCreated}, lines...)
	if err != nil {
		return err
	}
	stock, err := getMeal(ctx, c, c.Meals[0])
	if err != nil {
		return err
	}
	slices.Reverse(lines) // the same order with its lines reversed
	again, err := one.placed(ctx, key, []int{http.StatusOK}, lines...)
	if err != nil {
		return err
	}
	if !sameOrder(again, first) {
		return fmt.Errorf("placed %+v, replayed %+v", first, again)
	}
	for _, changed := range [][]line{{{lines[0].Meal, 1}}, {{lines[0].Meal, 2}, {lines[1].Meal, 1}}, {{lines[0].Meal, 1}, {string(c.Meals[2]), 1}}} {
		answer, err := one.order(ctx, key, changed...)
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusUnprocessableEntity, "idempotency-key-reused"); err != nil {
			return err
		}
	}
	left, err := getMeal(ctx, c, c.Meals[0])
	if err != nil {
		return err
	}
	if left.Available != stock.Available {
		return fmt.Errorf("replays reduced the stock by %d portions", stock.Available-left.Available)
	}
	theirs, err := other.placed(ctx, key, []int{http.StatusCreated}, lines...)
	if err != nil {
		return fmt.Errorf("another subscriber's order under the same key: %w", err)
	}
	if theirs.ID == first.ID {
		return errors.New("two subscribers share an order")
	}
	return nil
}

func checkRace(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[2])
	if err != nil {
		return err
	}
	before, err := getMeal(ctx, c, c.Meals[3])
	if err != nil {
		return err
	}
	const racers = 20
	key := newKey()
	answers := make([]*Answer, racers)
	failures := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { answers[i], failures[i] = one.order(ctx, key, line{before.ID, 2}) })
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	created, ids := 0, map[string]bool{}
	for _, answer := range answers {
		if err := answer.Want(http.StatusCreated, http.StatusOK); err != nil {
			return err
		}
		if answer.Status == http.StatusCreated {
			created++
		}
		var o order
		if err := answer.Into(&o); err != nil {
			return err
		}
		ids[o.ID] = true
	}
	if created != 1 || len(ids) != 1 {
		return fmt.Errorf("expected one order placed, saw %d, with %d ids", created, len(ids))
	}
	after, err := getMeal(ctx, c, c.Meals[3])
	if err != nil {
		return err
	}
	if got := before.Available - after.Available; got != 2 {
		return fmt.Errorf("expected the stock reduced by 2 portions, saw %d", got)
	}
	return nil
}

func checkOutOfStock(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	scarce, err := getMeal(ctx, c, c.Scarce)
	if err != nil {
		return err
	}
	if scarce.Available >= 50 {
		return fmt.Errorf("the target's scarce meal has %d portions, more than one order can take", scarce.Available)
	}
	plenty, err := getMeal(ctx, c, c.Meals[0])
	if err != nil {
		return err
	}
	key := newKey()
	for range 2 { // a refused order may be repeated under its key
		answer, err := one.order(ctx, key, line{plenty.ID, 1}, line{scarce.ID, scarce.Available + 1})
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusConflict, "out-of-stock"); err != nil {
			return err
		}
		var p Problem
		if err := answer.Into(&p); err != nil {
			return err
		}
		if p.Meal != scarce.ID {
			return fmt.Errorf("expected meal %s to be named, saw %q", scarce.ID, p.Meal)
		}
	}
	for _, before := range []meal{plenty, scarce} {
		after, err := getMeal(ctx, c, bytebites.MealID(before.ID))
		if err != nil {
			return err
		}
		if after.Available != before.Available {
			return fmt.Errorf("a refused order took %d portions of meal %s", before.Available-after.Available, before.ID)
		}
	}
	if _, err := one.placed(ctx, key, []int{http.StatusCreated}, line{plenty.ID, 1}); err != nil {
		return fmt.Errorf("a smaller order under the key of a refused one: %w", err)
	}
	return nil
}

func checkOthers(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[0])
	if err != nil {
		return err
	}
	other, err := c.As(ctx, c.Emails[1])
	if err != nil {
		return err
	}
	o, err := one.placed(ctx, newKey(), []int{http.StatusCreated}, line{string(c.Meals[0]), 1})
	if err != nil {
		return err
	}
	for _, path := range []string{"/orders/" + o.ID, "/orders/nothing", "/orders/" + o.ID + "'--", "/orders/%00"} {
		if err := expect(ctx, other, path, http.StatusNotFound); err != nil {
			return err
		}
	}
	orders, _, err := history(ctx, other, 2, "")
	if err != nil {
		return err
	}
	if slices.ContainsFunc(orders, func(theirs order) bool { return theirs.ID == o.ID }) {
		return errors.New("another subscriber's order is in the history")
	}
	return expect(ctx, one, "/orders/"+o.ID, http.StatusOK)
}

// history returns a page of the history and the cursor of the next page.
func history(ctx context.Context, c *Client, limit int, cursor string) ([]order, string, error) {
	path := fmt.Sprintf("/orders?limit=%d", limit)
	if cursor != "" {
		path += "&cursor=" + cursor
	}
	answer, err := c.Get(ctx, path)
	if err != nil {
		return nil, "", err
	}
	if err := answer.Want(http.StatusOK); err != nil {
		return nil, "", err
	}
	var page struct {
		Orders []order `json:"orders"`
		Next   string  `json:"next"`
	}
	if err := answer.Into(&page); err != nil {
		return nil, "", err
	}
	return page.Orders, page.Next, nil
}

func checkHistory(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[2])
	if err != nil {
		return err
	}
	var want []string
	for range 5 {
		o, err := one.placed(ctx, newKey(), []int{http.StatusCreated}, line{string(c.Meals[0]), 1})
		if err != nil {
			return err
		}
		want = append([]string{o.ID}, want...)
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		got, err := latest(ctx, one, limit, len(want))
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("placed %v, the history in pages of %d has %v", want, limit, got)
		}
	}
	// The cursor before the last has only a time, as those of earlier versions had.
	for _, query := range []string{"limit=0", "limit=51", "cursor=x", "cursor=bTptMDAwMQ", "cursor=bzoxNzAwMDAwMDAwMDAwMDAw", "cursor=bzotMQ"} {
		answer, err := one.Get(ctx, "/orders?"+query, Hostile())
		if err != nil {
			return err
		}
		if err := answer.WantProblem(http.StatusBadRequest, "malformed-request"); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}

// latest returns the ids of the first n orders of the history, read in pages.
func latest(ctx context.Context, c *Client, limit, n int) ([]string, error) {
	var ids []string
	for cursor := ""; len(ids) < n; {
		orders, next, err := history(ctx, c, limit, cursor)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			ids = append(ids, o.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	return ids[:min(n, len(ids))], nil
}

func checkWeek(ctx context.Context, c *Client) error {
	one, err := c.As(ctx, c.Emails[1])
	if err != nil {
		return err
	}
	var weeks [2]struct {
		PlannedAt string `json:"planned_at"`
		Days      []struct {
			Day  string `json:"day"`
			Meal meal   `json:"meal"`
		} `json:"days"`
	}
	for i := range weeks {
		answer, err := one.Get(ctx, "/recommendations")
		if err != nil {
			return err
		}
		if err := answer.Want(http.StatusOK); err != nil {
			return err
		}
		if err := answer.Into(&weeks[i]); err != nil {
			return err
		}
	}
	if len(weeks[0].Days) != 7 || weeks[0].Days[0].Day != "Monday" {
		return fmt.Errorf("expected seven days from Monday, saw %+v", weeks[0].Days)
	}
	if !reflect.DeepEqual(weeks[0], weeks[1]) {
		return fmt.Errorf("two visits returned different weeks: %+v, %+v", weeks[0], weeks[1])
	}
	return nil
}
