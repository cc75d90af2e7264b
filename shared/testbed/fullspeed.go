package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// restoreTimeout bounds the calls that give the CPU quotas back.
const restoreTimeout = 10 * time.Second

// AtFullSpeed lifts the CPU quotas of servers while work runs, such as a warm-up. Each
// server then gets its own type back, also when work fails or panics, or ctx has ended.
// The error joins that of work with those of the quotas.
func AtFullSpeed(ctx context.Context, work func() error, servers ...*Server) error {
	resizable := make([]resizer, len(servers))
	for i, s := range servers {
		resizable[i] = s
	}
	return atFullSpeed(ctx, work, resizable)
}

// AtFullSpeed lifts the server's CPU quota while work runs, see the function AtFullSpeed.
func (s *Server) AtFullSpeed(ctx context.Context, work func() error) error {
	return AtFullSpeed(ctx, work, s)
}

// resizer is the part of a Server that atFullSpeed uses.
type resizer interface {
	Name() string
	Type() instance.Type
	Resize(ctx context.Context, t instance.Type) error
}

func atFullSpeed(ctx context.Context, work func() error, servers []resizer) (err error) {
	types := make([]instance.Type, len(servers))
	for i, s := range servers {
		types[i] = s.Type()
	}
	lifted := 0
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostspeed.Wait(restoreTimeout))
		defer cancel()
		for i, s := range servers[:lifted] {
			restoreErr := s.Resize(ctx, types[i])
			if restoreErr == nil || err != nil && gone(restoreErr) {
				continue // a removed server needs no quota, and its removal is not the cause
			}
			err = errors.Join(err, fmt.Errorf("restore CPU quota of %s: %w", s.Name(), restoreErr))
		}
	}()
	for i, s := range servers {
		lifted = i + 1 // a call that fails may have lifted the quota
		if err := s.Resize(ctx, types[i].FullSpeed()); err != nil {
			return err
		}
	}
	return work()
}
