package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// Sweeper settles reservations that a crash or a lost answer left held. It confirms a
// reservation whose order exists and releases the others. Several replicas may sweep at once,
// because settling twice changes nothing.
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
	due, err := s.Stock.Unsettled(ctx, int(s.MinAge.Seconds()), s.Limit)
	if err != nil {
		return 0, fmt.Errorf("find unsettled reservations: %w", err)
	}
	var failures []error
	for _, reservation := range due {
		if ctx.Err() != nil {
			failures = append(failures, ctx.Err())
			break
		}
		if err := s.settle(ctx, reservation); err != nil {
			failures = append(failures, fmt.Errorf("settle %s: %w", reservation.Order, err))
			continue
		}
		settled++
	}
	return settled, errors.Join(failures...)
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
