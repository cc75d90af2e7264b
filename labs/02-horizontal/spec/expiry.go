package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// clockShift is the difference between the clocks of a replica and of the database. A session
	// that expires halfway between them has expired by one of them only.
	clockShift = time.Hour
	// endsSoon is the length of a short session, longer than the check needs on a busy machine.
	endsSoon = 20 * time.Second
)

// oneClock calls stores of replicas whose clocks differ from the database's.
func (l *trial) oneClock(ctx context.Context, _ *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		exact, err := s.open(0)
		if err != nil {
			return err
		}
		slow, err := s.open(clockShift) // the database is ahead of the replica
		if err != nil {
			return err
		}
		fast, err := s.open(-clockShift)
		if err != nil {
			return err
		}
		var now time.Time
		if err := s.db.QueryRowContext(ctx, `SELECT now()`).Scan(&now); err != nil {
			return fmt.Errorf("read the database's clock: %w", err)
		}
		return clocks(ctx, now, store{exact}, store{slow}, store{fast})
	})
}

const clockHint = "compare expires_at with now() in SQL: the replicas' clocks differ"

// clocks calls the stores with sessions that end before and after now by the database's clock.
func clocks(ctx context.Context, now time.Time, exact, slow, fast store) error {
	old, soon := session(0, now.Add(-time.Second)), session(0, now.Add(endsSoon))
	for _, s := range []bytebites.Session{soon, old} { // a sign-in after the old one would remove it
		if err := exact.create(ctx, s); err != nil {
			return err
		}
	}
	if err := exact.lacks(ctx, old.TokenHash, "a session that has expired a second ago", "Session", clockHint); err != nil {
		return err
	}
	if err := exact.holds(ctx, soon, "that ends in some seconds", clockHint); err != nil {
		return err
	}
	// Expired by the database's clock, and not by that of the replica.
	late := session(1, now.Add(clockShift/2))
	if err := slow.create(ctx, late); err != nil {
		return err
	}
	if err := slow.lacks(ctx, late.TokenHash, "a session that has expired by the database's clock and not by the replica's", "Session", clockHint); err != nil {
		return err
	}
	// A replica with a fast clock would remove a live session, and sign its subscriber out.
	live, left := session(2, now.Add(clockShift/2)), session(3, now.Add(2*clockShift))
	for _, s := range []bytebites.Session{live, left} {
		if err := exact.create(ctx, s); err != nil {
			return err
		}
	}
	for range signIns {
		if err := fast.create(ctx, session(4, now.Add(time.Hour))); err != nil {
			return err
		}
	}
	if err := fast.remove(ctx, left.TokenHash); err != nil {
		return err
	}
	if err := exact.lacks(ctx, left.TokenHash, "a session that a replica with a fast clock has deleted", "Delete", clockHint); err != nil {
		return err
	}
	_, err, failure := exact.find(ctx, live.TokenHash)
	if failure == nil && err != nil {
		failure = &lab.Failure{
			Expected: "a live session to stay when a replica whose clock is an hour ahead removes expired ones",
			Seen:     err.Error(), Waited: lab.Late(err), Look: storeLook("Create", clockHint),
		}
	}
	return failure
}

const (
	// expired is the number of expired sessions in the table. Each of signIns sign-ins has to
	// remove at least one and at most removedMost of them.
	expired     = 1000
	signIns     = 3
	removedMost = 100
	// removalTime bounds the wait for a removal that does not hold up the sign-in.
	removalTime  = 3 * time.Second
	removalPause = 20 * time.Millisecond
)

// oldSessions counts expired rows while some sign in, and has others hold them meanwhile.
func (l *trial) oldSessions(ctx context.Context, run *lab.Run) error {
	return l.use(ctx, func(ctx context.Context, s *shelf) error {
		built, err := s.open(0)
		if err != nil {
			return err
		}
		at := store{built}
		live := session(0, time.Now().Add(time.Minute))
		if err := at.create(ctx, live); err != nil {
			return err
		}
		if err := s.putExpired(ctx); err != nil {
			return err
		}
		if err := s.removes(ctx, run, at); err != nil {
			return err
		}
		if err := at.holds(ctx, live, "that has not expired, after others have signed in", "which rows does a sign-in remove?"); err != nil {
			return err
		}
		return s.whileHeld(ctx, at)
	})
}

// putExpired puts expired sessions into the table.
func (s *shelf) putExpired(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx,
		`INSERT INTO sessions (token_hash, user_id, email, expires_at)
		 SELECT sha256(('expired ' || n)::bytea), $1, $2, now() - interval '1 day' FROM generate_series(1, $3) AS n`,
		seed.User(firstVisitor), seed.Email(firstVisitor), expired)
	if err != nil {
		return fmt.Errorf("put expired sessions: %w", err)
	}
	return nil
}

// left counts the expired sessions in the table.
func (s *shelf) left(ctx context.Context) (left int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM sessions WHERE expires_at <= now()`).Scan(&left)
	if err != nil {
		return 0, fmt.Errorf("count expired sessions: %w", err)
	}
	return left, nil
}

// removes has some sign in, and counts what they remove.
func (s *shelf) removes(ctx context.Context, run *lab.Run, at store) error {
	for range signIns {
		if err := at.create(ctx, session(1, time.Now().Add(time.Hour))); err != nil {
			return err
		}
	}
	gone := 0
	for deadline := time.Now().Add(hostspeed.Wait(removalTime)); ; {
		left, err := s.left(ctx)
		if err != nil {
			return err
		}
		if gone = expired - left; gone >= signIns || time.Now().After(deadline) {
			break
		}
		if err := rig.Pause(ctx, removalPause); err != nil {
			return err
		}
	}
	run.Report(fmt.Sprintf("expired sessions that %d sign-ins removed", signIns), float64(gone), "")
	switch {
	case gone < signIns:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d sign-ins to remove %d expired sessions or more, so that they do not pile up", signIns, signIns),
			Seen:     fmt.Sprintf("%d of %d removed", gone, expired), Look: storeLook("Create", ""),
		}
	case gone > signIns*removedMost:
		return &lab.Failure{
			Expected: fmt.Sprintf("a sign-in to remove at most %d expired sessions, because a subscriber waits for it", removedMost),
			Seen:     fmt.Sprintf("%d of %d removed by %d", gone, expired, signIns), Look: storeLook("Create", "use a LIMIT"),
		}
	}
	return nil
}

// whileHeld signs in while another sign-in, which has not committed, removes the expired rows.
func (s *shelf) whileHeld(ctx context.Context, at store) (err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("hold expired sessions: %w", err)
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if _, err := tx.ExecContext(ctx, `SELECT 1 FROM sessions WHERE expires_at <= now() FOR UPDATE`); err != nil {
		return fmt.Errorf("hold expired sessions: %w", err)
	}
	err, failure := call(ctx, "Create", func(ctx context.Context) error { return at.Create(ctx, session(2, time.Now().Add(time.Hour))) })
	if failure == nil {
		failure = err
	}
	if failure != nil {
		return &lab.Failure{
			Expected: "a sign-in to leave the rows alone that another sign-in removes at the moment", Seen: seenIn(failure), Waited: lab.Late(failure),
			Look: storeLook("Create", "FOR UPDATE SKIP LOCKED"),
		}
	}
	return nil
}
