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

// Batch is how many subscribers are looked at, or copied, at a time: few enough that nobody
// waits long for the locks on them.
const Batch = 200

// Found is a subscriber, and the servers that have a profile of them.
type Found struct {
	User bytebites.UserID
	On   []shard.Server
}

// Users returns whom it is about.
func Users(found []Found) []bytebites.UserID {
	users := make([]bytebites.UserID, len(found))
	for i, f := range found {
		users[i] = f.User
	}
	return users
}

// Walk calls visit with everybody who has a profile on one of the servers, each of them once
// and in order of id, from the one after: range by range, so that a walk that was broken off can
// go on behind the last that it came to. Pools are all servers' by number.
func Walk(ctx context.Context, pools []*sql.DB, servers []shard.Server, after bytebites.UserID, visit func(ctx context.Context, found []Found) error) error {
	return walk(ctx, servers, after, visit, func(ctx context.Context, server shard.Server, after bytebites.UserID) ([]bytebites.UserID, error) {
		return shard.Users(ctx, pools[server], after, Batch)
	})
}

// page returns the next Batch subscribers on a server; fewer are all.
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

// nextRange returns everybody in the next range of ids, and the last id that belongs to it: the
// smallest that a full page ends with, for of what comes behind that a server may have more. The
// last range has no end.
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

// Differing returns those of the subscribers whom two servers do not have the same of: other
// rows, or a mark at another version.
func Differing(ctx context.Context, one, other *sql.DB, users []bytebites.UserID) ([]bytebites.UserID, error) {
	a, err := shard.Sums(ctx, one, users)
	if err != nil {
		return nil, fmt.Errorf("sum up one side: %w", err)
	}
	b, err := shard.Sums(ctx, other, users)
	if err != nil {
		return nil, fmt.Errorf("sum up other side: %w", err)
	}
	var differ []bytebites.UserID
	for _, user := range users {
		if a[user] != b[user] {
			differ = append(differ, user)
		}
	}
	return differ, nil
}

// Count returns how many subscribers have a profile on the servers, and how many of them have
// an id that is not greater than the last.
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
