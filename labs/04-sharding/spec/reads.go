package spec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// clusterUsers is the number of subscribers from before in a check of the stores, and
	// clusterJoined of those who joined since.
	clusterUsers, clusterJoined = 16, 4
	// mirrorPortions is the number of portions that the check puts into carts on mirrors.
	mirrorPortions = 7
)

// moving returns a cluster of three servers. All buckets have shard 1 as home and shard 2 as
// target. The last clusterJoined subscribers joined since the move began.
func (l *trial) moving(ctx context.Context) (*cluster, func(), shard.Map, error) {
	c, end, err := l.newCluster(ctx, 2, clusterUsers)
	if err != nil {
		return nil, end, shard.Map{}, err
	}
	m := shard.Map{Source: between(1), Target: between(2), NewFrom: bytebites.NewUserID(time.Now())}
	var joined []string
	for range clusterJoined {
		user := bytebites.NewUserID(time.Now().Add(time.Second))
		joined, c.users = append(joined, string(user)), append(c.users, user)
	}
	return c, end, m, c.join(ctx, shard.Old, joined)
}

// inPhase calls try in each phase of a move from shard 1 to shard 2, with a replica that knows the
// phase.
func (l *trial) inEachPhase(ctx context.Context, phases []shard.Phase, try func(ctx context.Context, c *cluster, r *replica, m shard.Map) error) error {
	c, end, m, err := l.moving(ctx)
	defer end()
	if err != nil {
		return err
	}
	for _, m.Phase = range phases {
		if err := c.arrange(ctx, m); err != nil {
			return err
		}
		r, err := c.open()
		if err != nil {
			return err
		}
		err = try(ctx, c, r, m)
		r.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func lookRead(hint string) lab.Look {
	return lab.Look{File: "stores.go", Func: "stores.Read", Hint: hint}
}

// homeAnswers plants other carts on the mirrors, and demands that reads show those of the homes.
func (l *trial) homeAnswers(ctx context.Context, _ *lab.Run) error {
	return l.inEachPhase(ctx, shard.Phases(), func(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
		for _, server := range []shard.Server{1, 2} {
			var theirs []string
			for _, user := range c.users {
				if c.place(m, user).Home != server {
					theirs = append(theirs, string(user))
				}
			}
			if err := c.plant(ctx, server, theirs); err != nil {
				return err
			}
		}
		for _, user := range c.users {
			var portions int
			done := begin(lookRead(""), func() (err error) { portions, err = r.portions(ctx, user); return err })
			e, err := ends(ctx, done, "a read", lookRead("how long may a read take?"))
			if err != nil {
				return err
			}
			if place := c.place(m, user); e.err != nil || portions != quantityBefore {
				return &lab.Failure{
					Expected: fmt.Sprintf("in phase %s the cart of %s with %d portions, as on their home, server %d", m.Phase, named(m, user), quantityBefore, place.Home),
					Seen:     fmt.Sprintf("%s (server %d has a cart with %d portions)", answer(portions, e.err), c.otherThan(place.Home), mirrorPortions),
					Look:     lookRead("which server does the router name as home?"),
				}
			}
		}
		return nil
	})
}

// plant changes the carts of subscribers on a server, and no marks.
func (c *cluster) plant(ctx context.Context, server shard.Server, users []string) error {
	for _, user := range users {
		_, err := c.servers[server].ExecContext(ctx, `UPDATE cart_lines SET quantity = $2 WHERE user_id = $1`, user, mirrorPortions)
		if err != nil {
			return fmt.Errorf("plant a cart on server %d: %w", server, err)
		}
	}
	return nil
}

// otherThan returns the other of shard 1 and shard 2.
func (c *cluster) otherThan(server shard.Server) shard.Server { return 3 - server }

// named returns the subscriber's id, and says whether the subscriber is new.
func named(m shard.Map, user bytebites.UserID) string {
	if m.NewFrom != "" && user >= m.NewFrom {
		return string(user) + ", who joined since,"
	}
	return string(user) + ", who joined before,"
}

func answer(portions int, err error) string {
	if err != nil {
		return "the error: " + err.Error()
	}
	return fmt.Sprintf("%d portions", portions)
}

// hungHome makes a server seem to hang. Its subscribers must be told that it is busy; all others
// must be served.
func (l *trial) hungHome(ctx context.Context, _ *lab.Run) error {
	c, end, m, err := l.moving(ctx)
	defer end()
	if err != nil {
		return err
	}
	m.Source, m.NewFrom = between(1, 2), ""
	m.Target = m.Source
	if err := c.arrange(ctx, m); err != nil {
		return err
	}
	r, err := c.open()
	if err != nil {
		return err
	}
	defer r.close()
	release, err := hold(ctx, c.theirs.servers[1])
	if err != nil {
		return err
	}
	defer release()
	var theirs, others bytebites.UserID
	for _, user := range c.users {
		if c.place(m, user).Home == 1 {
			theirs = user
		} else {
			others = user
		}
	}
	order := bytebites.OrderID("seed-" + theirs)
	for _, call := range []struct {
		what string
		look lab.Look
		run  func() error
	}{
		{"a read of a cart", lookRead("bound each question by serverTimeout, and return shardstore.Busy of its error"), func() error { _, err := r.portions(ctx, theirs); return err }},
		{"a read of an order", lookRead("an order without an answer may still exist"), func() error { _, err := r.stores.Orders.Order(ctx, theirs, order); return err }},
		{"a write", lookWrite("bound each question by serverTimeout, and return shardstore.Busy of its error"), func() error { return r.setCart(ctx, theirs, 2) }},
	} {
		e, err := ends(ctx, begin(call.look, call.run), call.what+", whose server hangs,", call.look)
		if err != nil {
			return err
		}
		if !errors.Is(e.err, bytebites.ErrBusy) || errors.Is(e.err, bytebites.ErrNotFound) {
			return &lab.Failure{Expected: "bytebites.ErrBusy for " + call.what + " whose server hangs", Seen: seenError(e.err), Look: call.look}
		}
	}
	var portions int
	for _, call := range []func() error{
		func() error { return r.setCart(ctx, others, 2) },
		func() (err error) { portions, err = r.portions(ctx, others); return err },
	} {
		e, err := ends(ctx, begin(lookRead(""), call), "a request of a subscriber of another server", lookRead("ask the home of this subscriber alone"))
		if err != nil {
			return err
		}
		if e.err != nil {
			return &lab.Failure{Expected: "subscribers of other servers to be served while one server hangs", Seen: seenError(e.err), Look: lookRead("ask the home of this subscriber alone")}
		}
	}
	if portions != 2 {
		return &lab.Failure{Expected: "a cart of 2 portions, just written", Seen: answer(portions, nil), Look: lookRead("")}
	}
	release()
	return l.inEachPhase(ctx, []shard.Phase{shard.Verify, shard.Flipped}, wantNoMirror)
}

// wantNoMirror makes the home of a mirrored subscriber hang. Their mirror may lack the last write, so
// it must not answer.
func wantNoMirror(ctx context.Context, c *cluster, r *replica, m shard.Map) error {
	user := c.users[0]
	place := c.place(m, user)
	if err := c.plant(ctx, place.Mirror, []string{string(user)}); err != nil {
		return err
	}
	release, err := hold(ctx, c.theirs.servers[place.Home])
	if err != nil {
		return err
	}
	defer release()
	var portions int
	e, err := ends(ctx, begin(lookRead(""), func() (err error) { portions, err = r.portions(ctx, user); return err }),
		"a read whose server hangs", lookRead("bound each question by serverTimeout, and return shardstore.Busy of its error"))
	if err != nil {
		return err
	}
	if !errors.Is(e.err, bytebites.ErrBusy) {
		return &lab.Failure{
			Expected: fmt.Sprintf("bytebites.ErrBusy in phase %s for a read whose home, server %d, hangs: the mirror may lack the last write", m.Phase, place.Home),
			Seen:     answer(portions, e.err), Look: lookRead("which server has the last write?"),
		}
	}
	return nil
}

func seenError(err error) string {
	if err == nil {
		return "no error"
	}
	return "the error: " + err.Error()
}
