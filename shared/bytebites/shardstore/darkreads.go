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
	// mostDark is how many dark reads are under way at most. One more is left out: reads
	// that nobody waits for must not crowd out those that somebody does.
	mostDark = 4
	// darkFor bounds one comparison.
	darkFor = 3 * time.Second
	// A difference may be a write on its way to the second server. Then there are so many looks,
	// with a pause between them.
	darkLooks = 3
	darkPause = 100 * time.Millisecond
)

// DarkReads compares the answers of two servers that should say the same, in the background.
type DarkReads struct {
	standing func(ctx context.Context, home shard.Server, user bytebites.UserID) (shard.Standing, error)
	compared func(same bool)
	meter    *Meter
	logger   *slog.Logger

	context context.Context // of the comparisons: they end with nobody's request
	stop    context.CancelFunc
	room    chan struct{}
	running sync.WaitGroup
}

// NewDarkReads returns what compares the answers of servers, which are by their numbers. It tells
// compared of each comparison that came to a result. A server that does not answer says nothing
// for or against, and neither does a difference while a write is on its way.
func NewDarkReads(servers []Server, compared func(same bool), meter *Meter, logger *slog.Logger) *DarkReads {
	ctx, stop := context.WithCancel(context.Background())
	return &DarkReads{
		standing: func(ctx context.Context, home shard.Server, user bytebites.UserID) (shard.Standing, error) {
			return shard.StandingOf(ctx, servers[home].DB, user)
		},
		compared: compared, meter: meter, logger: logger,
		context: ctx, stop: stop, room: make(chan struct{}, mostDark),
	}
}

// Ask asks one server: for an answer, or the domain's error that there is none.
type Ask func(ctx context.Context, server shard.Server) (any, error)

// Compare asks a subscriber's home and mirror in the background, unless that is being done for
// many already, and returns at once. Each question must have a deadline of its own.
func (d *DarkReads) Compare(user bytebites.UserID, place shard.Place, ask Ask) {
	select {
	case d.room <- struct{}{}:
	default:
		return
	}
	d.running.Go(func() {
		defer func() { <-d.room }()
		ctx, cancel := context.WithTimeout(d.context, darkFor)
		defer cancel()
		d.compare(ctx, user, place, ask)
	})
}

// result is what a dark read came to, as the metrics have it.
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

// look asks both servers once. A difference counts only when the mirror has had the version that
// was at home all the while: else somebody has just written, or a copy has failed that the mover
// will make up for.
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

// agree reports whether both servers say the same. That there is no such thing is something
// to say; any other error is not.
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

// Close ends the comparisons that are under way.
func (d *DarkReads) Close() error {
	d.stop()
	d.running.Wait()
	return nil
}
