package wrong

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	given "bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/solutions/04-sharding"
)

// The flaws of steps 4 to 6: the solution with the starter's code of one step. Those of steps 1 to 3
// are fields of RouterFlaw and StoresFlaw.

// moverWith returns the given mover with the solution's parts, some of them changed.
func moverWith(change func(r service.Resources, parts *given.Parts)) service.Job {
	return shardstore.Role(func(ctx context.Context, r service.Resources, control *shard.Mover, goal string) error {
		parts := sharding.Parts(r)
		change(r, &parts)
		return given.Run(ctx, r, control, goal, parts)
	})
}

// PlainDoubleWrites has a write note nothing and return the error of its copy.
func PlainDoubleWrites() StoresFlaw {
	return StoresFlaw{NoMark: true, CopyErrorToCaller: true, CopyOfClient: true, NoCopyLimit: true}
}

// ApplyPlainDoubleWrites puts PlainDoubleWrites into a service, and has the mover make no copy in their
// place.
func ApplyPlainDoubleWrites(c *service.Composition) {
	PlainDoubleWrites().Apply(c)
	c.Roles["migrate"] = moverWith(func(_ service.Resources, parts *given.Parts) {
		parts.Settle = func(context.Context, *given.Rows, shard.Map) error { return nil }
	})
}

// ApplyCopyOverNewer has every copy replace what the mirror has.
func ApplyCopyOverNewer(c *service.Composition) {
	StoresFlaw{OverNewer: true}.Apply(c)
	c.Roles["migrate"] = moverWith(func(r service.Resources, parts *given.Parts) { parts.Copy = overNewer(shardstore.Pools(r)) })
}

func overNewer(pools []*sql.DB) func(context.Context, shard.Place, []bytebites.UserID) (shard.Copy, error) {
	return func(ctx context.Context, place shard.Place, users []bytebites.UserID) (shard.Copy, error) {
		home, mirror := pools[place.Home], pools[place.Mirror]
		read, err := shard.Read(ctx, home, users)
		if err != nil {
			return read, err
		}
		err = shard.Transact(ctx, mirror, func(ctx context.Context) error {
			if err := shard.Replace(ctx, mirror, read); err != nil {
				return err
			}
			_, err := shard.Outdated(ctx, mirror, read)
			return err
		})
		if err != nil {
			return read, err
		}
		return read, shard.Copied(ctx, home, read)
	}
}

// PublishHomes is a given.HandOver that changes homes while subscribers write.
func PublishHomes(ctx context.Context, control given.Control, settle func(context.Context) error, next given.Next) error {
	if err := settle(ctx); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	after, err := next(ctx, control.Map())
	if err != nil {
		return err
	}
	return control.Publish(ctx, after)
}

// SwitchFlaw is mistakes in the HandOver of the solution.
type SwitchFlaw struct {
	OnlyInside    bool // nothing is copied before the fences close
	AnyError      bool // every error is worth another try
	CopiesOn      bool // an error of the copies before the fences close is no reason to stop
	Once          bool // no error is worth another try
	NextBefore    bool // the new map is chosen before the fences close
	OneLimit      bool // all tries share one limit
	LongClosed    bool // the fences may be closed as long as writers wait
	SettlesOn     bool // the last copies do not end with the limit
	SettlesOnce   bool // nothing is copied between two tries
	AnyDeadline   bool // every error of a deadline is worth another try
	NamedLimit    bool // only an error that names the limit is worth another try
	NextOn        bool // the choice of the new map does not end with the limit
	Deaf          bool // a switch goes on when the mover is told to stop
	SettlesAgain  bool // copies that fail before the fences close are worth another try
	AgainWhenDone bool // a switch that ended at its limit is repeated, also without an error
}

// HandOver is a given.HandOver with the mistakes.
func (f SwitchFlaw) HandOver(ctx context.Context, control given.Control, settle func(context.Context) error, next given.Next) error {
	limit := 2 * time.Second
	if f.LongClosed {
		limit = 3 * time.Second
	}
	all, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for try := 1; ; try++ {
		if !f.OnlyInside && (try == 1 || !f.SettlesOnce) {
			if err := settle(ctx); err != nil && !f.CopiesOn {
				if f.SettlesAgain && try < 5 {
					continue
				}
				return fmt.Errorf("settle: %w", err)
			}
		}
		outer := ctx
		if f.Deaf {
			outer = context.WithoutCancel(ctx)
		}
		closed, open := context.WithTimeout(outer, limit)
		if f.OneLimit {
			closed = all
		}
		err := f.once(ctx, closed, control, settle, next)
		late := closed.Err() != nil && ctx.Err() == nil
		switch {
		case f.AnyDeadline:
			late = late || errors.Is(err, context.DeadlineExceeded)
		case f.NamedLimit:
			late = late && errors.Is(err, context.DeadlineExceeded)
		}
		open()
		if err == nil && (!f.AgainWhenDone || !late) || !late && !f.AnyError || try == 5 || f.Once {
			return err
		}
	}
}

// once switches, with a context that ends when the fences have been closed for too long.
func (f SwitchFlaw) once(ctx, closed context.Context, control given.Control, settle func(context.Context) error, next given.Next) error {
	last := settle
	if f.SettlesOn {
		last = func(context.Context) error { return settle(ctx) }
	}
	after := func(ctx context.Context) (shard.Map, error) { return next(ctx, control.Map()) }
	if f.NextOn {
		after = func(context.Context) (shard.Map, error) { return next(ctx, control.Map()) }
	}
	if f.NextBefore {
		m, err := after(ctx)
		if err != nil {
			return err
		}
		after = func(context.Context) (shard.Map, error) { return m, nil }
	}
	return control.Switch(closed, last, after)
}

// Apply puts the flawed HandOver, and otherwise the solution, into a service.
func (f SwitchFlaw) Apply(c *service.Composition) {
	sharding.Apply(c)
	c.Roles["migrate"] = moverWith(func(_ service.Resources, parts *given.Parts) { parts.HandOver = f.HandOver })
}

// ApplyPublishHomes puts PublishHomes, and otherwise the solution, into a service.
func ApplyPublishHomes(c *service.Composition) {
	sharding.Apply(c)
	c.Roles["migrate"] = moverWith(func(_ service.Resources, parts *given.Parts) { parts.HandOver = PublishHomes })
}

// SettleFlaw is a mistake in the settle of the solution.
type SettleFlaw struct {
	SourceOnly, TargetOnly bool // asks some of the servers
	EachPool               bool // asks servers that the map does not name
	OneBatch               bool // stops after the first batch of a server
	WholeServer            bool // copies all subscribers of a server at once
	FromTheFirst           bool // asks for the first batch until none is left
	CopyErrorLogged        bool // goes on when a copy fails
	SilentServer           bool // skips a server that does not answer
	Deaf                   bool // goes on when its context has ended
}

// Settle is a mover's Settle with the mistake.
func (f SettleFlaw) Settle(ctx context.Context, rows *given.Rows, m shard.Map) error {
	if f.Deaf {
		ctx = context.WithoutCancel(ctx)
	}
	for _, server := range f.servers(rows, m) {
		if err := f.server(ctx, rows, m, server); err != nil {
			return err
		}
	}
	return nil
}

func (f SettleFlaw) servers(rows *given.Rows, m shard.Map) []shard.Server {
	var servers []shard.Server
	switch {
	case f.SourceOnly:
		servers = m.Source[:]
	case f.TargetOnly:
		servers = m.Target[:]
	case f.EachPool:
		for number := range rows.Pools {
			servers = append(servers, shard.Server(number))
		}
	default:
		return given.InUse(m)
	}
	return slices.Compact(slices.Sorted(slices.Values(servers)))
}

func (f SettleFlaw) server(ctx context.Context, rows *given.Rows, m shard.Map, server shard.Server) error {
	batch := shardstore.Batch
	if f.WholeServer {
		batch = 1_000_000
	}
	for after := bytebites.UserID(""); ; {
		users, err := shard.Uncopied(ctx, rows.Pools[server], after, batch)
		if err != nil {
			if f.SilentServer {
				return nil
			}
			return fmt.Errorf("find uncopied on server %d: %w", server, err)
		}
		if err := rows.CopyAll(ctx, m, users); err != nil && !f.CopyErrorLogged {
			return err
		}
		switch {
		case f.OneBatch || len(users) == 0 || !f.FromTheFirst && len(users) < batch:
			return nil
		case !f.FromTheFirst:
			after = users[len(users)-1]
		}
	}
}

// Apply puts the flawed settle, and otherwise the solution, into a service.
func (f SettleFlaw) Apply(c *service.Composition) {
	sharding.Apply(c)
	c.Roles["migrate"] = moverWith(func(_ service.Resources, parts *given.Parts) { parts.Settle = f.Settle })
}
