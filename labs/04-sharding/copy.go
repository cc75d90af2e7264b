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
	// TODO(lab 04): read all rows of the subscribers at home (shard.Read). On the mirror,
	// in one transaction (shard.Transact), ask which copies are outdated (shard.Outdated),
	// and replace only their rows (Only, shard.Replace): of two copies of one subscriber,
	// the older may arrive last. Then note at home that the copies have arrived
	// (shard.Copied).
	return shard.Copy{}, errors.New("TODO(lab 04): nothing is copied yet")
}

// TODO(lab 04): write, with the copier, what each phase of a move does to rows:
//   - settle: copy the subscribers that are marked and not copied (shard.Uncopied, on each
//     server in use)
//   - backfill: walk over all subscribers (shardstore.Walk, from the map's Cursor), mark
//     those that move (shard.MarkAll), copy them, save the cursor (shard.Mover.SaveCursor),
//     and pause a moment
//   - verify: walk again, and compare both sides (shardstore.Differing). A subscriber that
//     is being written may differ for a moment. A longer difference is a reason to stop
//   - leave: before the last map, note on each shard that goes on serving others who leaves it
//     by that map (shard.Leave), and those who join meanwhile when the fences are closed.
//     Otherwise popular meals count them twice until their rows are deleted
//   - clean: at the end, delete the rows that are left on shards which go on serving others
//     (shard.Delete). Wait first for copies that began by the map before
