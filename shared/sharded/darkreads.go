package sharded

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// mostDark is how many dark reads are under way at most. One more is left out: reads
	// that nobody waits for must not crowd out those that somebody does.
	mostDark = 4
	// darkFor bounds one comparison.
	darkFor = 3 * time.Second
	// A difference may be a write on its way to the second server. It counts when it is
	// still there after so many looks, with a pause between them.
	darkLooks = 3
	darkPause = 100 * time.Millisecond
)

// DarkReads compares the answers of two servers that should say the same, in the background.
type DarkReads struct {
	compared func(same bool)
	meter    *Meter
	logger   *slog.Logger

	context context.Context // of the comparisons: they end with nobody's request
	stop    context.CancelFunc
	room    chan struct{}
	running sync.WaitGroup
}

// NewDarkReads returns what compares. It tells compared of each comparison that came to a
// result; a server that does not answer says nothing for or against.
func NewDarkReads(compared func(same bool), meter *Meter, logger *slog.Logger) *DarkReads {
	ctx, stop := context.WithCancel(context.Background())
	return &DarkReads{
		compared: compared, meter: meter, logger: logger,
		context: ctx, stop: stop, room: make(chan struct{}, mostDark),
	}
}

// Answer asks one server: an answer, or the domain's error that there is none.
type Answer func(ctx context.Context) (any, error)

// Compare asks both servers in the background, unless that is being done for many already,
// and returns at once. Each must have a deadline of its own.
func (d *DarkReads) Compare(user bytebites.UserID, home, mirror Answer) {
	select {
	case d.room <- struct{}{}:
	default:
		return
	}
	d.running.Go(func() {
		defer func() { <-d.room }()
		ctx, cancel := context.WithTimeout(d.context, darkFor)
		defer cancel()
		d.compare(ctx, user, home, mirror)
	})
}

func (d *DarkReads) compare(ctx context.Context, user bytebites.UserID, home, mirror Answer) {
	for look := 1; ; look++ {
		same, err := agree(ctx, home, mirror)
		switch {
		case err != nil:
			d.meter.dark.WithLabelValues("unknown").Inc()
			d.logger.DebugContext(ctx, "dark read without an answer", "user", string(user), "error", err)
			return
		case same:
			d.meter.dark.WithLabelValues("same").Inc()
			d.compared(true)
			return
		case look == darkLooks:
			d.meter.dark.WithLabelValues("different").Inc()
			d.logger.ErrorContext(ctx, "dark read differs", "user", string(user))
			d.compared(false)
			return
		}
		select {
		case <-ctx.Done():
			d.meter.dark.WithLabelValues("unknown").Inc()
			return
		case <-time.After(darkPause):
		}
	}
}

// agree reports whether both servers say the same. That there is no such thing is something
// to say; any other error is not.
func agree(ctx context.Context, home, mirror Answer) (bool, error) {
	a, errA := home(ctx)
	b, errB := mirror(ctx)
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
