package sharding

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
	"bytebites.example/workshop/shared/testbed"
)

// resources are an old server with everybody's data and the catalogue's, and empty shards.
func resources(t *testing.T, bed *testbed.Bed, shards int) service.Resources {
	t.Helper()
	small := seed.Small()
	pools := make([]*sql.DB, 1+shards)
	starts := make([]func(context.Context) error, len(pools))
	for i := range pools {
		starts[i] = func(ctx context.Context) error {
			options := testbed.PostgresOptions{Name: fmt.Sprintf("server-%d", i)}
			if i == 0 {
				options.Dataset = &small
			}
			server, err := bed.Postgres(ctx, options)
			if err != nil {
				return err
			}
			pools[i], err = postgres.Open(ctx, server.URL(), postgres.PoolConfig{MaxOpen: 10, MaxIdle: 10})
			return err
		}
	}
	if err := testbed.SideBySide(t.Context(), starts...); err != nil {
		t.Fatal(err)
	}
	for _, pool := range pools {
		t.Cleanup(func() { _ = pool.Close() })
	}
	// The mover wants lab 00's.
	if _, err := pools[0].ExecContext(t.Context(), `CREATE INDEX ON orders (user_id, placed_at)`); err != nil {
		t.Fatal(err)
	}
	var closers []func() error
	t.Cleanup(func() {
		for i := len(closers) - 1; i >= 0; i-- {
			if err := closers[i](); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return service.Resources{
		Config:    service.Config{Instance: "test"},
		Catalogue: pools[0], UserData: pools[0], Shards: pools[1:],
		Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		OnClose: func(close func() error) { closers = append(closers, close) },
	}
}

// The mover is asked to pass over what it must not: each phase that compares has to notice.
func TestMoverNoticesWhatIsNotTheSame(t *testing.T) {
	bed := testbed.ForTest(t)
	r := resources(t, bed, 2)
	stores, err := open(r, postgres.NewCatalogue(r.Catalogue))
	if err != nil {
		t.Fatal(err)
	}
	stop := busy(t, stores)
	defer stop()
	move := func(goal, want string) {
		t.Helper()
		err := shardstore.Role(migrate)(t.Context(), r, []string{goal})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Fatalf("to %s: %v; want %q", goal, err, want)
		}
	}
	// Nobody is being written of these.
	quiet := seed.User(small())
	target := r.Shards[NewRouter().Plan(shard.Assignment{}, []shard.Server{1, 2})[NewRouter().Bucket(quiet)]-1]

	move("backfill", "")
	if _, err := target.ExecContext(t.Context(), `UPDATE users SET name = 'Mallory' WHERE user_id = $1`, string(quiet)); err != nil {
		t.Fatal(err)
	}
	move("verify", string(quiet))
	move("flipped", string(quiet)) // and it does not pass over it the second time
	move("double-writes", "")
	move("verify", "") // copied again on the way
}

// small is how many subscribers there are, and the number of the last.
func small() int { return seed.Small().Users }

// leastSeen is how many carts busy must have read back. One that reads none proves nothing.
const leastSeen = 50

// busy has some subscribers, all but the last hundred, change their carts, and look at them. The stores may
// say that they are busy, as on a machine that has no time. What such a call did is not known, so it is not
// judged.
func busy(t *testing.T, stores service.UserData) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	var seen atomic.Int64
	for worker := range 4 {
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				// Each subscriber is one worker's.
				user := seed.User(1 + worker + 4*rand.IntN((small()-100)/4))
				lines := []bytebites.Line{{Meal: "m0001", Quantity: 1 + n%9}}
				err := stores.Carts.SetCart(ctx, user, lines)
				var got []bytebites.Line
				if err == nil {
					got, err = stores.Carts.Cart(ctx, user)
				}
				switch {
				case ctx.Err() != nil || errors.Is(err, bytebites.ErrBusy):
				case err != nil:
					t.Errorf("change cart of %s: %v", user, err)
				case !slices.Equal(got, lines):
					t.Errorf("cart of %s: %v; want %v", user, got, lines)
				default:
					seen.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		working.Wait()
		if n := seen.Load(); n < leastSeen {
			t.Errorf("%d carts were read back, want %d", n, leastSeen)
		}
	}
}
