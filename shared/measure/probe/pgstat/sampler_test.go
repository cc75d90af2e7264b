package pgstat_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
)

// counts is a server whose counts are those of the calls, one after the other. A nil map is a call that fails.
func counts(all ...map[string]int64) pgstat.Counter {
	return func(context.Context) (map[string]int64, error) {
		now := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		if now == nil {
			return nil, errors.New("no answer")
		}
		return now, nil
	}
}

func of(n int64) map[string]int64 { return map[string]int64{"meals": n} }

func TestSampler(t *testing.T) {
	for name, tt := range map[string]struct {
		count pgstat.Counter
		want  []chart.Point // for 2 s, with a reading every 500 ms
	}{
		"rising":         {counts(of(10), of(20), of(20), of(25), of(125)), []chart.Point{{X: 0.25, Y: 20}, {X: 0.75, Y: 0}, {X: 1.25, Y: 10}, {X: 1.75, Y: 200}}},
		"a gap":          {counts(of(10), nil, of(30), of(30), of(30)), []chart.Point{{X: 0.5, Y: 20}, {X: 1.25, Y: 0}, {X: 1.75, Y: 0}}},
		"kind missing":   {counts(map[string]int64{"stock": 1}, of(30), map[string]int64{}, of(60), of(60)), []chart.Point{{X: 1, Y: 30}, {X: 1.75, Y: 0}}},
		"counter reset":  {counts(of(100), of(200), of(5), of(15), of(15)), []chart.Point{{X: 0.25, Y: 200}, {X: 0.75, Y: 10}, {X: 1.25, Y: 20}, {X: 1.75, Y: 0}}},
		"another kind":   {counts(map[string]int64{"stock": 1}), nil},
		"only one value": {counts(nil, nil, nil, of(3), map[string]int64{}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := pgstat.NewSampler(time.Now(), tt.count)
				if err := s.Sample(t.Context(), 500*time.Millisecond, 2*time.Second); err != nil {
					t.Fatal(err)
				}
				if got := s.Rates("meals"); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// A server that a fault holds answers late. The rate is that of the longer time.
func TestSamplerOfAPausedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := int64(0)
		s := pgstat.NewSampler(began, func(context.Context) (map[string]int64, error) {
			if n++; n == 2 {
				time.Sleep(1500 * time.Millisecond) // at 1 s
			}
			return of(int64(100 * time.Since(began).Seconds())), nil
		})
		if err := s.Sample(t.Context(), time.Second, 4*time.Second); err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Rates("meals") {
			if p.Y != 100 {
				t.Errorf("%v/s at %v s, want 100", p.Y, p.X)
			}
		}
		if got := s.Rates("meals"); len(got) < 3 || got[0].X != 1.25 {
			t.Errorf("rates %v, want the first from 0 to 2.5 s", got)
		}
	})
}

func TestSamplerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pgstat.NewSampler(time.Now(), counts(of(1), nil))
		if err := s.Sample(t.Context(), time.Second, 3*time.Second); err == nil || !strings.Contains(err.Error(), "sample statements: no answer") {
			t.Errorf("a server that never answered again: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		over := errors.New("the load failed")
		time.AfterFunc(time.Second, func() { cancel(over) })
		s := pgstat.NewSampler(time.Now(), counts(of(1)))
		if err := s.Sample(ctx, 300*time.Millisecond, time.Hour); !errors.Is(err, over) {
			t.Errorf("an ended load: %v, want its cause", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := pgstat.NewSampler(began, func(ctx context.Context) (map[string]int64, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err := s.Sample(t.Context(), time.Second, 3*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a server that hangs: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it was waited for for %s", took)
		}
	})
}
