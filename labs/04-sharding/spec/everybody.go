package spec

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

// handOver is longer than a replica keeps the counts of its dark reads: it hands them over when it
// reads the map, four times a second.
const handOver = 600 * time.Millisecond

// askedWithin is far shorter than the time that a server may take. A machine may stand still for as long,
// but not each time.
const askedWithin = 250 * time.Millisecond

// partialAnswers is the counter behind Meter.Partial.
const partialAnswers = "bytebites_partial_answers_total"

func lookEverywhere(hint string) lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.Everywhere", Hint: hint}
}

// total is what the two questions about all subscribers say of the one meal that everybody has: its
// portions in orders, and how many stars were given.
type total struct{ portions, ratings int }

func (t total) String() string {
	return fmt.Sprintf("%d portions and %d ratings", t.portions, t.ratings)
}

// total asks both questions.
func (r *replica) total(ctx context.Context) (t total, err error) {
	popular, err := r.stores.Orders.Popular(ctx, 1)
	if err != nil {
		return t, err
	}
	for _, p := range popular {
		t.portions += p.Portions
	}
	ratings, err := r.stores.Ratings.Ratings(ctx, []bytebites.MealID{"m0001"})
	t.ratings = ratings["m0001"].Count
	return t, err
}

// aTotal asks both questions, and demands that they end.
func aTotal(ctx context.Context, r *replica) (total, error, error) {
	var t total
	done := begin(lookEverywhere(""), func() (err error) { t, err = r.total(ctx); return err })
	e, err := ends(ctx, done, "a question about all subscribers", lookEverywhere("how long may a server take?"))
	return t, e.err, err
}

// everybodyOnce counts all subscribers in each phase of the first move, and of a move to a fifth
// shard.
func (l *trial) everybodyOnce(ctx context.Context, _ *lab.Run) error {
	c, end, err := l.newCluster(ctx, shards+1, clusterUsers)
	defer end()
	if err != nil {
		return err
	}
	// The plans are the check's own, because it does not judge Plan.
	four := between(serversUpTo(shards)...)
	five := four
	for b := 0; b < shard.Buckets; b += shards + 1 {
		five[b] = shards + 1
	}
	for _, move := range []struct {
		what         string
		home, target shard.Assignment
	}{
		{"from the old server to four shards", shard.Assignment{}, four},
		{"from four shards to five", four, five},
	} {
		for _, phase := range shard.Phases() {
			if err := c.emptyShards(ctx); err != nil {
				return err
			}
			m := shard.Map{Phase: phase, Source: move.home, Target: move.target, NewFrom: c.users[clusterUsers-clusterJoined]}
			if phase == shard.Settled {
				m.Target, m.NewFrom = m.Source, ""
			}
			if err := c.arrange(ctx, m); err != nil {
				return err
			}
			if err := c.wantAll(ctx, fmt.Sprintf("in phase %s of a move %s", phase, move.what)); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyShards deletes all rows but those of shard.Old.
func (c *cluster) emptyShards(ctx context.Context) error {
	for server := range c.servers {
		if shard.Server(server) != shard.Old {
			if err := c.exec(ctx, shard.Server(server), `TRUNCATE shard_marks, users CASCADE`); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantAll demands that a replica counts each subscriber once.
func (c *cluster) wantAll(ctx context.Context, when string) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	want := total{len(c.users), len(c.users)}
	seen, failure, err := aTotal(ctx, r)
	if err != nil {
		return err
	}
	if failure != nil || seen != want {
		said := seen.String()
		if failure != nil {
			said = seenError(failure)
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("%s %s: each of %d subscribers has one of each", want, when, len(c.users)),
			Seen:     said, Look: lookEverywhere("which servers are a source by the map?"),
		}
	}
	return nil
}

// enoughAnswers makes servers hang, one after the other, and asks about all subscribers.
func (l *trial) enoughAnswers(ctx context.Context, _ *lab.Run) error {
	const servers = shards + 1 // an odd number, of which half is no whole server
	c, end, err := l.newCluster(ctx, servers, 4*clusterUsers)
	defer end()
	if err != nil {
		return err
	}
	home := between(serversUpTo(servers)...)
	if err := c.arrange(ctx, shard.Map{Source: home, Target: home}); err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	of := make(map[shard.Server]int)
	for _, user := range c.users {
		of[home[c.subject.Router.Bucket(user)]]++
	}
	rest := len(c.users)
	// A right answer may ask for more than half.
	for hung := 1; hung <= servers; hung++ {
		release, err := hold(ctx, c.theirs.servers[hung])
		if err != nil {
			return err
		}
		defer release()
		rest -= of[shard.Server(hung)]
		counted, err := r.counter(partialAnswers)
		if err != nil {
			return err
		}
		seen, failure, err := aTotal(ctx, r)
		if err != nil {
			return err
		}
		now, err := r.counter(partialAnswers)
		if err != nil {
			return err
		}
		switch {
		case failure == nil && 2*hung > servers, failure != nil && (hung == 1 || !errors.Is(failure, bytebites.ErrBusy)):
			want := "bytebites.ErrBusy"
			if hung == 1 {
				want = "the totals of the others"
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("%s when %d of %d servers hang", want, hung, servers), Seen: fmt.Sprintf("%s, %s", seen, seenError(failure)),
				Look: lookEverywhere("answers of half of the servers are enough"),
			}
		case failure == nil && seen != total{rest, rest}:
			return &lab.Failure{
				Expected: fmt.Sprintf("%s, those of the servers that answer, when %d of %d hang", total{rest, rest}, hung, servers), Seen: seen.String(),
				Look: lookEverywhere("return one value for each server that answered"),
			}
		case failure == nil && now <= counted:
			return &lab.Failure{
				Expected: fmt.Sprintf("totals that lack the part of %d of %d servers to be counted", hung, servers), Seen: fmt.Sprintf("%s at %g, as before", partialAnswers, now),
				Look: lookEverywhere("call s.meter.Partial when a server is missing: it counts, and marks the answer"),
			}
		}
	}
	return nil
}

// darkReadsCompare reads in phase dark-reads: everybody's answers are compared in the background,
// and a difference is counted.
func (l *trial) darkReadsCompare(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, []shard.Phase{shard.DarkReads}, func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		before, joined := c.users[0], c.users[len(c.users)-1]
		if err := c.wantCompared(ctx, r, before, false, "a cart that is the same on the mirror"); err != nil {
			return err
		}
		for _, user := range []bytebites.UserID{joined, before} {
			if err := c.plant(ctx, c.place(m, user).Mirror, []string{string(user)}); err != nil {
				return err
			}
			if err := c.wantCompared(ctx, r, user, true, "the cart of "+named(m, user)+" that differs on the mirror"); err != nil {
				return err
			}
			// What was read of this subscriber is counted before the next one is read.
			if err := rig.Pause(ctx, handOver); err != nil {
				return err
			}
		}
		mirror := c.place(m, before).Mirror
		release, err := hold(ctx, c.theirs.servers[mirror])
		if err != nil {
			return err
		}
		defer release()
		// There are more reads than comparisons can run at a time, and each read must be answered.
		quick := 0
		for range 2 * attempts {
			e, err := ends(ctx, begin(lookRead(""), func() error { _, err := r.portions(ctx, before); return err }),
				"a read while the mirror hangs", lookRead("the request must not wait for the mirror: DarkReads.Compare asks it in the background"))
			if err != nil || e.err != nil {
				return errors.Join(err, failIfError(e.err, "a read to be answered by the home while the mirror hangs"))
			}
			if e.took < askedWithin {
				quick++
			}
		}
		if quick == 0 {
			return &lab.Failure{
				Expected: "reads to be answered by the home while the mirror hangs",
				Seen:     fmt.Sprintf("none of %d answered within %s", 2*attempts, askedWithin), Look: lookRead("the request must not wait for the mirror: DarkReads.Compare asks it in the background"),
			}
		}
		return nil
	})
}

func failIfError(err error, expected string) error {
	if err == nil {
		return nil
	}
	return &lab.Failure{Expected: expected, Seen: seenError(err), Look: lookRead("return the answer of the home; the mirror is only compared")}
}

// wantCompared reads until a dark read was counted.
func (c *cluster) wantCompared(ctx context.Context, r *replica, user bytebites.UserID, differs bool, what string) error {
	was, wasDifferent, err := c.darkReads(ctx)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(settlesWithin); ; {
		e, err := ends(ctx, begin(lookRead(""), func() error { _, err := r.portions(ctx, user); return err }), "a read", lookRead("the request must not wait for the mirror: DarkReads.Compare asks it in the background"))
		if err != nil || e.err != nil {
			return errors.Join(err, failIfError(e.err, "a read to be answered"))
		}
		is, isDifferent, err := c.darkReads(ctx)
		if err != nil {
			return err
		}
		if is > was && (isDifferent > wasDifferent) == differs {
			return nil
		}
		if time.Now().After(deadline) || isDifferent > wasDifferent && !differs {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s to be compared in phase dark-reads, and counted as different: %t", what, differs),
				Seen:     fmt.Sprintf("%d more comparisons, %d of them different", is-was, isDifferent-wasDifferent),
				Look:     lookRead("which reads does DarkReads.Compare see?"),
			}
		}
		if err := rig.Pause(ctx, 10*lookPause); err != nil {
			return err
		}
	}
}

// darkReads returns the counts of all dark reads that were handed over.
func (c *cluster) darkReads(ctx context.Context) (compared, differed int, err error) {
	err = c.control.QueryRowContext(ctx, `SELECT coalesce(sum(compared), 0), coalesce(sum(differed), 0) FROM shard_dark_reads`).Scan(&compared, &differed)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read counts of dark reads: %w", err)
	}
	return compared, differed, nil
}
