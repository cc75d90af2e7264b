package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// stranded is the number of portions of a write whose copy never arrived.
	stranded = 8
	// fastClock is how far the clock of a replica is ahead that once made an id.
	fastClock = time.Hour
	// slowBatch is how long a server takes for each batch of a backfill that is to be killed.
	slowBatch = 300 * time.Millisecond
)

// strand writes a cart at a subscriber's home and makes no copy, as a replica that dies does.
func (c *cluster) strand(ctx context.Context, user bytebites.UserID) error {
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	home := c.servers[c.place(m, user).Home]
	return shard.Within(ctx, home, m.Version, func(ctx context.Context) error {
		if err := shard.Mark(ctx, home, user); err != nil {
			return err
		}
		return postgres.NewCarts(home).SetCart(ctx, user, []bytebites.Line{{Meal: "m0001", Quantity: stranded}})
	})
}

// wantStrandedAtHome demands that a write whose copy never arrived is at the present home.
func (c *cluster) wantStrandedAtHome(ctx context.Context, user bytebites.UserID, when string) error {
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	home := c.place(m, user).Home
	is, err := c.cart(ctx, home, user)
	if err != nil {
		return err
	}
	if is != stranded {
		return &lab.Failure{
			Expected: fmt.Sprintf("a write whose copy had not arrived to be on server %d, the home %s", home, when),
			Seen:     fmt.Sprintf("a cart of %d portions, where %d were written", is, stranded),
			Look:     lab.Look{File: "copy.go", Func: "settle", Hint: "which copies must be made before homes change? See shard.Uncopied"},
		}
	}
	return nil
}

// wholeMove moves everybody to flipped, back, and to the end, while subscribers write.
func (l inProcess) wholeMove(ctx context.Context, _ *lab.Run) (err error) {
	c, end, err := l.prepareMove(ctx, 2)
	defer end()
	if err != nil {
		return err
	}
	early := bytebites.NewUserID(time.Now().Add(fastClock))
	c.users = append(c.users, early)
	if err := c.join(ctx, shard.Old, pq.StringArray{string(early)}); err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	load := c.startTraffic(ctx, r)
	unlucky := c.users[movedUsers/2]
	for _, leg := range []struct {
		goal   string
		strand bool
	}{{"verify", true}, {"flipped", true}, {"back", false}, {"done", false}} {
		if err := l.moveInProcess(ctx, c, leg.goal); err != nil {
			return errors.Join(err, load.end())
		}
		if leg.goal == "flipped" || leg.goal == "back" {
			if err := c.wantStrandedAtHome(ctx, unlucky, "after a move to "+leg.goal); err != nil {
				return errors.Join(err, load.end())
			}
		}
		if leg.strand {
			if err := c.strand(ctx, unlucky); err != nil {
				return errors.Join(err, load.end())
			}
		}
	}
	if err := load.end(); err != nil {
		return err
	}
	if err := c.wantSafe(ctx); err != nil {
		return err
	}
	if err := c.wantNewBehind(ctx, early); err != nil {
		return err
	}
	return l.wantDone(ctx, c, load, unlucky)
}

// wantNewBehind demands that no subscriber from before a move counts as new.
func (c *cluster) wantNewBehind(ctx context.Context, last bytebites.UserID) error {
	all, err := c.maps(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.NewFrom != "" && m.NewFrom <= last {
			return &lab.Failure{
				Expected: fmt.Sprintf("NewFrom behind the largest id that there is, %s, which a replica with a fast clock made", last), Seen: string(m.NewFrom),
				Look: lookMover("what does the clock of the mover know of ids that exist?"),
			}
		}
	}
	return nil
}

// wantDone demands that everybody is where the last map says, and that there is no way back.
func (l inProcess) wantDone(ctx context.Context, c *cluster, load *traffic, unlucky bytebites.UserID) error {
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	if err := wantShares(m.Source, serversUpTo(len(c.servers)-1)); err != nil {
		return err
	}
	if m.Phase != shard.Settled {
		return &lab.Failure{Expected: "phase settled when a mover to done has ended", Seen: "phase " + m.Phase.String(), Look: lookMover("what is the last map of a move?")}
	}
	for _, user := range c.users {
		want := quantityBefore
		if n, ok := load.written[user]; ok {
			want = n
		}
		if user == unlucky {
			want = stranded
		}
		home := c.place(m, user).Home
		is, err := c.cart(ctx, home, user)
		if err != nil {
			return err
		}
		if is != want {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s with a cart of %d portions on server %d after a move there, back and there again", user, want, home), Seen: fmt.Sprintf("%d portions", is),
				Look: lookMover("what is on a server that was left before?"),
			}
		}
	}
	failure, err := l.moved(ctx, c, "back")
	if err != nil {
		return err
	}
	now, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	if failure == nil || now.Source != m.Source || now.Phase != m.Phase {
		return &lab.Failure{
			Expected: "no way back from done: a mover to back that ends with an error and changes nothing",
			Seen:     fmt.Sprintf("phase %s, %s", now.Phase, seenError(failure)),
			Look:     lookMover("after done no write is copied to the old server: return an error"),
		}
	}
	return nil
}

// backfillResumes kills the mover between two batches of the backfill and starts it again.
func (l inProcess) backfillResumes(ctx context.Context, _ *lab.Run) error {
	c, end, err := l.prepareMove(ctx, 2)
	defer end()
	if err != nil {
		return err
	}
	for _, server := range []shard.Server{1, 2} {
		err := c.exec(ctx, server,
			fmt.Sprintf(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(%g); RETURN NULL; END $$`, slowBatch.Seconds()),
			`CREATE TRIGGER dawdles BEFORE INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION dawdle()`)
		if err != nil {
			return err
		}
	}
	run, err := l.move(ctx, c, shard.Backfill.String())
	if err != nil {
		return err
	}
	if err := c.awaitCursor(ctx, run); err != nil {
		return err
	}
	if err := run.kill(ctx); err != nil {
		return err
	}
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	first := c.users[0]
	before, err := c.standing(ctx, shard.Old, first)
	if err != nil {
		return err
	}
	if err := l.moveInProcess(ctx, c, shard.Backfill.String()); err != nil {
		return err
	}
	after, err := c.standing(ctx, shard.Old, first)
	if err != nil {
		return err
	}
	if after.Version != before.Version {
		return &lab.Failure{
			Expected: fmt.Sprintf("a mover that was killed behind %s to go on from there", m.Cursor),
			Seen:     fmt.Sprintf("%s was copied again: their mark went from version %d to %d", first, before.Version, after.Version),
			Look:     lab.Look{File: "copy.go", Func: "copier.copy", Hint: "the given backfill saves its cursor after each batch: does a copy of your own mark subscribers again?"},
		}
	}
	return c.wantAllCopied(ctx)
}

// awaitCursor waits until the mover has saved its cursor, and demands that it does so before the end.
func (c *cluster) awaitCursor(ctx context.Context, run *moveRun) error {
	for deadline := time.Now().Add(moveWithin); ; {
		m, err := shard.ReadMap(ctx, c.control)
		if err != nil {
			return err
		}
		if m.Phase == shard.Backfill && m.Cursor != "" && m.Cursor < c.users[len(c.users)-1] {
			return nil
		}
		over := false
		select {
		case <-run.done:
			over = true
		default:
		}
		if over || time.Now().After(deadline) {
			return &lab.Failure{
				Expected: fmt.Sprintf("a backfill of %d subscribers in several batches, with the cursor saved after each", len(c.users)),
				Seen:     fmt.Sprintf("phase %s, and no cursor between the first and the last subscriber", m.Phase),
				Look:     lab.Look{File: "copy.go", Func: "copier.copy", Hint: "how many subscribers are copied at a time? See shardstore.Walk and Mover.SaveCursor"},
			}
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}

// wantAllCopied demands that each subscriber's mirror has what their home has.
func (c *cluster) wantAllCopied(ctx context.Context) error {
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	for _, user := range c.users {
		place := c.place(m, user)
		home, err := shard.Sums(ctx, c.servers[place.Home], []bytebites.UserID{user})
		if err != nil {
			return err
		}
		mirror, err := shard.Sums(ctx, c.servers[place.Mirror], []bytebites.UserID{user})
		if err != nil {
			return err
		}
		if home[user].Hash != mirror[user].Hash {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s on the mirror as at home after a backfill that was killed and went on", user), Seen: "other rows",
				Look: lab.Look{File: "copy.go", Func: "copier.copy", Hint: "what is saved first, the cursor or the copy?"},
			}
		}
	}
	return nil
}

// closingEnds has a switch that cannot settle, and demands that the fences open again.
func (l inProcess) closingEnds(ctx context.Context, _ *lab.Run) (err error) {
	c, end, err := l.prepareMove(ctx, 2)
	defer end()
	if err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	load := c.startTraffic(ctx, r) // for the dark reads
	if err := l.moveInProcess(ctx, c, shard.DarkReads.String()); err != nil {
		return errors.Join(err, load.end())
	}
	if err := load.end(); err != nil {
		return err
	}
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	user := c.users[movedUsers/2]
	mirror := c.servers[c.place(m, user).Mirror]
	// The copy cannot arrive, because the mirror is locked.
	if err := c.strandAtClosing(ctx, user); err != nil {
		return err
	}
	var run *moveRun
	defer func() {
		if run != nil { // now that the mirror is free: else a statement of the mover waits for it
			_ = run.kill(context.WithoutCancel(ctx))
		}
	}()
	return shard.Transact(ctx, mirror, func(ctx context.Context) (err error) {
		q := postgres.Join(ctx, mirror)
		if _, err := q.ExecContext(ctx, `LOCK TABLE shard_marks, users, carts, cart_lines IN EXCLUSIVE MODE`); err != nil {
			return fmt.Errorf("lock mirror: %w", err)
		}
		if run, err = l.move(ctx, c, shard.Flipped.String()); err != nil {
			return err
		}
		return c.wantReopened(ctx, run)
	})
}

// strandAtClosing lets a writer turn out to have left an uncopied mark when the fence of the old server
// closes.
func (c *cluster) strandAtClosing(ctx context.Context, user bytebites.UserID) error {
	return c.exec(ctx, shard.Old,
		fmt.Sprintf(`CREATE FUNCTION strand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NOT NEW.open THEN INSERT INTO shard_marks (user_id, version) VALUES ('%s', 1)
				ON CONFLICT (user_id) DO UPDATE SET version = shard_marks.version + 1; END IF; RETURN NEW; END $$`, user),
		`CREATE TRIGGER strands AFTER UPDATE ON shard_fence FOR EACH ROW EXECUTE FUNCTION strand()`)
}

// wantReopened waits until a fence has been closed, and demands that all of them open again for the same map.
func (c *cluster) wantReopened(ctx context.Context, run *moveRun) error {
	var closedSince time.Time
	for {
		open, err := c.allOpen(ctx)
		if err != nil {
			return err
		}
		switch {
		case open && !closedSince.IsZero():
			return nil
		case !open && closedSince.IsZero():
			closedSince = time.Now()
		case !open && time.Since(closedSince) > reopensWithin:
			return &lab.Failure{
				Expected: "fences that open again when a switch cannot settle: writers try for 3 seconds",
				Seen:     fmt.Sprintf("closed for %s", reopensWithin),
				Look:     lab.Look{File: "migrate.go", Func: "HandOver", Hint: "how long may the fences stay closed?"},
			}
		}
		select {
		case e := <-run.done:
			again := make(chan ended, 1)
			again <- e
			run.done = again
			return &lab.Failure{Expected: "a mover that tries to switch", Seen: seenError(e.err), Look: lookMover("")}
		default:
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}

// allOpen reports whether the fences of all servers are open.
func (c *cluster) allOpen(ctx context.Context) (bool, error) {
	for number, server := range c.servers {
		var open bool
		if err := server.QueryRowContext(ctx, `SELECT open FROM shard_fence`).Scan(&open); err != nil {
			return false, fmt.Errorf("read fence of server %d: %w", number, err)
		}
		if !open {
			return false, nil
		}
	}
	return true, nil
}

// watchTotals asks about all subscribers until ctx ends, and demands that each is counted once.
func (c *cluster) watchTotals(ctx context.Context, r *replica) error {
	want := total{len(c.users), len(c.users)}
	for ctx.Err() == nil {
		before, err := r.counter(partialAnswers)
		if err != nil {
			return err
		}
		seen, failure, err := aTotal(context.WithoutCancel(ctx), r)
		if err != nil {
			return err
		}
		after, err := r.counter(partialAnswers)
		if err != nil {
			return err
		}
		// A busy machine may leave an answer out. That is counted, and no fault.
		if failure == nil && seen != want && after == before {
			m, err := shard.ReadMap(context.WithoutCancel(ctx), c.control)
			if err != nil {
				return err
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("%s at each moment of a move to a fifth shard", want), Seen: fmt.Sprintf("%s in phase %s", seen, m.Phase),
				Look: lookMover("which servers count a subscriber who has left them, until their rows are deleted? See shard.Leave"),
			}
		}
		_ = rig.Pause(ctx, 2*lookPause)
	}
	return nil
}

// nothingLeft moves a fifth shard's share there for good.
func (l inProcess) nothingLeft(ctx context.Context, _ *lab.Run) (err error) {
	c, end, err := l.newCluster(ctx, shards+1, movedUsers)
	defer end()
	if err != nil {
		return err
	}
	four := c.subject.Router.Plan(shard.Assignment{}, serversUpTo(shards))
	if err := c.arrange(ctx, shard.Map{Source: four, Target: four}); err != nil {
		return err
	}
	if err := c.record(ctx); err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	m := shard.Map{Source: four, Target: c.subject.Router.Plan(four, serversUpTo(shards+1)), Phase: shard.Backfill}
	leaving := slices.DeleteFunc(slices.Clone(c.users), func(user bytebites.UserID) bool { return !c.place(m, user).Mirrored() })
	c.users = append(leaving, slices.DeleteFunc(c.users, func(user bytebites.UserID) bool { return c.place(m, user).Mirrored() })...)
	load := c.startTraffic(ctx, r)
	count, counting := context.WithCancel(ctx)
	totals := make(chan error, 1)
	go func() { totals <- c.watchTotals(count, r) }()
	moved := l.moveInProcess(ctx, c, "done")
	counting()
	if err := errors.Join(load.end(), moved, <-totals); err != nil {
		return err
	}
	if err := c.wantSafe(ctx); err != nil {
		return err
	}
	now, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	if err := wantMoved(m, now); err != nil {
		return err
	}
	for _, user := range c.users {
		home := now.Source[c.subject.Router.Bucket(user)]
		on, err := c.cartsOn(ctx, user)
		if err != nil {
			return err
		}
		for server, is := range on {
			if server := shard.Server(server); server != shard.Old && (server == home) != (is > 0) {
				return &lab.Failure{
					Expected: fmt.Sprintf("%s on server %d, their home, and on no other shard", user, home), Seen: fmt.Sprintf("carts of %v portions on the servers 0 to %d", on, len(on)-1),
					Look: lab.Look{File: "copy.go", Func: "copier.copy", Hint: "what is left on shards that subscribers have left? See shard.Delete"},
				}
			}
		}
	}
	return nil
}
