package sharding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/shard"
	"bytebites.example/workshop/shared/bytebites/shardstore"
)

// versions is a maps that knows a newer map with each reading.
type versions struct {
	current shard.Map
	newest  int64
	err     error
}

func (v *versions) Current() (shard.Map, error) { return v.current, v.err }

func (v *versions) Refresh(context.Context) (shard.Map, error) {
	v.current.Version = min(v.current.Version+1, v.newest)
	return v.current, v.err
}

func TestTurnedAwayReadsTheMapAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried []int64
		err := byMap(t.Context(), &versions{current: shard.Map{Version: 3}, newest: 5}, func(m shard.Map) error {
			tried = append(tried, m.Version)
			if m.Version < 5 {
				return fmt.Errorf("server 1: %w", shard.ErrMoved)
			}
			return nil
		})
		if err != nil || !slices.Equal(tried, []int64{3, 4, 5}) {
			t.Errorf("tried by maps %v: %v; want 3, 4 and 5", tried, err)
		}
	})
}

func TestNobodyIsTurnedAwayForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := byMap(t.Context(), &versions{}, func(shard.Map) error { tries++; return shard.ErrMoved })
		if !errors.Is(err, bytebites.ErrBusy) || tries < 10 {
			t.Errorf("%v after %d tries, want ErrBusy after many", err, tries)
		}
	})
}

func TestOtherErrorsAreNotTriedAgain(t *testing.T) {
	for _, failure := range []error{nil, bytebites.ErrDuplicate, context.DeadlineExceeded} {
		tries := 0
		err := byMap(t.Context(), &versions{}, func(shard.Map) error { tries++; return failure })
		if !errors.Is(err, failure) || tries != 1 {
			t.Errorf("%v: got %v after %d tries", failure, err, tries)
		}
	}
	err := byMap(t.Context(), &versions{err: shard.ErrStale}, func(shard.Map) error { t.Error("written by a stale map"); return nil })
	if !errors.Is(err, bytebites.ErrBusy) {
		t.Errorf("stale map: %v, want ErrBusy", err)
	}
}

func TestHalfOfTheAnswersAreEnough(t *testing.T) {
	meter, err := shardstore.NewMeter(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := &stores{meter: meter, logger: slog.New(slog.DiscardHandler)}
	down, silent := errors.New("down"), errors.New("says nothing")
	for _, test := range []struct {
		failures []error
		answers  int
		enough   bool
	}{
		{[]error{nil}, 1, true},
		{[]error{down}, 0, false},
		{[]error{nil, down}, 1, true},
		{[]error{nil, nil, nil, nil}, 4, true},
		{[]error{nil, down, nil, nil}, 3, true},
		{[]error{down, down, nil, nil}, 2, true},
		{[]error{down, down, nil, down}, 1, false},
		{[]error{down, nil, nil, down, down}, 2, false},
		{[]error{silent, nil, nil, nil}, 3, true},
		{[]error{silent, nil, down, silent}, 1, false},
	} {
		come := make(chan answer, len(test.failures))
		for _, failure := range test.failures {
			if !errors.Is(failure, silent) {
				come <- answer{err: failure}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		answers, err := s.gather(ctx, come, len(test.failures))
		cancel()
		if (err == nil) != test.enough || err == nil && len(answers) != test.answers || err != nil && !errors.Is(err, bytebites.ErrBusy) {
			t.Errorf("%v: %d answers, %v", test.failures, len(answers), err)
		}
	}
}

func TestDistinct(t *testing.T) {
	if got := distinct([]shard.Server{3, 1, 1, 0, 3}); !slices.Equal(got, []shard.Server{0, 1, 3}) {
		t.Errorf("got %v", got)
	}
}
