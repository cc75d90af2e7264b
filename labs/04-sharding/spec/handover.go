package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

// handOverTimeout bounds the calls of HandOver. One call waits for its own limit.
const handOverTimeout = 30 * time.Second

func lookHandOver(hint string) lab.Look {
	return lab.Look{File: "migrate.go", Func: "HandOver", Hint: hint}
}

// writersTry is how long a write is tried again while fences are closed. closedTooLong is the longest
// time that fences may be closed. It is shorter, so that writers have a reserve.
const (
	writersTry    = 3 * time.Second
	closedTooLong = writersTry - writersTry/6
)

// paperControl is a mover.Control without servers. It records the calls in order.
type paperControl struct {
	m       shard.Map
	closed  bool
	events  []string
	fails   error // of Switch, before anything is closed
	hangs   int   // how many switches cannot settle before their context ends
	overran bool  // a context of settle outlasted closedTooLong
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

const (
	switchBegins = "switch"
	fencesClosed = "fences closed"
	fencesOpened = "fences opened"
	settledOpen  = "settled"
	settledShut  = "settled behind closed fences"
)

func (c *paperControl) Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error {
	if c.fails != nil {
		c.events = append(c.events, switchBegins)
		return c.fails
	}
	if ctx.Err() != nil {
		return ctx.Err() //nolint:wrapcheck // as the real control
	}
	c.closed = true
	c.events = append(c.events, fencesClosed)
	defer func() { c.closed, c.events = false, append(c.events, fencesOpened) }()
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

// times returns how often an event was recorded.
func times(events []string, event string) int {
	n := 0
	for _, e := range events {
		if e == event {
			n++
		}
	}
	return n
}

func (c *paperControl) SaveCursor(context.Context, bytebites.UserID) error { return nil }

func (c *paperControl) DarkReads(context.Context) (int, int, error) { return 0, 0, nil }

// handOver changes homes on paper.
func (l *trial) handOver(ctx context.Context, _ *lab.Run) error {
	if l.subject.HandOver == nil {
		return nil // an answer whose mover has no such part
	}
	return allAnswered(ctx, handOverTimeout, lookHandOver(""), l.handsOver, l.isRefused, l.cannotCopy, l.isStopped, l.isLate)
}

// handsOver changes homes with a control that answers at once.
func (l *trial) handsOver(ctx context.Context) error {
	c := paper()
	inside, bounded := false, false // next was called behind closed fences, with a limit
	err := l.subject.HandOver(ctx, c, c.settle, func(ctx context.Context, now shard.Map) (shard.Map, error) {
		inside = c.closed
		end, ok := ctx.Deadline()
		bounded = ok && time.Until(end) <= closedTooLong
		return flipped(ctx, now)
	})
	settled, open := slices.Index(c.events, settledShut), slices.Index(c.events, "new map")
	if err != nil || settled < 0 || open < settled || c.m.Phase != shard.Flipped || c.m.Version != 8 {
		return &lab.Failure{
			Expected: "homes to change while all fences are closed, after the last copy: fences closed, settled, new map, fences opened",
			Seen:     fmt.Sprintf("%q, map version %d, phase %s, %s", c.events, c.m.Version, c.m.Phase, seenError(err)),
			Look:     lookHandOver("which of Control.Publish and Control.Switch closes the fences?"),
		}
	}
	if !inside {
		return &lab.Failure{
			Expected: "the new map chosen behind closed fences", Seen: "a map from before they closed", Look: lookHandOver("call next in the function that you pass to Control.Switch: it looks for the last id that exists"),
		}
	}
	if !bounded {
		return &lab.Failure{
			Expected: "next to get a context that ends within 2 seconds: it runs behind closed fences", Seen: "one without that limit",
			Look: lookHandOver("bound the switch by closedTimeout, and pass the context of Control.Switch on to next"),
		}
	}
	if before := slices.Index(c.events, settledOpen); before < 0 || before > slices.Index(c.events, fencesClosed) {
		return &lab.Failure{
			Expected: "most copies to be made while subscribers still write", Seen: fmt.Sprintf("%q", c.events), Look: lookHandOver("call settle before the switch too, so that writers wait for few copies"),
		}
	}
	return nil
}

// isRefused has a control that cannot close the fences. A server that gave up by its own limit says so with the
// error of a context, long before closedTimeout.
func (l *trial) isRefused(ctx context.Context) error {
	for _, refusal := range []error{
		errors.New("refused by the check"),
		fmt.Errorf("refused by the check: %w", context.DeadlineExceeded),
		fmt.Errorf("refused by the check: %w", bytebites.ErrBusy),
	} {
		c := paper()
		c.fails = refusal
		err := l.subject.HandOver(ctx, c, c.settle, flipped)
		if tries := times(c.events, switchBegins); err == nil || c.m.Version != 7 || tries != 1 {
			return &lab.Failure{
				Expected: "an error after one try, and the map as before, when the fences cannot be closed",
				Seen:     fmt.Sprintf("%s after %d tries, and map version %d, where it was 7", seenError(err), tries, c.m.Version),
				Look:     lookHandOver("which error is worth another try? Has the context of closedTimeout ended?"),
			}
		}
	}
	return nil
}

// cannotCopy has a settle that fails while subscribers write. It would fail behind the fences too, and writers
// would wait for nothing.
func (l *trial) cannotCopy(ctx context.Context) error {
	c, tries := paper(), 0
	broken := errors.New("broken by the check")
	err := l.subject.HandOver(ctx, c, func(context.Context) error { tries++; return broken }, flipped)
	if closed := times(c.events, fencesClosed); !errors.Is(err, broken) || closed > 0 || tries != 1 || c.m.Version != 7 {
		return &lab.Failure{
			Expected: "the error of settle after one try, and fences that stay open, when copies cannot be made before the switch",
			Seen:     fmt.Sprintf("%s after %d tries, fences closed %d times, and map version %d, where it was 7", seenError(err), tries, closed, c.m.Version),
			Look:     lookHandOver("return an error of settle (with %w) before you call Control.Switch"),
		}
	}
	return nil
}

// isStopped has the mover told to stop while its fences are closed.
func (l *trial) isStopped(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, goesOn := paper(), false
	err := l.subject.HandOver(ctx, c, func(ctx context.Context) error {
		if !c.closed {
			return nil
		}
		stop()
		goesOn = ctx.Err() == nil
		return context.Canceled
	}, flipped)
	if closed := times(c.events, fencesClosed); goesOn || closed != 1 || err == nil || c.m.Version != 7 {
		return &lab.Failure{
			Expected: "a switch that ends with the mover's context, and no other try",
			Seen:     fmt.Sprintf("fences closed %d times, %s; the switch went on: %t", closed, seenError(err), goesOn),
			Look:     lookHandOver("the context of closedTimeout is a child of ctx"),
		}
	}
	return nil
}

// isLate has controls that reach the limit of a switch: one before the map is published, and one just after.
// Each waits for its limit, so they run side by side.
func (l *trial) isLate(ctx context.Context) error {
	var group errgroup.Group
	for _, late := range []func(context.Context) error{l.settlesLate, l.publishesLate} {
		group.Go(func() error { return guarded(lookHandOver(""), func() error { return late(ctx) }) })
	}
	return group.Wait() //nolint:wrapcheck // the verdict
}

// settlesLate has a control whose first switch cannot settle in time. The error is that of a database which has
// cancelled a statement, so it does not name the context.
func (l *trial) settlesLate(ctx context.Context) error {
	c := paper()
	c.hangs = 1
	err := l.subject.HandOver(ctx, c, c.settle, flipped)
	switch {
	case c.overran:
		return &lab.Failure{
			Expected: fmt.Sprintf("fences that open again within 2 seconds when a switch cannot settle: writers try for %s", writersTry), Seen: fmt.Sprintf("closed for more than %s", closedTooLong),
			Look: lookHandOver("bound the switch by closedTimeout, and pass the context of Control.Switch on to settle"),
		}
	case err != nil || c.m.Phase != shard.Flipped || times(c.events, fencesClosed) != 2:
		return &lab.Failure{
			Expected: "a second try after a switch that could not settle in time", Seen: fmt.Sprintf("%q, phase %s, %s", c.events, c.m.Phase, seenError(err)),
			Look: lookHandOver("each try has a limit of its own; the mover begins again when the context of that limit has ended, whatever the error says"),
		}
	}
	again := slices.Index(c.events, fencesOpened)
	if again < 0 || !slices.Contains(c.events[again:], settledOpen) {
		return &lab.Failure{
			Expected: "copies to be made while subscribers write, before the second try too", Seen: fmt.Sprintf("%q", c.events),
			Look: lookHandOver("begin again: settle, then switch. Subscribers wrote between the two tries"),
		}
	}
	return nil
}

// publishesLate has a switch that publishes its map when the limit has just ended. Homes have changed then.
func (l *trial) publishesLate(ctx context.Context) error {
	c := paper()
	err := l.subject.HandOver(ctx, c, c.settle, func(ctx context.Context, now shard.Map) (shard.Map, error) {
		if !slices.Contains(c.events, "new map") {
			select {
			case <-ctx.Done():
			case <-time.After(2 * closedTooLong):
			}
		}
		return flipped(ctx, now)
	})
	if closed := times(c.events, fencesClosed); err != nil || closed != 1 || c.m.Phase != shard.Flipped {
		return &lab.Failure{
			Expected: "no other try after a switch that has published its map", Seen: fmt.Sprintf("%q, phase %s, %s", c.events, c.m.Phase, seenError(err)),
			Look: lookHandOver("Control.Switch returned no error: homes have changed, also if the limit has ended meanwhile"),
		}
	}
	return nil
}

// paper returns a control before the flip.
func paper() *paperControl { return &paperControl{m: shard.Map{Version: 7, Phase: shard.DarkReads}} }

// settle has all copies made at once, but for the switches that hang.
func (c *paperControl) settle(ctx context.Context) error {
	if !c.closed {
		c.events = append(c.events, settledOpen)
		return nil
	}
	c.events = append(c.events, settledShut)
	if c.hangs == 0 {
		return nil
	}
	c.hangs--
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(2 * closedTooLong): // a busy machine wakes this late, so it decides nothing yet
	}
	// A deadline tells more exactly than the clock when the context was to end.
	end := time.Now()
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	if end.Sub(began) > closedTooLong {
		c.overran = true
	}
	if ctx.Err() == nil {
		return errors.New("the check ends a settle without a limit")
	}
	return errors.New("canceling statement due to user request, by the check")
}

// flipped is a mover.Next.
func flipped(_ context.Context, now shard.Map) (shard.Map, error) {
	now.Phase = shard.Flipped
	return now, nil
}

// uncopied leaves a write at home without its copy, as a replica that dies does. Then a mover changes
// homes. The map is in phase flipped, and the mover goes back by one phase, because no check of the
// mover's own stands between.
func (l inProcess) uncopied(ctx context.Context, _ *lab.Run) error {
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
