package spec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// reckoning is what people were told, held against what servers have when a load is over.
type reckoning struct {
	settlement
	lost     []string // of what people were told
	changed  []string // of what nobody has written
	invented []string // people whom nobody has seen join
}

// reckon looks at the servers that have everybody by a map. Before is what there was before the
// load.
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

// everybody is all people who write.
func (l *trial) everybody() []*person { return slices.Concat(l.people, l.extras) }

// strangers are those on a server who were not there before, have not been seen to join, and
// never tried: a first try of somebody who got no answer may have left a profile behind.
func (l *trial) strangers(ctx context.Context, n *node, before census, joined map[bytebites.UserID]bool) (all []string, err error) {
	rows, err := n.pool.QueryContext(ctx, `SELECT user_id, email FROM users WHERE user_id > $1 ORDER BY user_id`, string(seed.User(l.scale.size.Users)))
	if err != nil {
		return nil, fmt.Errorf("look for strangers: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var user bytebites.UserID
		var email string
		if err := rows.Scan(&user, &email); err != nil {
			return nil, fmt.Errorf("look for strangers: %w", err)
		}
		if _, known := before[user]; !known && !joined[user] && !l.ledger.attempted(email) {
			all = append(all, fmt.Sprintf("%s (%s) on server %d", user, email, n.number))
		}
	}
	return all, rows.Err()
}

// fail returns the failure that a reckoning is, if it is one; when says of what.
func (r reckoning) fail(when string) error {
	return errors.Join(
		failIf(r.lost, "everything that people were told is stored to be there "+when,
			"stores.go: what is marked, and when? And migrate.go: what is newer, the copy or what is there?"),
		failIf(r.changed, "nothing else to change "+when, "migrate.go: whose rows are copied, and which are deleted?"),
		failIf(r.twice, "nobody to be on two servers "+when, "migrate.go: what is left where somebody was before?"),
		failIf(r.invented, "nobody to be there "+when+" who did not sign up", "stores.go and migrate.go"),
	)
}

// sizes is how many subscribers are on each server.
func (s settlement) sizes() map[shard.Server]int {
	counts := make(map[shard.Server]int)
	for _, home := range maps.All(s.homes) {
		counts[home]++
	}
	return counts
}
