package shardstore

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
)

const (
	// maxDarkReads bounds the dark reads in flight. Further ones are skipped, because background
	// reads must not displace the reads of requests.
	maxDarkReads = 4
	// darkReadTimeout bounds one comparison.
	darkReadTimeout = 3 * time.Second
	// A difference may come from a write that has not reached the mirror yet. So the comparison is
	// made up to darkLooks times, with darkPause in between.
	darkLooks = 3
	darkPause = 100 * time.Millisecond
)

// DarkReads compares the answers of two servers in the background. The answers should be equal.
type DarkReads struct {
	standing func(ctx context.Context, home shard.Server, user bytebites.UserID) (shard.Standing, error)
	compared func(same bool)
	meter    *Meter
	logger   *slog.Logger

	context context.Context // of all comparisons; it does not end with a request
	stop    context.CancelFunc
	room    chan struct{}
	running sync.WaitGroup
}

// NewDarkReads returns the comparison for servers, indexed by their numbers. It calls compared for
// each comparison with a result. A server that does not answer gives no result, and neither does a
// difference during a write.
func NewDarkReads(servers []Server, compared func(same bool), meter *Meter, logger *slog.Logger) *DarkReads {
	ctx, stop := context.WithCancel(context.Background())
	return &DarkReads{
		standing: func(ctx context.Context, home shard.Server, user bytebites.UserID) (shard.Standing, error) {
			return shard.StandingOf(ctx, servers[home].DB, user)
		},
		compared: compared, meter: meter, logger: logger,
		context: ctx, stop: stop, room: make(chan struct{}, maxDarkReads),
	}
}

// Ask asks one server. It returns an answer, or the domain's error for missing data.
type Ask func(ctx context.Context, server shard.Server) (any, error)

// Compare asks a subscriber's home and mirror in the background and returns at once. It does
// nothing if maxDarkReads comparisons are in flight. Each question must have its own deadline.
func (d *DarkReads) Compare(user bytebites.UserID, place shard.Place, ask Ask) {
	select {
	case d.room <- struct{}{}:
	default:
		return
	}
	d.running.Go(func() {
		defer func() { <-d.room }()
		ctx, cancel := context.WithTimeout(d.context, darkReadTimeout)
		defer cancel()
		d.compare(ctx, user, place, ask)
	})
}

// result is the outcome of a dark read, as a label of the metric.
type result string

const (
	same      result = "same"
	different result = "different"
	unknown   result = "unknown"
)

func (d *DarkReads) compare(ctx context.Context, user bytebites.UserID, place shard.Place, ask Ask) {
	seen, err := unknown, error(nil)
	for look := 1; look <= darkLooks && seen == unknown && err == nil; look++ {
		if look > 1 {
			select {
			case <-ctx.Done():
			case <-time.After(darkPause):
			}
		}
		seen, err = d.look(ctx, user, place, ask)
	}
	d.meter.dark.WithLabelValues(string(seen)).Inc()
	switch seen {
	case unknown:
		d.logger.DebugContext(ctx, "dark read without a result", "user", string(user), "error", err)
		return
	case different:
		d.logger.ErrorContext(ctx, "dark read differs", "user", string(user))
	}
	d.compared(seen == same)
}

// look asks both servers once. A difference counts only if the mirror had the home's version during
// the whole look. Otherwise a write is in progress, or a copy failed and the mover will repeat it.
func (d *DarkReads) look(ctx context.Context, user bytebites.UserID, place shard.Place, ask Ask) (result, error) {
	before, err := d.standing(ctx, place.Home, user)
	if err != nil {
		return unknown, err
	}
	agreed, err := agree(ctx, place, ask)
	switch {
	case err != nil:
		return unknown, err
	case agreed:
		return same, nil
	}
	after, err := d.standing(ctx, place.Home, user)
	if err != nil || after != before || !after.Copied {
		return unknown, err
	}
	return different, nil
}

// agree reports whether both servers gave the same answer. ErrNotFound counts as an answer; any
// other error does not.
func agree(ctx context.Context, place shard.Place, ask Ask) (bool, error) {
	a, errA := ask(ctx, place.Home)
	b, errB := ask(ctx, place.Mirror)
	noneA, noneB := errors.Is(errA, bytebites.ErrNotFound), errors.Is(errB, bytebites.ErrNotFound)
	if errA != nil && !noneA {
		return false, errA
	}
	if errB != nil && !noneB {
		return false, errB
	}
	if noneA || noneB {
		return noneA == noneB, nil
	}
	return reflect.DeepEqual(a, b), nil
}

// Close stops the comparisons in flight.
func (d *DarkReads) Close() error {
	d.stop()
	d.running.Wait()
	return nil
}
