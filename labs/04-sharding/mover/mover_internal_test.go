package mover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/labs/04-sharding/routing"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// world is the map and the rows of a move. It logs each change of them.
type world struct {
	m      shard.Map
	closed bool // the fences
	log    []string
	// fails, unless nil, may return an error for a change.
	fails func(what string) error
	// compared and differed are the dark reads.
	compared, differed int
	// replaced are the earlier maps. A replica may use one for up to stale.
	replaced []replaced
}

type replaced struct {
	m  shard.Map
	at time.Time
}

// stale is how long a replica may read by a map that was replaced.
const stale = 2 * time.Second

func (w *world) do(what string) error {
	if w.fails != nil {
		if err := w.fails(what); err != nil {
			return err
		}
	}
	w.log = append(w.log, what)
	return nil
}

func (w *world) Map() shard.Map { return w.m }

func (w *world) Publish(_ context.Context, next shard.Map) error {
	for user, bucket := range everybody() {
		if now, then := inBucket(w.m, bucket, user), inBucket(next, bucket, user); now.Home != then.Home {
			return fmt.Errorf("home of %s in bucket %d changed from %d to %d while everybody writes", user, bucket, now.Home, then.Home)
		}
	}
	return w.change(next)
}

// everybody yields a subscriber from before the move and a new one, in some of the buckets.
func everybody() iter.Seq2[bytebites.UserID, int] {
	return func(yield func(bytebites.UserID, int) bool) {
		for bucket := 0; bucket < shard.Buckets; bucket += 63 {
			if !yield("u", bucket) || !yield("v", bucket) {
				return
			}
		}
	}
}

// inBucket returns the place of a subscriber as if they were in the bucket.
func inBucket(m shard.Map, bucket int, user bytebites.UserID) shard.Place {
	theirs := testRouter{}.Bucket(user)
	m.Source[theirs], m.Target[theirs] = m.Source[bucket], m.Target[bucket]
	return testRouter{}.Place(m, user)
}

// readable demands that a reader with an older map finds the writes by the next map.
func (w *world) readable(next shard.Map) error {
	known := []shard.Map{w.m}
	for _, r := range w.replaced {
		if time.Since(r.at) <= stale {
			known = append(known, r.m)
		}
	}
	for _, m := range known {
		for user, bucket := range everybody() {
			reads, written := inBucket(m, bucket, user).Home, inBucket(next, bucket, user)
			if reads != written.Home && reads != written.Mirror {
				return fmt.Errorf("%s in bucket %d is read on server %d by a map in phase %s, and written on %+v in phase %s",
					user, bucket, reads, m.Phase, written, next.Phase)
			}
		}
	}
	return nil
}

func (w *world) Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error {
	w.closed = true
	defer func() { w.closed = false }()
	if err := settle(ctx); err != nil {
		return err
	}
	m, err := next(ctx)
	if err != nil {
		return err
	}
	return w.change(m)
}

func (w *world) change(next shard.Map) error {
	what := "publish " + next.Phase.String()
	if w.closed {
		what = "switch to " + next.Phase.String()
	}
	next.Version = w.m.Version + 1
	if err := w.readable(next); err != nil {
		return err
	}
	if err := w.do(what); err != nil {
		return err
	}
	w.replaced = append(w.replaced, replaced{w.m, time.Now()})
	w.m = next
	return nil
}

func (w *world) SaveCursor(context.Context, bytebites.UserID) error { return nil }

func (w *world) DarkReads(context.Context) (int, int, error) { return w.compared, w.differed, nil }

func (w *world) settle(context.Context, shard.Map) error {
	if w.closed {
		return w.do("settle at rest")
	}
	return w.do("settle")
}

func (w *world) backfill(context.Context, shard.Map) error { return w.do("backfill") }
func (w *world) verify(context.Context, shard.Map) error   { return w.do("verify") }
func (w *world) leave(context.Context, shard.Map, bytebites.UserID) error {
	if w.closed {
		return w.do("the last leave")
	}
	return w.do("leave")
}

func (w *world) clean(context.Context, shard.Map) error { return w.do("clean") }

func (w *world) newFrom(context.Context, shard.Map) (bytebites.UserID, error) {
	if !w.closed {
		return "", errors.New("somebody may join meanwhile")
	}
	return "v", w.do("new from")
}

// mover returns a new mover of the world, as after the death of another.
func (w *world) mover() *move {
	return &move{
		control:  w,
		work:     w,
		handOver: handOver,
		plan: func(source shard.Assignment) shard.Assignment {
			return testRouter{}.Plan(source, []shard.Server{1, 2, 3, 4})
		},
		logger: slog.New(slog.DiscardHandler),
	}
}

const (
	begins  = "settle, settle at rest, new from, switch to new-users"
	copies  = "publish double-writes, publish backfill, backfill, publish verify, verify, publish dark-reads, settle"
	flips   = "settle, settle at rest, switch to flipped"
	done    = "leave, settle, settle at rest, the last leave, switch to settled, clean"
	returns = "settle, settle at rest, switch to dark-reads, publish verify, publish backfill, publish double-writes, publish new-users, " + givesUp
	givesUp = "settle, settle at rest, switch to double-writes, publish settled"
)

func TestSteps(t *testing.T) {
	var shards shard.Assignment
	shards = testRouter{}.Plan(shards, []shard.Server{1, 2, 3, 4})
	for _, test := range []struct {
		goals string // one mover each
		want  string
	}{
		{"done", strings.Join([]string{begins, copies, flips, done}, ", ")},
		{"flipped done", strings.Join([]string{begins, copies, flips, done}, ", ")},
		{"done done", strings.Join([]string{begins, copies, flips, done, "clean"}, ", ")},
		{"back", ""},
		{"new-users", begins},
		{"flipped back", strings.Join([]string{begins, copies, flips, returns}, ", ")},
		{"new-users back new-users", strings.Join([]string{begins, givesUp, begins}, ", ")},
		{"backfill backfill", begins + ", publish double-writes, publish backfill, backfill, backfill"},
		{"backfill double-writes", begins + ", publish double-writes, publish backfill, backfill, publish double-writes"},
	} {
		w := &world{compared: darkReadsNeeded}
		last := ""
		synctest.Test(t, func(t *testing.T) {
			for goal := range strings.FieldsSeq(test.goals) {
				if err := w.mover().to(t.Context(), goal); err != nil {
					t.Errorf("%s: %v", test.goals, err)
				}
				last = goal
			}
		})
		if got := strings.Join(w.log, ", "); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.goals, got, test.want)
		}
		switch {
		case last == "done" && (w.m.Phase != shard.Settled || w.m.Source != shards || w.m.Target != shards || w.m.NewFrom != ""):
			t.Errorf("%s: in the end the map is of phase %s", test.goals, w.m.Phase)
		case last == "back" && (w.m.Phase != shard.Settled || w.m.Source != shard.Assignment{} || w.m.Target != w.m.Source || w.m.NewFrom != ""):
			t.Errorf("%s: in the end the map is of phase %s", test.goals, w.m.Phase)
		}
	}
}

// A mover dies before each of its changes, and another one continues. The order stays the same, but the work of a phase may be repeated.
func TestAnotherMoverGoesOn(t *testing.T) {
	want := strings.Split(strings.Join([]string{begins, copies, flips, done}, ", "), ", ")
	for dies := range want {
		w := &world{compared: darkReadsNeeded}
		killed := errors.New("killed")
		w.fails = func(string) error {
			if len(w.log) == dies {
				return killed
			}
			return nil
		}
		synctest.Test(t, func(t *testing.T) {
			if err := w.mover().to(t.Context(), "done"); !errors.Is(err, killed) {
				t.Fatalf("before %d: %v", dies, err)
			}
			w.fails = nil
			if err := w.mover().to(t.Context(), "done"); err != nil {
				t.Errorf("died before %s: %v", want[dies], err)
			}
		})
		// Every step is there, and maps in their order.
		var maps []string
		for _, what := range w.log {
			if strings.HasPrefix(what, "publish") || strings.HasPrefix(what, "switch") {
				maps = append(maps, what)
			}
		}
		const inOrder = "switch to new-users, publish double-writes, publish backfill, publish verify, publish dark-reads, switch to flipped, switch to settled"
		if got := strings.Join(maps, ", "); got != inOrder {
			t.Errorf("died before %s: %s", want[dies], got)
		}
		for _, what := range []string{"backfill", "verify", "clean", "settle at rest"} {
			if !strings.Contains(strings.Join(w.log, ", "), what) {
				t.Errorf("died before %s: never %s", want[dies], what)
			}
		}
	}
}

func TestNoWayBackAfterDone(t *testing.T) {
	w := &world{compared: darkReadsNeeded}
	synctest.Test(t, func(t *testing.T) {
		if err := w.mover().to(t.Context(), "done"); err != nil {
			t.Fatal(err)
		}
	})
	settled := w.m
	for _, goal := range []string{"back", "flipped", "new-users"} {
		if err := w.mover().to(t.Context(), goal); err == nil || !strings.Contains(err.Error(), "no way back") {
			t.Errorf("%s: %v", goal, err)
		}
	}
	if err := w.mover().to(t.Context(), "lunch"); err == nil {
		t.Error("went to lunch")
	}
	if w.m != settled {
		t.Error("the map has changed all the same")
	}
}

func TestDarkReadsDecide(t *testing.T) {
	for name, w := range map[string]*world{
		"differ":             {compared: darkReadsNeeded, differed: 1},
		"not enough traffic": {compared: darkReadsNeeded - 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			if err := w.mover().to(t.Context(), "flipped"); err == nil || w.m.Phase != shard.DarkReads {
				t.Errorf("%s: %v, phase %s; want to stop", name, err, w.m.Phase)
			}
		})
	}
}

// handOver is a HandOver that closes the fences once.
func handOver(ctx context.Context, control Control, settle func(context.Context) error, next Next) error {
	if err := settle(ctx); err != nil {
		return err
	}
	return control.Switch(ctx, settle, func(ctx context.Context) (shard.Map, error) { return next(ctx, control.Map()) })
}

// testRouter has each bucket on a server by modulo.
type testRouter struct{ shard.Router }

func (testRouter) Bucket(user bytebites.UserID) shard.Bucket { return shard.Bucket(user[0]) }

func (testRouter) Plan(_ shard.Assignment, servers []shard.Server) (plan shard.Assignment) {
	for bucket := range plan {
		plan[bucket] = servers[bucket%len(servers)]
	}
	return plan
}

func (r testRouter) Place(m shard.Map, user bytebites.UserID) shard.Place {
	return routing.Place(m, r.Bucket(user), user)
}
