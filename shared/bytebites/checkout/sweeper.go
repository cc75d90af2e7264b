package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites"
)

const (
	// sweepAtOnce is how many reservations a sweep settles at the same time. A server that hangs
	// occupies some of them and not the sweep.
	sweepAtOnce = 8
	// settleTimeout bounds the settling of one reservation.
	settleTimeout = 3 * time.Second
	// mostFailed bounds the reservations that a sweep asks for beyond Limit, because they failed in
	// the sweep before.
	mostFailed = 1_000
)

// Sweeper settles reservations that a crash or a lost answer left held. It confirms a
// reservation whose order exists and releases the others. Several replicas may sweep at once,
// because settling twice changes nothing. One Sweeper makes one sweep at a time.
//
// Reservations that could not be settled, such as those of a server that is down, come last in the
// next sweep and take no place of others.
type Sweeper struct {
	Stock  bytebites.Stock
	Orders bytebites.Orders
	Logger *slog.Logger
	// MinAge is the age at which the sweeper settles a reservation. It must exceed the
	// longest life of a request and of its statements. Releasing the reservation of a
	// running request would sell the same meals twice.
	MinAge time.Duration
	// Every is the interval between two sweeps and the timeout of one.
	Every time.Duration
	// Limit bounds the reservations that one sweep settles.
	Limit int

	failed map[bytebites.OrderID]bool // in the last sweep
}

// Run sweeps until ctx ends. It logs failures, and the next sweep retries them.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(s.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		sweep, cancel := context.WithTimeout(ctx, s.Every)
		settled, err := s.Sweep(sweep)
		cancel()
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "sweep incomplete", "settled", settled, "error", err)
		} else if settled > 0 {
			s.Logger.InfoContext(ctx, "swept reservations", "settled", settled)
		}
	}
}

// Sweep runs one sweep and returns the number of reservations that it settled. A reservation
// that cannot be settled does not stop the others. The errors are joined.
func (s *Sweeper) Sweep(ctx context.Context) (settled int, err error) {
	due, err := s.Stock.Unsettled(ctx, int(s.MinAge.Seconds()), s.Limit+len(s.failed))
	if err != nil {
		return 0, fmt.Errorf("find unsettled reservations: %w", err)
	}
	// The oldest come first, and those that failed before come behind all others.
	slices.SortStableFunc(due, func(a, b bytebites.Reservation) int {
		return cmp.Compare(btoi(s.failed[a.Order]), btoi(s.failed[b.Order]))
	})
	failures := make([]error, len(due))
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	for i, reservation := range due {
		group.Go(func() error {
			if err := s.settleInTime(ctx, reservation); err != nil {
				failures[i] = fmt.Errorf("settle %s: %w", reservation.Order, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failures
	s.failed = make(map[bytebites.OrderID]bool)
	for i, failure := range failures {
		switch {
		case failure == nil:
			settled++
		case len(s.failed) < mostFailed:
			s.failed[due[i].Order] = true
		}
	}
	return settled, errors.Join(failures...)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settleInTime settles a reservation, for settleTimeout at most.
func (s *Sweeper) settleInTime(ctx context.Context, r bytebites.Reservation) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return s.settle(ctx, r)
}

func (s *Sweeper) settle(ctx context.Context, r bytebites.Reservation) error {
	switch _, err := s.Orders.Order(ctx, r.User, r.Order); {
	case err == nil:
		return s.Stock.Confirm(ctx, r.Order)
	case errors.Is(err, bytebites.ErrNotFound):
		return s.Stock.Release(ctx, r.Order)
	default:
		return err
	}
}
