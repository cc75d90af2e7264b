package sharding

import (
	"context"
	"database/sql"
	"fmt"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// copier copies subscribers from home to mirror: one after each double write, and many in the mover.
type copier struct {
	pools []*sql.DB // of all servers, by number
}

// copy copies all rows of the subscribers from home to mirror, and returns them. It copies state, not
// changes: one statement reads all rows of a subscriber with the version of their mark. They replace
// the mirror's rows unless these are as new. So copies may arrive late, twice, or in any order.
func (c copier) copy(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error) {
	home, mirror := c.pools[place.Home], c.pools[place.Mirror]
	read, err := shard.Read(ctx, home, users)
	if err != nil {
		return read, fmt.Errorf("read at home: %w", err)
	}
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		outdated, err := shard.Outdated(ctx, mirror, read)
		if err != nil {
			return fmt.Errorf("compare versions: %w", err)
		}
		return shard.Replace(ctx, mirror, read.Only(outdated))
	})
	if err != nil {
		return read, fmt.Errorf("replace on mirror: %w", err)
	}
	if err := shard.Copied(ctx, home, read); err != nil {
		return read, fmt.Errorf("note at home: %w", err)
	}
	return read, nil
}

// settle copies every subscriber whose mark is newer than their last copy: after a copy that failed,
// and after a process that died. While no subscriber writes, none is left afterwards.
func settle(ctx context.Context, rows *mover.Rows, m shard.Map) error {
	for _, server := range mover.InUse(m) {
		for after, more := bytebites.UserID(""), true; more; {
			users, err := shard.Uncopied(ctx, rows.Pools[server], after, shardstore.Batch)
			if err != nil {
				return fmt.Errorf("find uncopied on server %d: %w", server, err)
			}
			if err := rows.CopyAll(ctx, m, users); err != nil {
				return err
			}
			if more = len(users) == shardstore.Batch; more {
				after = users[len(users)-1]
			}
		}
	}
	return nil
}
