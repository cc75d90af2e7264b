package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// reckoning compares what subscribers were told with the rows on the servers after a load.
type reckoning struct {
	settlement
	lost     []string // acknowledged writes that are gone
	changed  []string // rows that changed without a write
	invented []string // subscribers without a sign-up
}

// reckon compares the rows of the nodes, which have all subscribers by the map, with those from
// before the load and with the acknowledged writes.
func (l *trial) reckon(ctx context.Context, m shard.Map, nodes []*node, before census) (reckoning, error) {
	all, err := censuses(ctx, nodes)
	if err != nil {
		return reckoning{}, err
	}
	r := reckoning{settlement: l.settle(m, nodes, all)}
	written := make(map[bytebites.UserID]bool)
	for _, p := range l.everybody() {
		written[p.user] = true
	}
	r.changed = r.differences(before, written)
	for _, n := range nodes {
		found, err := n.stored(ctx, l.everybody())
		if err != nil {
			return reckoning{}, err
		}
		for _, p := range l.everybody() {
			if s, ok := found[p.user]; ok {
				r.lost = append(r.lost, p.differences(s)...)
				p.accept(s)
			} else if _, elsewhere := r.homes[p.user]; !elsewhere {
				r.lost = append(r.lost, fmt.Sprintf("%s (%s) is gone", p.user, p.email))
			}
		}
		strangers, err := l.strangers(ctx, n, before, written)
		if err != nil {
			return reckoning{}, err
		}
		r.invented = append(r.invented, strangers...)
	}
	slices.Sort(r.lost)
	r.lost = slices.Compact(r.lost)
	return r, nil
}

// everybody returns all subscribers who write in checks.
func (l *trial) everybody() []*person { return slices.Concat(l.people, l.extras) }

// strangers returns subscribers of a server who were not there before and never signed up. A
// sign-up without an answer counts as one, because it may have left a profile behind.
func (l *trial) strangers(ctx context.Context, n *node, before census, joined map[bytebites.UserID]bool) (all []string, err error) {
	const query = `SELECT user_id, email FROM users WHERE user_id > $1 ORDER BY user_id`
	err = postgres.Each(ctx, n.pool, query, []any{string(seed.User(l.scale.size.Users))}, func(scan func(...any) error) error {
		var user bytebites.UserID
		var email string
		if err := scan(&user, &email); err != nil {
			return err
		}
		if _, known := before[user]; !known && !joined[user] && !l.ledger.attempted(email) {
			all = append(all, fmt.Sprintf("%s (%s) on server %d", user, email, n.number))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for strangers: %w", err)
	}
	return all, nil
}

// fail returns the failures, or nil. when names the event, such as "after the move".
func (r reckoning) fail(when string) error {
	return errors.Join(
		failIf(r.lost, "every acknowledged write to be there "+when,
			lab.Look{File: "copy.go", Func: "copier.copy", Hint: "which is newer, the copy or the row that is there? And stores.Write: is each write marked before it can fail?"}),
		failIf(r.changed, "no other row to change "+when,
			lab.Look{File: "migrate.go", Func: "migrate", Hint: "copy and delete only rows of subscribers who move"}),
		failIf(r.twice, "every subscriber to be on one server "+when,
			lab.Look{File: "migrate.go", Func: "migrate", Hint: "which rows are left on the server of before?"}),
		failIf(r.invented, "no subscriber "+when+" who did not sign up",
			lab.Look{File: "stores.go", Func: "stores.Write", Hint: "what does a sign-up leave behind that fails?"}),
	)
}

// sizes returns the number of subscribers of each server.
func (s settlement) sizes() map[shard.Server]int {
	counts := make(map[shard.Server]int)
	for _, home := range maps.All(s.homes) {
		counts[home]++
	}
	return counts
}
