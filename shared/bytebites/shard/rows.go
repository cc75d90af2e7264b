package shard

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Copy is all rows of some subscribers, read by one statement. It contains those of the requested
// subscribers that have rows or a mark.
type Copy struct{ of map[bytebites.UserID]content }

// content is one subscriber's data on a server.
type content struct {
	version int64
	number  int // number of rows
	// rows is a JSON object with an array for each table, in the canonical form in which PostgreSQL
	// prints a jsonb. It is nil for a subscriber without rows.
	rows []byte
}

// Users returns the subscribers that have rows in the copy, in order of id.
func (c Copy) Users() []bytebites.UserID {
	users := make([]bytebites.UserID, 0, len(c.of))
	for user, content := range c.of {
		if content.rows != nil {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	return users
}

// Version returns the version of a subscriber's mark, or 0 without a mark.
func (c Copy) Version(user bytebites.UserID) int64 { return c.of[user].version }

// Rows returns the number of rows of all subscribers together, without the marks.
func (c Copy) Rows() int {
	sum := 0
	for _, content := range c.of {
		sum += content.number
	}
	return sum
}

// Only returns the part of the copy that belongs to users.
func (c Copy) Only(users []bytebites.UserID) Copy {
	few := make(map[bytebites.UserID]content, len(users))
	for _, user := range users {
		if content, ok := c.of[user]; ok {
			few[user] = content
		}
	}
	return Copy{of: few}
}

// versions returns query parameters: the copy's subscribers in order, and their versions.
func (c Copy) versions() (ids pq.StringArray, versions pq.Int64Array) {
	for _, user := range slices.Sorted(maps.Keys(c.of)) {
		ids, versions = append(ids, string(user)), append(versions, c.of[user].version)
	}
	return ids, versions
}

// json returns a JSON array with the rows of each subscriber.
func (c Copy) json() string {
	all := make([][]byte, 0, len(c.of))
	for _, user := range c.Users() {
		all = append(all, c.of[user].rows)
	}
	return "[" + string(bytes.Join(all, []byte(","))) + "]"
}

// Read reads all rows of some subscribers from a server.
func Read(ctx context.Context, server *sql.DB, users []bytebites.UserID) (Copy, error) {
	c := Copy{of: make(map[bytebites.UserID]content, len(users))}
	err := postgres.Each(ctx, postgres.Join(ctx, server), readStatement(), []any{idsOf(users)}, func(scan func(...any) error) error {
		var user bytebites.UserID
		var one content
		if err := scan(&user, &one.version, &one.number, &one.rows); err != nil {
			return err
		}
		if one.version > 0 || one.rows != nil {
			c.of[user] = one
		}
		return nil
	})
	if err != nil {
		return Copy{}, postgres.Wrap(ctx, "read rows of subscribers", err)
	}
	return c, nil
}

// Sum is a digest of one subscriber's data on a server. Equal data has equal sums on all servers.
type Sum struct {
	Version int64  // of the mark; 0 without a mark
	Hash    string // of all rows; empty without rows
}

// Sums returns the sums of those subscribers that have rows or a mark. The server computes the
// hashes, because rows that are only compared need not be sent or turned into JSON.
func Sums(ctx context.Context, server *sql.DB, users []bytebites.UserID) (map[bytebites.UserID]Sum, error) {
	sums := make(map[bytebites.UserID]Sum, len(users))
	err := postgres.Each(ctx, postgres.Join(ctx, server), sumStatement(), []any{idsOf(users)}, func(scan func(...any) error) error {
		var user bytebites.UserID
		var sum Sum
		if err := scan(&user, &sum.Version, &sum.Hash); err != nil {
			return err
		}
		if sum != (Sum{}) {
			sums[user] = sum
		}
		return nil
	})
	if err != nil {
		return nil, postgres.Wrap(ctx, "sum up rows of subscribers", err)
	}
	return sums, nil
}

// Replace replaces the rows of the copy's subscribers on a server. It runs in the transaction of
// ctx, or in a separate one. It does not check versions.
func Replace(ctx context.Context, server *sql.DB, c Copy) error {
	if len(c.of) == 0 {
		return nil
	}
	ids, _ := c.versions()
	return postgres.Transact(ctx, server, func(ctx context.Context) error {
		q := postgres.Join(ctx, server)
		if _, err := q.ExecContext(ctx, deleteStatement(), ids); err != nil {
			return postgres.Wrap(ctx, "delete older rows", err)
		}
		// Who left this server once, and comes back by a later move, is counted again. A record for a map
		// that is still to come stays: it is of a subscriber who writes before they leave.
		_, err := q.ExecContext(ctx,
			`DELETE FROM shard_left WHERE user_id = ANY ($1) AND version <= (SELECT version FROM shard_fence)`, ids)
		if err != nil {
			return postgres.Wrap(ctx, "forget that subscribers had left", err)
		}
		_, err = q.ExecContext(ctx, insertStatement(), c.json())
		return postgres.Wrap(ctx, "insert copied rows", err)
	})
}

// Outdated returns those of the copy's subscribers that have an older mark, or no mark, on the
// server. It sets their marks to the copy's versions. It must run in the transaction that replaces
// their rows. The marks stay locked until that transaction ends, so two copies of one subscriber
// take turns.
func Outdated(ctx context.Context, server *sql.DB, c Copy) ([]bytebites.UserID, error) {
	ids, versions := c.versions()
	// This locks a mark that is not older too, although it does not change it.
	outdated, err := collectIDs(ctx, server, `
INSERT INTO shard_marks (user_id, version, copied)
SELECT user_id, version, version FROM unnest($1::text[], $2::bigint[]) AS copied (user_id, version)
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, copied = excluded.copied
WHERE shard_marks.version < excluded.version
RETURNING user_id`, ids, versions)
	return outdated, postgres.Wrap(ctx, "compare marks", err)
}

// Transact runs work in a transaction on a server. Calls with work's context join the transaction.
func Transact(ctx context.Context, server *sql.DB, work func(ctx context.Context) error) error {
	return postgres.Transact(ctx, server, work)
}

// Copied records, on the server that a copy was read from, that the copy has arrived.
func Copied(ctx context.Context, server *sql.DB, c Copy) error {
	ids, versions := c.versions()
	_, err := postgres.Join(ctx, server).ExecContext(ctx, `
UPDATE shard_marks AS mark SET copied = copy.version
FROM unnest($1::text[], $2::bigint[]) AS copy (user_id, version)
WHERE mark.user_id = copy.user_id AND mark.copied < copy.version`, ids, versions)
	return postgres.Wrap(ctx, "note copies", err)
}

// Uncopied returns up to limit subscribers whose mark on the server is newer than their last copy.
// They are in order of id and begin behind the id after.
func Uncopied(ctx context.Context, server *sql.DB, after bytebites.UserID, limit int) ([]bytebites.UserID, error) {
	users, err := collectIDs(ctx, server,
		`SELECT user_id FROM shard_marks WHERE copied < version AND user_id > $1 ORDER BY user_id LIMIT $2`, string(after), limit)
	return users, postgres.Wrap(ctx, "list uncopied subscribers", err)
}

// Standing is the state of a subscriber's copy.
type Standing struct {
	Version int64 // of the mark; 0 without one
	Copied  bool  // whether the mirror has that version
}

// StandingOf returns a subscriber's standing by the mark at home. If it is copied and the same
// before and after a read of both servers, both reads saw the same version.
func StandingOf(ctx context.Context, home *sql.DB, user bytebites.UserID) (Standing, error) {
	s := Standing{Copied: true}
	err := postgres.Join(ctx, home).QueryRowContext(ctx,
		`SELECT version, copied >= version FROM shard_marks WHERE user_id = $1`, string(user)).Scan(&s.Version, &s.Copied)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, postgres.Wrap(ctx, "read mark", err)
}

// Users returns up to limit subscribers with a profile on the server. They are in order of id and
// begin behind the id after.
func Users(ctx context.Context, server *sql.DB, after bytebites.UserID, limit int) ([]bytebites.UserID, error) {
	users, err := collectIDs(ctx, server,
		`SELECT user_id FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2`, string(after), limit)
	return users, postgres.Wrap(ctx, "list subscribers", err)
}

// Delete deletes all rows and marks of some subscribers from a server. A copy that arrives later
// would bring the rows back, so no copier may still be at work on them.
func Delete(ctx context.Context, server *sql.DB, users []bytebites.UserID) error {
	return postgres.Transact(ctx, server, func(ctx context.Context) error {
		q, ids := postgres.Join(ctx, server), idsOf(users)
		// Delete the marks first, as copies lock them first.
		_, err := q.ExecContext(ctx, `DELETE FROM shard_marks WHERE user_id = ANY (ARRAY(SELECT unnest($1::text[])))`, ids)
		if err != nil {
			return postgres.Wrap(ctx, "delete marks", err)
		}
		if _, err := q.ExecContext(ctx, deleteStatement(), ids); err != nil {
			return postgres.Wrap(ctx, "delete rows", err)
		}
		_, err = q.ExecContext(ctx, `DELETE FROM shard_left WHERE user_id = ANY ($1)`, ids)
		return postgres.Wrap(ctx, "forget that subscribers had left", err)
	})
}

// collectIDs returns the ids that a query selects.
func collectIDs(ctx context.Context, server *sql.DB, query string, args ...any) ([]bytebites.UserID, error) {
	var users []bytebites.UserID
	err := postgres.Each(ctx, postgres.Join(ctx, server), query, args, func(scan func(...any) error) error {
		var user bytebites.UserID
		if err := scan(&user); err != nil {
			return err
		}
		users = append(users, user)
		return nil
	})
	return users, err
}
