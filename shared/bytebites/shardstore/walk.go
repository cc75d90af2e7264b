package shardstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// Batch is the number of subscribers that are read or copied at a time. It is small, so that their
// locks are held only briefly.
const Batch = 200

// Found is a subscriber, with the servers that have a profile of the subscriber.
type Found struct {
	User bytebites.UserID
	On   []shard.Server
}

// Users returns the subscribers' ids.
func Users(found []Found) []bytebites.UserID {
	users := make([]bytebites.UserID, len(found))
	for i, f := range found {
		users[i] = f.User
	}
	return users
}

// Walk calls visit with every subscriber who has a profile on one of the servers, each once. It
// begins behind the id after and goes on in order of id, range by range. So an interrupted walk can
// continue behind its last id. Pools are indexed by server number.
func Walk(ctx context.Context, pools []*sql.DB, servers []shard.Server, after bytebites.UserID, visit func(ctx context.Context, found []Found) error) error {
	return walk(ctx, servers, after, visit, func(ctx context.Context, server shard.Server, after bytebites.UserID) ([]bytebites.UserID, error) {
		return shard.Users(ctx, pools[server], after, Batch)
	})
}

// page returns the next Batch subscribers on a server. A shorter page is the last.
type page func(ctx context.Context, server shard.Server, after bytebites.UserID) ([]bytebites.UserID, error)

func walk(ctx context.Context, servers []shard.Server, after bytebites.UserID, visit func(context.Context, []Found) error, next page) error {
	for {
		found, last, err := nextRange(ctx, servers, after, next)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			if err := visit(ctx, found); err != nil {
				return err
			}
		}
		if last == "" {
			return nil
		}
		after = last
	}
}

// nextRange returns the subscribers in the next range of ids, and the last id of the range. That is
// the smallest last id of the full pages, because a server with a full page may have more ids
// behind it. The last range has no last id.
func nextRange(ctx context.Context, servers []shard.Server, after bytebites.UserID, next page) ([]Found, bytebites.UserID, error) {
	on := make(map[bytebites.UserID][]shard.Server)
	var last bytebites.UserID
	for _, server := range servers {
		users, err := next(ctx, server, after)
		if err != nil {
			return nil, "", fmt.Errorf("list subscribers of server %d: %w", server, err)
		}
		for _, user := range users {
			on[user] = append(on[user], server)
		}
		if len(users) == Batch && (last == "" || users[Batch-1] < last) {
			last = users[Batch-1]
		}
	}
	found := make([]Found, 0, len(on))
	for _, user := range slices.Sorted(maps.Keys(on)) {
		if last == "" || user <= last {
			found = append(found, Found{User: user, On: on[user]})
		}
	}
	return found, last, nil
}

// Differing returns the subscribers whose data differs between two servers: other rows, or a mark
// at another version.
func Differing(ctx context.Context, one, other *sql.DB, users []bytebites.UserID) ([]bytebites.UserID, error) {
	a, err := shard.Sums(ctx, one, users)
	if err != nil {
		return nil, fmt.Errorf("sum up first server: %w", err)
	}
	b, err := shard.Sums(ctx, other, users)
	if err != nil {
		return nil, fmt.Errorf("sum up second server: %w", err)
	}
	var differ []bytebites.UserID
	for _, user := range users {
		if a[user] != b[user] {
			differ = append(differ, user)
		}
	}
	return differ, nil
}

// Count returns how many subscribers have a profile on the servers, and how many of them have an id
// up to last.
func Count(ctx context.Context, pools []*sql.DB, servers []shard.Server, last bytebites.UserID) (upTo, all int, err error) {
	for _, server := range servers {
		var before, sum int
		err := pools[server].QueryRowContext(ctx,
			`SELECT count(*) FILTER (WHERE user_id <= $1), count(*) FROM users`, string(last)).Scan(&before, &sum)
		if err != nil {
			return 0, 0, fmt.Errorf("count subscribers of server %d: %w", server, err)
		}
		upTo, all = upTo+before, all+sum
	}
	return upTo, all, nil
}
