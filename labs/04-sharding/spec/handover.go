package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// handOverTimeout bounds a call of HandOver with a control that answers at once.
const handOverTimeout = 10 * time.Second

func lookHandOver(hint string) lab.Look {
	return lab.Look{File: "migrate.go", Func: "HandOver", Hint: hint}
}

// paperControl is a mover.Control without servers. It records the calls in order.
type paperControl struct {
	m      shard.Map
	closed bool
	events []string
	fails  error // of Switch, before anything is closed
}

func (c *paperControl) Map() shard.Map { return c.m }

func (c *paperControl) Publish(_ context.Context, next shard.Map) error {
	c.publish(next)
	return nil
}

// publish replaces the map.
func (c *paperControl) publish(next shard.Map) {
	what := "new map while subscribers write"
	if c.closed {
		what = "new map"
	}
	next.Version = c.m.Version + 1
	c.m, c.events = next, append(c.events, what)
}

func (c *paperControl) Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error {
	if c.fails != nil {
		return c.fails
	}
	c.closed = true
	c.events = append(c.events, "fences closed")
	defer func() { c.closed, c.events = false, append(c.events, "fences opened") }()
	if err := settle(ctx); err != nil {
		return err
	}
	m, err := next(ctx)
	if err != nil {
		return err
	}
	c.publish(m)
	return nil
}

func (c *paperControl) SaveCursor(context.Context, bytebites.UserID) error { return nil }

func (c *paperControl) DarkReads(context.Context) (int, int, error) { return 0, 0, nil }

// handOver changes homes on paper.
func (l *trial) handOver(ctx context.Context, _ *lab.Run) error {
	if l.subject.HandOver == nil {
		return nil // an answer whose mover has no such part
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	return answered(handOverTimeout, lookHandOver(""), func() error {
		c := &paperControl{m: shard.Map{Version: 7, Phase: shard.DarkReads}}
		err := l.subject.HandOver(ctx, c, c.settle, flipped)
		closed, open := slices.Index(c.events, "settled behind closed fences"), slices.Index(c.events, "new map")
		if err != nil || closed < 0 || open < closed || c.m.Phase != shard.Flipped || c.m.Version != 8 {
			return &lab.Failure{
				Expected: "homes to change while all fences are closed, after the last copy: fences closed, settled, new map, fences opened",
				Seen:     fmt.Sprintf("%q, map version %d, phase %s, %s", c.events, c.m.Version, c.m.Phase, seenError(err)),
				Look:     lookHandOver("which of Control.Publish and Control.Switch closes the fences?"),
			}
		}
		refused := errors.New("refused by the check")
		c = &paperControl{m: shard.Map{Version: 7, Phase: shard.DarkReads}, fails: refused}
		if err = l.subject.HandOver(ctx, c, c.settle, flipped); err == nil || c.m.Version != 7 {
			return &lab.Failure{
				Expected: "an error, and the map as before, when the fences cannot be closed",
				Seen:     fmt.Sprintf("%s, and map version %d, where it was 7", seenError(err), c.m.Version),
				Look:     lookHandOver("which error is worth another try?"),
			}
		}
		return nil
	})
}

func (c *paperControl) settle(context.Context) error {
	if c.closed {
		c.events = append(c.events, "settled behind closed fences")
		return nil
	}
	c.events = append(c.events, "settled")
	return nil
}

// flipped is a mover.Next.
func flipped(_ context.Context, now shard.Map) (shard.Map, error) {
	now.Phase = shard.Flipped
	return now, nil
}

// uncopied leaves a write at home without its copy, as a replica that dies does. Then a mover changes
// homes. The map is in phase flipped, and the mover goes back by one phase, because no check of the
// mover's own stands between.
func (l *trial) uncopied(ctx context.Context, _ *lab.Run) error {
	c, end, m, err := l.moving(ctx)
	defer end()
	if err != nil {
		return err
	}
	m.Phase = shard.Flipped
	if err := c.arrange(ctx, m); err != nil {
		return err
	}
	user := c.users[0]
	if err := c.strand(ctx, user); err != nil {
		return err
	}
	if err := l.moveInProcess(ctx, c, shard.DarkReads.String()); err != nil {
		return err
	}
	return c.wantStrandedAtHome(ctx, user, "after a move back to dark-reads")
}

// byOwnMover runs a check of the mover on the one that the deep dive writes.
func (l *trial) byOwnMover(check func(context.Context, *lab.Run) error) func(context.Context, *lab.Run) error {
	return func(ctx context.Context, run *lab.Run) error {
		given := l.role
		l.role = "own-mover"
		defer func() { l.role = given }()
		return check(ctx, run)
	}
}
