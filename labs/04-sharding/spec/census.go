package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// userTables are all tables of user data. Every row of them says whose it is.
func userTables() []string {
	return []string{
		"users", "addresses", "carts", "cart_lines", "orders", "order_lines", "order_effects", "payment_events",
		"ratings", "supplier_ledger", "weeks",
	}
}

// digest is what a table has of somebody: how many rows, and the sum of their hashes, which does
// not depend on their order.
type digest struct {
	rows int
	sum  string
}

// digests are somebody's, by table.
type digests map[string]digest

// census is what a server has of everybody.
type census map[bytebites.UserID]digests

// census counts what a server has of everybody. It reads whole tables, which nobody's request
// does: so the database's own counts begin anew afterwards, and a pre-flight does not see it.
func (n *node) census(ctx context.Context) (_ census, err error) {
	session, err := n.pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("count on %s: %w", n.server.Name(), err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	c := make(census)
	for _, table := range userTables() {
		if err := count(ctx, session, table, c); err != nil {
			return nil, fmt.Errorf("count %s on %s: %w", table, n.server.Name(), err)
		}
	}
	for _, statement := range []string{`SELECT pg_stat_force_next_flush()`, `SELECT pg_stat_reset()`} {
		if _, err := session.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("%s on %s: %w", statement, n.server.Name(), err)
		}
	}
	return c, nil
}

func count(ctx context.Context, session *sql.Conn, table string, into census) (err error) {
	rows, err := session.QueryContext(ctx,
		`SELECT user_id, count(*), sum(hashtextextended(row_of::text, 0)::numeric)::text FROM `+table+` AS row_of GROUP BY user_id`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var user bytebites.UserID
		var d digest
		if err := rows.Scan(&user, &d.rows, &d.sum); err != nil {
			return err
		}
		if into[user] == nil {
			into[user] = make(digests)
		}
		into[user][table] = d
	}
	return rows.Err()
}

// censuses counts what servers have, side by side.
func censuses(ctx context.Context, nodes []*node) ([]census, error) {
	all := make([]census, len(nodes))
	group, ctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		group.Go(func() (err error) {
			all[i], err = n.census(ctx)
			return err
		})
	}
	return all, group.Wait()
}

// settlement is what the servers have, of everybody in one place.
type settlement struct {
	all    census                            // of everybody, wherever they are
	homes  map[bytebites.UserID]shard.Server // where they are
	twice  []string                          // people on two servers, a phrase each
	astray []string                          // people on another server than their bucket
}

// settle puts the censuses of some servers together, and notes who is on several servers, or
// not on the one of their bucket.
func (l *trial) settle(m shard.Map, nodes []*node, all []census) settlement {
	s := settlement{all: make(census), homes: make(map[bytebites.UserID]shard.Server)}
	for i, c := range all {
		here := nodes[i].number
		for _, user := range slices.Sorted(maps.Keys(c)) {
			if there, ok := s.homes[user]; ok {
				s.twice = append(s.twice, fmt.Sprintf("%s is on server %d and on server %d", user, there, here))
				continue
			}
			s.all[user], s.homes[user] = c[user], here
			if home := m.Home[l.bucket(user)]; home != here {
				s.astray = append(s.astray, fmt.Sprintf("%s is on server %d, their bucket on server %d", user, here, home))
			}
		}
	}
	return s
}

// differences says what has become of those whom nobody has written as since an earlier
// census: they must be as they were.
func (s settlement) differences(before census, written map[bytebites.UserID]bool) []string {
	var all []string
	for _, user := range slices.Sorted(maps.Keys(before)) {
		if written[user] {
			continue
		}
		now, ok := s.all[user]
		if !ok {
			all = append(all, fmt.Sprintf("%s is gone", user))
			continue
		}
		for _, table := range userTables() {
			switch was, is := before[user][table], now[table]; {
			case was.rows != is.rows:
				all = append(all, fmt.Sprintf("%s had %d rows of %s, and has %d", user, was.rows, table, is.rows))
			case was.sum != is.sum:
				all = append(all, fmt.Sprintf("%s has other %s than before", user, table))
			}
		}
	}
	return all
}

// rows returns how many rows a census has in all.
func (c census) rows() int {
	sum := 0
	for _, p := range c {
		for _, t := range p {
			sum += t.rows
		}
	}
	return sum
}

// few joins the first of some sentences, and says how many more there are.
func few(all []string) string {
	if more := len(all) - mostTold; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(all[:mostTold], "; "), more)
	}
	return strings.Join(all, "; ")
}

// failIf returns the failure that the sentences are, if there are any.
func failIf(all []string, expected, look string) error {
	if len(all) == 0 {
		return nil
	}
	return &lab.Failure{Expected: expected, Seen: fmt.Sprintf("%d: %s", len(all), few(all)), Look: lab.Look{Hint: look}}
}
