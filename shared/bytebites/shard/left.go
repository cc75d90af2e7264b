package shard

import (
	"context"
	"database/sql"
	"fmt"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
)

// Leave records that subscribers have left a server with the map of that version. Their rows are
// deleted later. From that map on, questions about all subscribers do not count them there, because
// their new home is asked too: see NotLeft. Replicas with the map before still count them.
//
// Call it before the map is published. If the map is not published after all, the next mover forgets
// the records.
func Leave(ctx context.Context, server *sql.DB, version int64, users []bytebites.UserID) error {
	_, err := postgres.Join(ctx, server).ExecContext(ctx, `
INSERT INTO shard_left (user_id, version) SELECT user_id, $2 FROM unnest($1::text[]) AS gone (user_id)
ON CONFLICT (user_id) DO UPDATE SET version = excluded.version`, idsOf(users), version)
	return postgres.Wrap(ctx, "note that subscribers have left", err)
}

// NotLeft returns the SQL condition that a subscriber has not left the server by the map of that
// version. The subscriber is the user_id of the table.
func NotLeft(version int64, table string) string {
	return fmt.Sprintf(`NOT EXISTS (SELECT FROM shard_left AS gone WHERE gone.user_id = %s.user_id AND gone.version <= %d)`, table, version)
}

// forgetLeft deletes the records for maps after that version, which were never published.
func forgetLeft(ctx context.Context, server *sql.DB, version int64) error {
	_, err := server.ExecContext(ctx, `DELETE FROM shard_left WHERE version > $1`, version)
	return postgres.Wrap(ctx, "forget who was to leave", err)
}
