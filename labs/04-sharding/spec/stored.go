package spec

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// stored is what a server has of one subscriber.
type stored struct {
	Email       string
	Cart        map[string]int
	Preferences *preferences
	Addresses   []address
	Ratings     map[string]int
	Orders      map[string]storedOrder // by id
}

type storedOrder struct {
	Key   string
	Lines map[string]int
}

// storedStatement reads the subscribers in $1, as one JSON object each. Orders whose ids begin with
// $2 are left out.
const storedStatement = `
SELECT u.user_id, json_build_object(
    'Email', u.email,
    'Cart', (SELECT json_object_agg(meal_id, quantity) FROM cart_lines WHERE user_id = u.user_id),
    'Preferences', json_build_object('diets', u.diets, 'cuisines', u.cuisines, 'dislikes', u.dislikes, 'portion_count', u.portion_count),
    'Addresses', (SELECT json_agg(json_build_object('label', label, 'street', street, 'postal_code', postal_code, 'city', city, 'country', country)
                                  ORDER BY position) FROM addresses WHERE user_id = u.user_id),
    'Ratings', (SELECT json_object_agg(meal_id, stars) FROM ratings WHERE user_id = u.user_id),
    'Orders', (SELECT json_object_agg(o.id, json_build_object('Key', coalesce(o.idempotency_key, ''), 'Lines',
                   (SELECT json_object_agg(meal_id, quantity) FROM order_lines WHERE order_id = o.id AND user_id = o.user_id)))
                 FROM orders AS o WHERE o.user_id = u.user_id AND NOT starts_with(o.id, $2)))
FROM users AS u WHERE u.user_id = ANY ($1)`

// stored reads what a server has of subscribers.
func (n *node) stored(ctx context.Context, people []*person) (found map[bytebites.UserID]stored, err error) {
	ids := make(pq.StringArray, len(people))
	for i, p := range people {
		ids[i] = string(p.user)
	}
	found = make(map[bytebites.UserID]stored)
	err = postgres.Each(ctx, n.pool, storedStatement, []any{ids, postgres.SeededOrderPrefix}, func(scan func(...any) error) error {
		var user bytebites.UserID
		var text sql.RawBytes
		if err := scan(&user, &text); err != nil {
			return err
		}
		var s stored
		err := json.Unmarshal(text, &s)
		found[user] = s
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read people of %s: %w", n.server.Name(), err)
	}
	return found, nil
}

// differences compares the stored rows with the acknowledged writes, a sentence for each
// difference.
func (p *person) differences(s stored) []string {
	var all []string
	differf := func(what string, told, is any) {
		all = append(all, fmt.Sprintf("%s was told of %s %v, and there is %v", p.user, what, told, is))
	}
	if p.cart != nil && !reflect.DeepEqual(p.cart, s.Cart) {
		differf("cart", p.cart, s.Cart)
	}
	if p.preferences != nil && !reflect.DeepEqual(p.preferences, s.Preferences) {
		differf("preferences", *p.preferences, *s.Preferences)
	}
	if p.addresses != nil && !reflect.DeepEqual(p.addresses, s.Addresses) {
		differf("addresses", p.addresses, s.Addresses)
	}
	for _, meal := range slices.Sorted(maps.Keys(p.ratings)) {
		if s.Ratings[meal] != p.ratings[meal] {
			differf("stars for "+meal, p.ratings[meal], s.Ratings[meal])
		}
	}
	return append(all, p.orderDifferences(s)...)
}

// accept replaces the acknowledged writes by the stored rows. So a loss is reported once, and not
// again by every check that follows.
func (p *person) accept(s stored) {
	if len(p.differences(s)) == 0 {
		return
	}
	p.cart, p.preferences, p.addresses = nil, nil, nil
	p.ratings, p.orders = make(map[string]int), make(map[string]*order)
	for id, o := range s.Orders {
		kept := &order{id: bytebites.OrderID(id)}
		for meal, quantity := range o.Lines {
			kept.lines = append(kept.lines, line{meal, quantity})
		}
		p.orders[o.Key] = kept
	}
}

// orderDifferences finds orders that are lost, doubled, changed, or were never acknowledged.
func (p *person) orderDifferences(s stored) []string {
	var all []string
	told := make(map[bytebites.OrderID]bool)
	for _, key := range slices.Sorted(maps.Keys(p.orders)) {
		o := p.orders[key]
		told[o.id] = true
		switch is, ok := s.Orders[string(o.id)]; {
		case !ok:
			all = append(all, fmt.Sprintf("order %s of %s is lost", o.id, p.user))
		case is.Key != key:
			all = append(all, fmt.Sprintf("order %s of %s has key %q, not %q", o.id, p.user, is.Key, key))
		case !maps.Equal(is.Lines, byMeal(o.lines)):
			all = append(all, fmt.Sprintf("order %s of %s was of %v, and is of %v", o.id, p.user, byMeal(o.lines), is.Lines))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Orders)) {
		if !told[bytebites.OrderID(id)] {
			all = append(all, fmt.Sprintf("order %s of %s, under key %q, was never acknowledged", id, p.user, s.Orders[id].Key))
		}
	}
	return all
}
