package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// userTables returns all tables of user data. Every row has a user_id.
func userTables() []string {
	return []string{
		"users", "addresses", "carts", "cart_lines", "orders", "order_lines", "order_effects", "payment_events",
		"ratings", "supplier_ledger", "weeks",
	}
}

// digest describes the rows of one subscriber in one table: their number, and the sum of their
// hashes, which does not depend on their order.
type digest struct {
	rows int
	sum  string
}

// digests are those of one subscriber, by table.
type digests map[string]digest

// census describes the rows of all subscribers on a server.
type census map[bytebites.UserID]digests

// census counts the rows of all subscribers on a server. It reads whole tables, as no request
// does. So it resets the statistics of the database afterwards, because the pre-flight check
// reads them.
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

func count(ctx context.Context, session *sql.Conn, table string, into census) error {
	query := `SELECT user_id, count(*), sum(hashtextextended(row_of::text, 0)::numeric)::text FROM ` + table + ` AS row_of GROUP BY user_id`
	return postgres.Each(ctx, session, query, nil, func(scan func(...any) error) error {
		var user bytebites.UserID
		var d digest
		if err := scan(&user, &d.rows, &d.sum); err != nil {
			return err
		}
		if into[user] == nil {
			into[user] = make(digests)
		}
		into[user][table] = d
		return nil
	})
}

// censuses counts the rows on several servers, side by side.
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

// settlement is the censuses of several servers, put together.
type settlement struct {
	all    census                            // of all subscribers
	homes  map[bytebites.UserID]shard.Server // the server of each subscriber
	twice  []string                          // subscribers on two servers, a phrase each
	astray []string                          // subscribers on another server than their bucket
}

// settle puts the censuses of servers together. It notes subscribers on several servers, and
// subscribers on another server than that of their bucket.
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
			if home := m.Source[l.bucket(user)]; home != here {
				s.astray = append(s.astray, fmt.Sprintf("%s is on server %d, their bucket on server %d", user, here, home))
			}
		}
	}
	return s
}

// differences compares subscribers with an earlier census. Those who have written since are
// left out; the rows of all others must be the same.
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

// rows returns the number of all rows of a census.
func (c census) rows() int {
	sum := 0
	for _, p := range c {
		for _, t := range p {
			sum += t.rows
		}
	}
	return sum
}

// failIf returns a failure that shows the sentences, or nil when there are none.
func failIf(all []string, expected string, look lab.Look) error {
	var bad mistakes
	for _, sentence := range all {
		bad.addf(lab.Waited{}, "%s", sentence)
	}
	return bad.failure(expected, look)
}
