package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// movedUsers is the number of subscribers in a check of the mover: several batches of the backfill.
	movedUsers = 450
	// moveWithin bounds one run of the mover in this process.
	moveWithin = time.Minute
	// trafficPause leaves the machine to what the check is about: the mover.
	trafficPause = 30 * time.Millisecond
	// oldMapsFor is how long a replica may read by a map that was replaced: see shard.ErrStale.
	oldMapsFor = 2 * time.Second
	// idlePhase is how long the mover must stay in phase dark-reads while there are no reads.
	idlePhase = 3 * time.Second
	// reopensWithin is how long fences may stay closed while a switch cannot settle. It is longer than
	// the 3 seconds for which a writer tries, and shorter than the 10 after which a statement ends.
	reopensWithin = 8 * time.Second
)

// The roles of a service that are movers.
const (
	givenMover = "migrate"
	ownMover   = "own-mover" // which the deep dive writes
)

// inProcess is a trial with the role of the mover that its checks start in this process.
type inProcess struct {
	*trial
	role string
}

// moveRun is a run of the subject's mover in this process, with connections of its own.
type moveRun struct {
	done  <-chan ended
	pools pools
	log   *logbook
	goal  string
}

// move starts the subject's mover.
func (l inProcess) move(ctx context.Context, c *cluster, goal string) (*moveRun, error) {
	run := &moveRun{log: &logbook{}, goal: goal}
	var err error
	if run.pools, err = l.reconnect(ctx, c); err != nil {
		return nil, err
	}
	job, ok := c.composition().Roles[l.role].(service.Job)
	if !ok {
		return nil, &lab.Failure{Expected: "the role " + l.role, Seen: "none", Look: lookMover("what does Apply add to a service?")}
	}
	r := &replica{log: run.log}
	resources := c.resources(r)
	resources.Catalogue, resources.UserData, resources.Shards = run.pools.control, run.pools.servers[0], run.pools.servers[1:]
	resources.Logger = slog.New(slog.NewTextHandler(run.log, nil))
	run.done = begin(lookMover(""), func() error {
		defer r.close()
		return job(ctx, resources, []string{goal})
	})
	return run, nil
}

func lookMover(hint string) lab.Look {
	return lab.Look{File: "migrate.go", Func: "migrate", Hint: hint}
}

// reconnect opens the connections of a process to all servers of a cluster.
func (l *trial) reconnect(ctx context.Context, c *cluster) (pools, error) {
	opened := pools{servers: make([]*sql.DB, len(c.servers))}
	var err error
	if opened.control, err = l.databases.open(ctx, c.names[0], 2*subjectConnections); err != nil {
		return opened, err
	}
	for i := range opened.servers {
		if opened.servers[i], err = l.databases.open(ctx, c.names[1+i], 2*subjectConnections); err != nil {
			return opened, err
		}
	}
	return opened, nil
}

func (p pools) close() {
	for _, db := range slices.Concat([]*sql.DB{p.control}, p.servers) {
		if db != nil {
			_ = db.Close()
		}
	}
}

// kill ends a mover as the death of its process does: all its connections are gone at once.
func (run *moveRun) kill(ctx context.Context) error {
	run.pools.close()
	_, err := run.wait(ctx)
	return err
}

// wait waits for the end of a mover, and returns what its call returned.
func (run *moveRun) wait(ctx context.Context) (failure, err error) {
	defer run.pools.close()
	select {
	case e := <-run.done:
		var panicked *lab.Failure
		if errors.As(e.err, &panicked) {
			return nil, e.err
		}
		return e.err, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(moveWithin):
		return nil, &lab.Failure{
			Expected: "a mover to " + run.goal + " that ends", Seen: fmt.Sprintf("it still runs after %s: %.400s", moveWithin, tail(run.log.String())),
			Look: lookMover("the end of its log, above, names the step that does not end"),
		}
	}
}

func tail(text string) string { return text[max(0, len(text)-400):] }

// moved runs the subject's mover to its end, and returns what its call returned.
func (l inProcess) moved(ctx context.Context, c *cluster, goal string) (failure, err error) {
	run, err := l.move(ctx, c, goal)
	if err != nil {
		return nil, err
	}
	return run.wait(ctx)
}

// moveInProcess runs the subject's mover to a goal, and demands that it gets there.
func (l inProcess) moveInProcess(ctx context.Context, c *cluster, goal string) error {
	failure, err := l.moved(ctx, c, goal)
	if err != nil {
		return err
	}
	if failure != nil {
		return &lab.Failure{Expected: "a mover that reaches " + goal, Seen: seenError(failure), Look: lookMover("")}
	}
	return nil
}

// traffic is reads and writes of subscribers while a mover runs.
type traffic struct {
	stop    context.CancelFunc
	group   errgroup.Group
	written map[bytebites.UserID]int // portions that were acknowledged
}

// busyUsers is how many subscribers write and read during a move in this process.
const busyUsers = 8

// startTraffic has the first subscribers write their carts and read them, by a replica.
func (c *cluster) startTraffic(ctx context.Context, r *replica) *traffic {
	t := &traffic{written: make(map[bytebites.UserID]int)}
	ctx, t.stop = context.WithCancel(ctx)
	t.group.Go(func() error {
		for n := 2; ctx.Err() == nil; n++ {
			user := c.users[n%busyUsers]
			if err := guarded(lookWrite(""), func() error { return r.setCart(context.WithoutCancel(ctx), user, n) }); err != nil {
				return &lab.Failure{Expected: "subscribers to be able to write during a move", Seen: seenError(err), Look: lookHandOver("writers wait while fences are closed: bound that time by closedTimeout")}
			}
			t.written[user] = n
			for range 4 {
				var is int
				err := guarded(lookRead(""), func() (err error) { is, err = r.portions(context.WithoutCancel(ctx), user); return err })
				if err != nil || is != n {
					return &lab.Failure{
						Expected: fmt.Sprintf("a subscriber to read the cart of %d portions that they just wrote", n), Seen: answer(is, err),
						Look: lookHandOver("settle behind closed fences, by control.Switch: else the last write stays on the server that was home"),
					}
				}
			}
			if err := rig.Pause(ctx, trafficPause); err != nil {
				return nil
			}
		}
		return nil
	})
	return t
}

// end stops the traffic.
func (t *traffic) end() error {
	t.stop()
	return t.group.Wait()
}

// prepareMove returns a cluster in which nothing has moved yet, with more subscribers than a batch of
// the backfill. The pre-flight check has nothing to say there.
func (l *trial) prepareMove(ctx context.Context, shards int) (*cluster, func(), error) {
	c, end, err := l.newCluster(ctx, shards, movedUsers)
	if err != nil {
		return c, end, err
	}
	r, err := c.open() // makes the first map
	if err != nil {
		return c, end, err
	}
	r.close()
	return c, end, c.record(ctx)
}

// spoil makes a server store one subscriber's cart wrongly, each time that it is copied.
func (c *cluster) spoil(ctx context.Context, server shard.Server, user bytebites.UserID) error {
	return c.exec(ctx, server,
		fmt.Sprintf(`CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN IF NEW.user_id = '%s' THEN NEW.quantity := %d; END IF; RETURN NEW; END $$`, user, mirrorPortions),
		`DROP TRIGGER IF EXISTS spoilt ON cart_lines`,
		`CREATE TRIGGER spoilt BEFORE INSERT OR UPDATE ON cart_lines FOR EACH ROW EXECUTE FUNCTION spoil()`,
		fmt.Sprintf(`UPDATE cart_lines SET quantity = %d WHERE user_id = '%s'`, mirrorPortions, user))
}

// verifyStops spoils the copy of one subscriber, and demands that the mover stops before the flip,
// each time.
func (l inProcess) verifyStops(ctx context.Context, _ *lab.Run) (err error) {
	c, end, err := l.prepareMove(ctx, 2)
	defer end()
	if err != nil {
		return err
	}
	if err := l.moveInProcess(ctx, c, shard.Verify.String()); err != nil {
		return err
	}
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	load := c.startTraffic(ctx, r)
	defer func() { err = errors.Join(err, load.end()) }()
	// Neither is the first of a batch or the last. The second comes before the first.
	for goal, at := range map[shard.Phase]int{shard.Verify: len(c.users)/2 + 1, shard.Flipped: busyUsers + 3} {
		user := c.users[at]
		if err := c.spoil(ctx, c.place(m, user).Mirror, user); err != nil {
			return err
		}
		if err := l.wantStopped(ctx, c, goal, shard.Verify, fmt.Sprintf("a subscriber, number %d of %d, whose cart differs on the mirror", at+1, len(c.users))); err != nil {
			return err
		}
		if err := c.exec(ctx, c.place(m, user).Mirror, `DROP TRIGGER spoilt ON cart_lines`,
			fmt.Sprintf(`UPDATE cart_lines SET quantity = %d WHERE user_id = '%s'`, quantityBefore, user)); err != nil {
			return err
		}
	}
	return nil
}

// wantStopped runs a mover to a goal, and demands that it ends with an error and that the map is at
// most in phase last.
func (l inProcess) wantStopped(ctx context.Context, c *cluster, goal, last shard.Phase, reason string) error {
	failure, err := l.moved(ctx, c, goal.String())
	if err != nil {
		return err
	}
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	if failure == nil || m.Phase > last {
		return &lab.Failure{
			Expected: fmt.Sprintf("a mover to %s that stops, with an error, in phase %s because of %s", goal, last, reason),
			Seen:     fmt.Sprintf("phase %s, %s", m.Phase, seenError(failure)),
			Look:     lab.Look{File: "migrate.go", Func: "Parts", Hint: "what does phase " + last.String() + " compare, each time that it is entered? See shardstore.Differing and Mover.DarkReads"},
		}
	}
	return nil
}

// darkReadsStop runs the mover to flipped without reads, then with reads by a replica whose mirror
// has other data, and then with good reads.
func (l inProcess) darkReadsStop(ctx context.Context, _ *lab.Run) error {
	c, end, err := l.prepareMove(ctx, 3)
	defer end()
	if err != nil {
		return err
	}
	if err := l.moveInProcess(ctx, c, shard.Verify.String()); err != nil {
		return err
	}
	run, err := l.move(ctx, c, shard.Flipped.String())
	if err != nil {
		return err
	}
	if err := c.awaitPhase(ctx, run, shard.DarkReads); err != nil {
		return err
	}
	if err := rig.Pause(ctx, idlePhase); err != nil {
		return err
	}
	m, err := shard.ReadMap(ctx, c.control)
	if err != nil {
		return err
	}
	if m.Phase > shard.DarkReads {
		return &lab.Failure{
			Expected: "a mover that stays in phase dark-reads while no subscriber reads", Seen: "phase " + m.Phase.String(),
			Look: lookMover("how many dark reads prove something? See Mover.DarkReads"),
		}
	}
	// A replica with its shards in another order finds other data on the mirrors than verify did.
	confused := *c
	confused.theirs.servers = slices.Concat(c.theirs.servers[:1], c.theirs.servers[2:], c.theirs.servers[1:2])
	r, err := confused.open()
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	var readers errgroup.Group
	readers.Go(func() error {
		for n := 0; reading.Err() == nil; n++ {
			_, _ = r.portions(reading, c.users[n%len(c.users)]) // answered by the old server, which is the same
			_ = rig.Pause(reading, lookPause)
		}
		return nil
	})
	failure, err := run.wait(ctx)
	stop()
	_ = readers.Wait()
	r.close()
	if err != nil {
		return err
	}
	if m, err = shard.ReadMap(ctx, c.control); err != nil {
		return err
	}
	if failure == nil || m.Phase > shard.DarkReads {
		return &lab.Failure{
			Expected: "a mover to flipped that stops, with an error, in phase dark-reads when replicas find other data on mirrors than at home",
			Seen:     fmt.Sprintf("phase %s, %s", m.Phase, seenError(failure)),
			Look:     lookMover("what does Mover.DarkReads return of reads that differed?"),
		}
	}
	return nil
}

// awaitPhase waits until the map is in a phase, while a mover runs.
func (c *cluster) awaitPhase(ctx context.Context, run *moveRun, phase shard.Phase) error {
	for deadline := time.Now().Add(moveWithin); ; {
		m, err := shard.ReadMap(ctx, c.control)
		if err != nil {
			return err
		}
		if m.Phase >= phase {
			return nil
		}
		select {
		case e := <-run.done:
			return &lab.Failure{Expected: "a mover that reaches " + phase.String(), Seen: seenError(e.err), Look: lookMover("")}
		default:
		}
		if time.Now().After(deadline) {
			return &lab.Failure{Expected: "phase " + phase.String(), Seen: fmt.Sprintf("phase %s: %.400s", m.Phase, tail(run.log.String())), Look: lookMover("the end of its log, above, names the step that does not end")}
		}
		if err := rig.Pause(ctx, lookPause); err != nil {
			return err
		}
	}
}
