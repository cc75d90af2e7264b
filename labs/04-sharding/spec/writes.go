package spec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// closedForWriters is how long a check keeps fences closed while writers wait. The lesson allows
	// a switch to take 2 seconds, and writers try for 3.
	closedForWriters = time.Second
	// attempts is how often a check tries a scenario that a slow machine can spoil. soonEnough is
	// the part of the subject's one second that the check may use up before it counts as spoiled.
	attempts   = 5
	soonEnough = 400 * time.Millisecond
	// copyWithin is the subject's one second. A write that took as long may have given its copy up for want of time.
	copyWithin = time.Second
)

func lookWrite(hint string) lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.Write", Hint: hint}
}

func lookFence(hint string) lab.Look { return lab.Look{File: "stores.go", Func: "byMap", Hint: hint} }

func lookMark(hint string) lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.marked", Hint: hint}
}

func lookMirror(hint string) lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.mirror", Hint: hint}
}

// aWrite sets a cart, and demands that the call ends.
func aWrite(ctx context.Context, r *replica, user bytebites.UserID, portions int) (ended, error) {
	return ends(ctx, begin(lookWrite(""), func() error { return r.setCart(ctx, user, portions) }), "a write", lookWrite("how long may each part of a write take?"))
}

// doubleWrites writes in each phase, and looks at all servers.
func (l *trial) doubleWrites(ctx context.Context, _ *lab.Run) error {
	portions := quantityBefore
	return l.inEachPhase(ctx, shard.Phases(), func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		for _, user := range c.users {
			portions++
			e, err := aWrite(ctx, r, user, portions)
			if err != nil {
				return err
			}
			if e.err != nil {
				return &lab.Failure{Expected: "a write in phase " + m.Phase.String() + " to be stored", Seen: seenError(e.err), Look: lookWrite("")}
			}
			if err := c.wantWritten(ctx, m, user, portions); err != nil {
				return unlessLate(e, err)
			}
		}
		return nil
	})
}

// unlessLate returns a doubt instead of a failure about the copy of a write that took too long.
func unlessLate(write ended, err error) error {
	var failure *lab.Failure
	if write.took < copyWithin || !errors.As(err, &failure) {
		return err
	}
	return &lab.Doubt{
		Reason: fmt.Sprintf("the machine was too slow: a write took %s, and a copy may take %s", write.took.Round(time.Millisecond), copyWithin),
		Remedy: "close what else runs on this machine, and check again",
	}
}

// wantWritten demands that a write is on home and mirror, copied by its mark, and on no other server.
func (c *cluster) wantWritten(ctx context.Context, m shard.Map, user bytebites.UserID, portions int) error {
	place := c.place(m, user)
	if _, err := c.awaitCart(ctx, place.Mirror, user, portions); err != nil {
		return err
	}
	on, err := c.cartsOn(ctx, user)
	if err != nil {
		return err
	}
	for server, is := range on {
		belongs := shard.Server(server) == place.Home || shard.Server(server) == place.Mirror
		if belongs == (is == portions) {
			continue
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("in phase %s a write of %s on home %d and mirror %d, and on no other server", m.Phase, named(m, user), place.Home, place.Mirror),
			Seen:     fmt.Sprintf("carts of %v portions on the servers 0 to %d, where %d were written", on, len(on)-1, portions),
			Look:     lookWrite("which server is written first, and where does the copy go?"),
		}
	}
	if !place.Mirrored() {
		return nil
	}
	return c.wantStanding(ctx, place.Home, user, true)
}

// wantStanding demands that a write to a home has raised the mark there (it was at version 1), and
// that it is noted as copied, or is not.
func (c *cluster) wantStanding(ctx context.Context, home shard.Server, user bytebites.UserID, copied bool) error {
	for deadline := time.Now().Add(settlesWithin); ; {
		s, err := c.standing(ctx, home, user)
		if err != nil {
			return err
		}
		if s.Version > 1 && s.Copied == copied {
			return nil
		}
		if time.Now().After(deadline) || !copied {
			var waited lab.Waited
			if copied {
				waited = lab.Last(settlesWithin)
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("a mark at home that the write has raised from version 1, copied: %t", copied),
				Seen:     fmt.Sprintf("version %d, copied: %t", s.Version, s.Copied), Waited: waited,
				Look: lookMark("what does the mover find of a write whose copy did not arrive? See shard.Mark and shard.Copied"),
			}
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}

// marksWithRows demands that a write and its mark commit together: the one is never there without
// the other.
func (l *trial) marksWithRows(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, []shard.Phase{shard.DoubleWrites, shard.Flipped}, func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		user := c.users[0]
		home := c.place(m, user).Home
		if err := c.refuse(ctx, home, "shard_marks"); err != nil {
			return err
		}
		e, err := aWrite(ctx, r, user, 2)
		if err != nil {
			return err
		}
		is, err := c.cart(ctx, home, user)
		if err != nil {
			return err
		}
		if e.err == nil || is != quantityBefore {
			return &lab.Failure{
				Expected: "no write without its mark: an error, and the cart as before, when the mark cannot be written",
				Seen:     fmt.Sprintf("%s, and a cart of %d portions at home (%d before)", seenError(e.err), is, quantityBefore),
				Look:     lookMark("call shard.Mark with the context of the change, so that both are in one transaction"),
			}
		}
		if err := c.allow(ctx, home, "shard_marks"); err != nil {
			return err
		}
		if err := c.wantMarkUnseen(ctx, r, user, home); err != nil {
			return err
		}
		// The copy may come after the answer. The next phase arranges the rows anew, and must not meet it.
		return c.wantStanding(ctx, home, user, true)
	})
}

// wantMarkUnseen places an order, and looks at the mark from outside before the order commits. A
// mover that saw the mark then would copy the rows from before, and the order would be lost.
func (c *cluster) wantMarkUnseen(ctx context.Context, r *replica, user bytebites.UserID, home shard.Server) error {
	before, err := c.standing(ctx, home, user)
	if err != nil {
		return err
	}
	var during shard.Standing
	order := bytebites.Order{
		ID: c.subject.Router.NewOrderID(user), User: user, Status: bytebites.OrderPlaced, Total: 100, PlacedAt: time.Now(),
		Lines: []bytebites.OrderLine{{Meal: "m0001", Name: "Soup", Quantity: 1, Price: 100}},
	}
	done := begin(lookWrite(""), func() error {
		return r.stores.Orders.Place(ctx, order, func(context.Context) (err error) {
			during, err = c.standing(ctx, home, user)
			return err
		})
	})
	e, err := ends(ctx, done, "an order", lookWrite("how long may a write take?"))
	if err != nil {
		return err
	}
	after, err := c.standing(ctx, home, user)
	if err != nil {
		return err
	}
	if e.err != nil || during.Version != before.Version || after.Version <= before.Version {
		return &lab.Failure{
			Expected: fmt.Sprintf("a mark at version %d until the order commits, and a later version from then on", before.Version),
			Seen:     fmt.Sprintf("version %d before the commit and %d after it; %s", during.Version, after.Version, seenError(e.err)),
			Look:     lookMark("call shard.Mark with the context of the change, so that both are in one transaction"),
		}
	}
	return nil
}

// failedCopies makes copies fail in several ways. The write must be answered as stored, and its mark
// must tell the mover.
func (l *trial) failedCopies(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, []shard.Phase{shard.Backfill, shard.Flipped}, func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		refused, hung := c.users[0], c.users[1]
		mirror := c.place(m, refused).Mirror
		if err := c.refuse(ctx, mirror, "cart_lines"); err != nil {
			return err
		}
		if err := c.wantCopyFailed(ctx, r, m, refused, "while the mirror refuses the copy"); err != nil {
			return err
		}
		if err := c.allow(ctx, mirror, "cart_lines"); err != nil {
			return err
		}
		release, err := hold(ctx, c.theirs.servers[mirror])
		if err != nil {
			return err
		}
		defer release()
		return c.wantCopyFailed(ctx, r, m, hung, "while the mirror hangs")
	})
}

// copiesFailed is the counter behind Meter.CopyFailed.
const copiesFailed = "bytebites_copies_failed_total"

// wantCopyFailed writes, and demands an answer without an error, a mark that is ahead of the copy,
// a count and a line in the log.
func (c *cluster) wantCopyFailed(ctx context.Context, r *replica, m shard.Map, user bytebites.UserID, when string) error {
	counted, err := r.counter(copiesFailed)
	if err != nil {
		return err
	}
	logged := len(r.log.String())
	e, err := aWrite(ctx, r, user, 2)
	if err != nil {
		return err
	}
	home := c.place(m, user).Home
	is, err := c.cart(ctx, home, user)
	if err != nil {
		return err
	}
	if e.err != nil || is != 2 {
		return &lab.Failure{
			Expected: "a write to be stored at home and answered without an error " + when,
			Seen:     fmt.Sprintf("%s, and a cart of %d portions at home, where 2 were written", seenError(e.err), is),
			Look:     lookMirror("the write is stored at home: count and log a failed copy, and return nil"),
		}
	}
	if err := c.wantStanding(ctx, home, user, false); err != nil {
		return err
	}
	// A copy in the background fails later than the answer.
	for deadline := time.Now().Add(settlesWithin); ; {
		now, err := r.counter(copiesFailed)
		if err != nil {
			return err
		}
		if now > counted && len(r.log.String()) > logged {
			return nil
		}
		if time.Now().After(deadline) {
			return &lab.Failure{
				Expected: "a copy that failed to be counted and logged " + when,
				Seen:     fmt.Sprintf("%s at %g, %g before; %d bytes in the log", copiesFailed, now, counted, len(r.log.String())-logged),
				Look:     lookMirror("count a failed copy by s.meter.CopyFailed, and log it"),
			}
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}

// lateCopy has a copy arrive after a newer one.
func (l *trial) lateCopy(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, []shard.Phase{shard.Backfill, shard.Flipped}, func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		return spoilable(ctx, func(try int) (bool, error) { return c.overtakes(ctx, r, m, c.users[try]) })
	})
}

// clientLeaves has a client disconnect between the two halves of a double write.
func (l *trial) clientLeaves(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, []shard.Phase{shard.Backfill, shard.Flipped}, func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		return spoilable(ctx, func(try int) (bool, error) { return c.outlivesClient(ctx, r, m, c.users[try]) })
	})
}

// spoilable runs a scenario until the machine has not spoiled it.
func spoilable(_ context.Context, run func(try int) (valid bool, err error)) error {
	for try := range attempts {
		if valid, err := run(try); err != nil || valid {
			return err
		}
	}
	return &lab.Doubt{Reason: fmt.Sprintf("the machine was too slow %d times: a write took more than %s before its copy began, or its copy more than %s", attempts, soonEnough, copyWithin)}
}

// overtakes stops a copy when it changes the mirror, and brings a newer one there meanwhile.
func (c *cluster) overtakes(ctx context.Context, r *replica, m shard.Map, user bytebites.UserID) (valid bool, err error) {
	place := c.place(m, user)
	failed, err := r.counter(copiesFailed)
	if err != nil {
		return false, err
	}
	var done <-chan ended
	waited := false
	// Readers of the mirror pass these locks, and writers wait.
	err = shard.Transact(ctx, c.servers[place.Mirror], func(ctx context.Context) error {
		q := postgres.Join(ctx, c.servers[place.Mirror])
		if _, err := q.ExecContext(ctx, `SELECT FROM shard_marks WHERE user_id = $1 FOR UPDATE`, string(user)); err != nil {
			return fmt.Errorf("lock mark: %w", err)
		}
		if _, err := q.ExecContext(ctx, `LOCK TABLE `+strings.Join(userTables(), ", ")+` IN EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("lock mirror: %w", err)
		}
		done = begin(lookWrite(""), func() error { return r.setCart(ctx, user, 2) })
		if waited, err = c.awaitLocked(ctx, place.Mirror); err != nil || !waited {
			return err
		}
		return c.newer(ctx, m, user, 3)
	})
	if err != nil {
		return false, err
	}
	if _, err := ends(ctx, done, "a write", lookWrite("")); err != nil {
		return false, err
	}
	if err := rig.Pause(ctx, 20*lookPause); err != nil { // a copy in the background is there by then
		return false, err
	}
	is, err := c.cart(ctx, place.Mirror, user)
	if err != nil {
		return false, err
	}
	if waited && is != 3 {
		return false, &lab.Failure{
			Expected: "a mirror that keeps a copy of 3 portions when an older copy of 2 arrives after it",
			Seen:     fmt.Sprintf("%d portions on the mirror", is),
			Look:     lab.Look{File: "copy.go", Func: "copier.copy", Hint: "which rows does a copy that comes late replace? See shard.Outdated"},
		}
	}
	now, err := r.counter(copiesFailed)
	return waited && now == failed, err
}

// awaitLocked waits until a statement on a server waits for a lock.
func (c *cluster) awaitLocked(ctx context.Context, server shard.Server) (bool, error) {
	for deadline := time.Now().Add(settlesWithin); time.Now().Before(deadline); {
		var waiting int
		err := c.servers[server].QueryRowContext(ctx,
			`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			return false, fmt.Errorf("look for locks on server %d: %w", server, err)
		}
		if waiting > 0 {
			return true, nil
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return false, err
		}
	}
	return false, nil
}

// newer writes a cart at home and copies it to the mirror, as another replica does.
func (c *cluster) newer(ctx context.Context, m shard.Map, user bytebites.UserID, portions int) error {
	place := c.place(m, user)
	home, mirror := c.servers[place.Home], c.servers[place.Mirror]
	err := shard.Transact(ctx, home, func(ctx context.Context) error {
		if err := shard.Mark(ctx, home, user); err != nil {
			return err
		}
		return postgres.NewCarts(home).SetCart(ctx, user, []bytebites.Line{{Meal: "m0001", Quantity: portions}})
	})
	if err != nil {
		return err
	}
	read, err := shard.Read(ctx, home, []bytebites.UserID{user})
	if err != nil {
		return err
	}
	outdated, err := shard.Outdated(ctx, mirror, read)
	if err != nil {
		return err
	}
	if err := shard.Replace(ctx, mirror, read.Only(outdated)); err != nil {
		return err
	}
	return shard.Copied(ctx, home, read)
}

// outlivesClient ends the caller's context between the two halves of a double write.
func (c *cluster) outlivesClient(ctx context.Context, r *replica, m shard.Map, user bytebites.UserID) (valid bool, err error) {
	place := c.place(m, user)
	mirror := c.theirs.servers[place.Mirror]
	release, err := hold(ctx, mirror)
	if err != nil {
		return false, err
	}
	defer release()
	client, leaves := context.WithCancel(ctx)
	defer leaves()
	waiting, began := mirror.Stats().WaitCount, time.Now()
	done := begin(lookWrite(""), func() error { return r.setCart(client, user, 2) })
	if waits, err := awaitWaiting(ctx, mirror, waiting); err != nil || !waits {
		return false, err
	}
	leaves()
	if err := rig.Pause(ctx, 10*lookPause); err != nil { // a copy that ends with its client ends now
		return false, err
	}
	release()
	took := time.Since(began)
	write, err := ends(ctx, done, "a write", lookWrite(""))
	if err != nil || took > soonEnough {
		return false, err
	}
	is, err := c.awaitCart(ctx, place.Mirror, user, 2)
	if err != nil {
		return false, err
	}
	if is != 2 && write.took >= copyWithin {
		return false, nil
	}
	if is != 2 {
		return false, &lab.Failure{
			Expected: "a write to be copied although its client disconnected after the commit at home",
			Seen:     fmt.Sprintf("2 portions at home and %d on the mirror", is),
			Look:     lookMirror("use a context that does not end with the client"),
		}
	}
	return true, nil
}

// closedFence has subscribers write while the homes change.
func (l *trial) closedFence(ctx context.Context, _ *lab.Run) error {
	c, end, m, err := l.moving(ctx)
	defer end()
	if err != nil {
		return err
	}
	m.Phase = shard.DarkReads
	if err := c.arrange(ctx, m); err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	if err := c.writeDuringSwitch(ctx, r, m); err != nil {
		return err
	}
	m.Phase = shard.Flipped
	if err := spoilable(ctx, func(int) (bool, error) { return c.writeByOldMap(ctx, r, &m) }); err != nil {
		return err
	}
	return c.writeAtClosedFence(ctx, r, m)
}

// writeDuringSwitch has all subscribers write while fences are closed, and then changes their homes.
func (c *cluster) writeDuringSwitch(ctx context.Context, r *replica, m shard.Map) (err error) {
	mover, err := c.mover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mover.Close()) }()
	next := m
	next.Phase = shard.Flipped
	writing := make([]<-chan ended, len(c.users))
	var early []ended
	err = mover.Switch(ctx, func(ctx context.Context) error {
		for i, user := range c.users {
			writing[i] = begin(lookWrite(""), func() error { return r.setCart(ctx, user, 2) })
		}
		for until := time.Now().Add(closedForWriters); time.Now().Before(until); {
			for i, done := range writing {
				select {
				case e := <-done:
					early = append(early, e)
					again := make(chan ended, 1)
					again <- e
					writing[i] = again
				default:
				}
			}
			if len(early) > 0 {
				return nil
			}
			if err := rig.Pause(ctx, lookPause); err != nil {
				return err
			}
		}
		return nil
	}, func(context.Context) (shard.Map, error) { return next, nil })
	if err != nil {
		return err
	}
	for _, e := range early {
		return &lab.Failure{
			Expected: fmt.Sprintf("writers to wait while fences are closed for %s, and to write when they are open again", closedForWriters),
			Seen:     fmt.Sprintf("after %s, with the fences still closed: %s", e.took.Round(time.Millisecond), seenError(e.err)),
			Look:     lookFence("what does a writer do after shard.ErrMoved? It has written nothing"),
		}
	}
	for i, done := range writing {
		e, err := ends(ctx, done, "a write that met a switch", lookFence("when does it stop trying?"))
		if err != nil {
			return err
		}
		if err := c.wantAtHome(ctx, next, c.users[i], 2, e.err, "a write that met a switch"); err != nil {
			return err
		}
	}
	return nil
}

// wantAtHome demands that a write that was answered is at home by the map, and one that was refused
// is refused as busy.
func (c *cluster) wantAtHome(ctx context.Context, m shard.Map, user bytebites.UserID, portions int, failure error, what string) error {
	home := c.place(m, user).Home
	is, err := c.cart(ctx, home, user)
	if err != nil {
		return err
	}
	if failure == nil && is == portions || errors.Is(failure, bytebites.ErrBusy) && is != portions {
		return nil
	}
	return &lab.Failure{
		Expected: fmt.Sprintf("%s to be on server %d, which is home now, or to be refused as busy and to be nowhere", what, home),
		Seen:     fmt.Sprintf("%s, and %d portions on server %d where %d were written", seenError(failure), is, home, portions),
		Look:     lookFence("does the write go through the fence of the home, and read the map again after ErrMoved? See shard.Within and Maps.Refresh"),
	}
}

// writeByOldMap changes all homes while the replica cannot read the map, and has a subscriber write
// by the old map. m is the map before, and becomes the map after.
func (c *cluster) writeByOldMap(ctx context.Context, r *replica, m *shard.Map) (valid bool, err error) {
	next := *m
	if next.Phase == shard.Flipped {
		next.Phase = shard.DarkReads
	} else {
		next.Phase = shard.Flipped
	}
	release, err := hold(ctx, c.theirs.control)
	if err != nil {
		return false, err
	}
	defer release()
	began := time.Now()
	mover, err := c.mover(ctx)
	if err != nil {
		return false, err
	}
	err = mover.Switch(ctx, func(context.Context) error { return nil }, func(context.Context) (shard.Map, error) { return next, nil })
	if err := errors.Join(err, mover.Close()); err != nil {
		return false, err
	}
	*m = next
	user := c.users[0]
	was, err := c.cart(ctx, c.place(next, user).Home, user)
	if err != nil {
		return false, err
	}
	portions := was + 1
	done := begin(lookWrite(""), func() error { return r.setCart(ctx, user, portions) })
	if err := rig.Pause(ctx, 20*lookPause); err != nil {
		return false, err
	}
	release()
	took := time.Since(began)
	e, err := ends(ctx, done, "a write by an old map", lookFence("when does it stop trying?"))
	if err != nil {
		return false, err
	}
	if err := c.wantAtHome(ctx, next, user, portions, e.err, "a write by a replica with an old map"); err != nil {
		return false, err
	}
	if e.err != nil && took < soonEnough {
		return false, &lab.Failure{
			Expected: fmt.Sprintf("a writer with an old map to read the new one, which it can after %s, and to write", took.Round(time.Millisecond)),
			Seen:     seenError(e.err), Look: lookFence("what does a writer do after shard.ErrMoved? It has written nothing"),
		}
	}
	return e.err == nil, nil
}

// writeAtClosedFence closes all fences for good. A writer must give up.
func (c *cluster) writeAtClosedFence(ctx context.Context, r *replica, m shard.Map) (err error) {
	mover, err := c.mover(ctx) // while it lives, no replica opens its fences
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mover.Close()) }()
	for server := range c.servers {
		if err := c.exec(ctx, shard.Server(server), `UPDATE shard_fence SET open = false, moved_at = clock_timestamp()`); err != nil {
			return err
		}
	}
	user := c.users[1]
	before, err := c.cartsOn(ctx, user)
	if err != nil {
		return err
	}
	const portions = 9
	e, err := ends(ctx, begin(lookWrite(""), func() error { return r.setCart(ctx, user, portions) }),
		"a write whose fence stays closed", lookFence("give up after movedRetryFor"))
	if err != nil {
		return err
	}
	after, err := c.cartsOn(ctx, user)
	if err != nil {
		return err
	}
	if !errors.Is(e.err, bytebites.ErrBusy) || fmt.Sprint(after) != fmt.Sprint(before) {
		return &lab.Failure{
			Expected: "bytebites.ErrBusy, and no write, while a fence stays closed in phase " + m.Phase.String(),
			Seen:     fmt.Sprintf("%s; carts of %v portions on the servers, %v before", seenError(e.err), after, before),
			Look:     lookFence("after movedRetryFor return an error that matches bytebites.ErrBusy"),
		}
	}
	return nil
}
