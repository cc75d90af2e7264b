package sharding

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"bytebites.example/workshop/labs/04-sharding/mover"
	"bytebites.example/workshop/shared/bytebites/shard"
)

// switching is a mover.Control whose settle, behind closed fences, is too slow a number of times.
type switching struct {
	mover.Control // nil: HandOver may call nothing but Map and Switch
	m             shard.Map
	slow          int
	closed        bool
	settled       []bool // for each call: whether the fences were closed
}

func (s *switching) Map() shard.Map { return s.m }

func (s *switching) Switch(ctx context.Context, settle func(context.Context) error, next func(context.Context) (shard.Map, error)) error {
	s.closed = true
	defer func() { s.closed = false }()
	if err := settle(ctx); err != nil {
		return err
	}
	m, err := next(ctx)
	if err == nil {
		s.m = m
	}
	return err
}

func (s *switching) settle(ctx context.Context) error {
	s.settled = append(s.settled, s.closed)
	if s.closed && s.slow > 0 {
		s.slow--
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func flipped(_ context.Context, now shard.Map) (shard.Map, error) {
	now.Phase = shard.Flipped
	return now, nil
}

func TestHandOverTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &switching{slow: 2}
		if err := HandOver(t.Context(), s, s.settle, flipped); err != nil || s.m.Phase != shard.Flipped {
			t.Errorf("got %v in phase %s", err, s.m.Phase)
		}
		if want := []bool{false, true, false, true, false, true}; !slices.Equal(s.settled, want) {
			t.Errorf("settled behind closed fences: %v, want %v", s.settled, want)
		}
	})
}

func TestHandOverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &switching{slow: handOverTries}
		if err := HandOver(t.Context(), s, s.settle, flipped); !errors.Is(err, context.DeadlineExceeded) || s.m.Phase == shard.Flipped || s.closed {
			t.Errorf("got %v in phase %s", err, s.m.Phase)
		}
	})
}

func TestHandOverReturnsOtherErrorsAtOnce(t *testing.T) {
	refused := errors.New("refused")
	s := &switching{}
	err := HandOver(t.Context(), s, s.settle, func(context.Context, shard.Map) (shard.Map, error) { return shard.Map{}, refused })
	if !errors.Is(err, refused) || len(s.settled) != 2 {
		t.Errorf("got %v, settled %d times", err, len(s.settled))
	}
}
