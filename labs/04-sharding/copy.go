package sharding

import (
	"context"
	"database/sql"
	"fmt"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// copier copies subscribers from home to mirror: one after each double write, and many in the mover.
type copier struct {
	pools []*sql.DB // of all servers, by number
}

// copy copies all rows of the subscribers from home to mirror, and returns them.
func (c copier) copy(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error) {
	home, mirror := c.pools[place.Home], c.pools[place.Mirror]
	read, err := shard.Read(ctx, home, users)
	if err != nil {
		return read, fmt.Errorf("read at home: %w", err)
	}
	err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
		// TODO(lab 04): step 5: replace only rows that are outdated (Copy.Only). Of two copies of
		// one subscriber the older may arrive last, and here it replaces the newer.
		if err := shard.Replace(ctx, mirror, read); err != nil {
			return err
		}
		_, err := shard.Outdated(ctx, mirror, read) // sets the marks on the mirror to the versions of the copy
		return err
	})
	if err != nil {
		return read, fmt.Errorf("replace on mirror: %w", err)
	}
	if err := shard.Copied(ctx, home, read); err != nil {
		return read, fmt.Errorf("note at home: %w", err)
	}
	return read, nil
}

// settle makes the copies that are still to be made. The mover calls it before homes change.
func settle(context.Context, *mover.Rows, shard.Map) error {
	// TODO(lab 04): step 4: copy the subscribers whose copy failed, or whose replica died before it.
	// On each server in use (mover.InUse), find the subscribers who are marked and not copied
	// (shard.Uncopied), batch by batch, and copy them (Rows.CopyAll).
	return nil
}
