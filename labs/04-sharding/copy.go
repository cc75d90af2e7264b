package sharding

import (
	"context"
	"database/sql"
	"errors"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// copier copies subscribers from server to server: for double writes one at a time, for the
// mover many. Pools are all servers' by number.
type copier struct{ pools []*sql.DB }

// copy brings the mirror up to date with the home, and returns what was read there.
func (c copier) copy(context.Context, shard.Place, []bytebites.UserID) (shard.Copy, error) {
	// TODO(lab 04): read all their rows at home (shard.Read). On the mirror, in one transaction
	// (shard.Transact), ask who is outdated there (shard.Outdated), and replace the rows of
	// these only (Only, shard.Replace): two copies of one subscriber may overtake each other.
	// Then note at home that they have arrived (shard.Copied).
	return shard.Copy{}, errors.New("TODO(lab 04): nothing is copied yet")
}

// TODO(lab 04): and with the copier, what a move does to rows:
//   - settle: copy whoever is still to be copied (shard.Uncopied on each server in use)
//   - backfill: walk over everybody (sharded.Walk, from the map's Cursor on), mark those who
//     move (shard.MarkAll), copy them, save the cursor (shard.Mover.SaveCursor), rest a moment
//   - verify: walk again, and compare what both sides have (sharded.Differing). Whoever is being
//     written may differ for a moment; whoever differs for longer is a reason to stop
//   - clean, when all is done: delete what is left on shards that go on serving others
//     (shard.Delete), once the copies have arrived that somebody began by the map of before
