package pgstat

import (
	"context"
	"fmt"
	"time"

	"bytebites.example/workshop/shared/measure/chart"
)

// readTimeout bounds one reading of a Sampler. A paused server answers when it goes on.
const readTimeout = 5 * time.Second

// Counter returns how often statements ran so far, by kind. A kind is missing if its server does not answer.
type Counter func(ctx context.Context) (map[string]int64, error)

// Sampler reads counts at regular intervals during a load, and turns them into rates over time.
type Sampler struct {
	count    Counter
	began    time.Time
	readings []reading
	failed   error // of the last reading that failed
}

// reading is the counts at a time since the beginning.
type reading struct {
	at     time.Duration
	counts map[string]int64
}

// NewSampler returns a sampler whose times are since began.
func NewSampler(began time.Time, count Counter) *Sampler {
	return &Sampler{count: count, began: began}
}

// Sample reads the counts now and then at every interval, until length after the beginning. A reading that
// fails is a gap, because a fault may hold the server. The error is the context's, or that of the last
// reading if fewer than two succeeded.
func (s *Sampler) Sample(ctx context.Context, interval, length time.Duration) error {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		s.read(ctx)
		if time.Since(s.began) >= length {
			break
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if len(s.readings) < 2 && s.failed != nil {
		return fmt.Errorf("sample statements: %w", s.failed)
	}
	return nil
}

func (s *Sampler) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	counts, err := s.count(ctx)
	if err != nil {
		s.failed = err
		return
	}
	s.readings = append(s.readings, reading{time.Since(s.began), counts})
}

// Rates returns how many statements of a kind ran a second. Each point stands in the middle between two
// readings, by seconds since the beginning. A count that became smaller was reset, and began at 0.
func (s *Sampler) Rates(kind string) []chart.Point {
	var points []chart.Point
	var last *reading
	for i, now := range s.readings {
		n, known := now.counts[kind]
		if !known {
			continue
		}
		if last != nil && now.at > last.at {
			ran := n - last.counts[kind]
			if ran < 0 {
				ran = n
			}
			points = append(points, chart.Point{
				X: (last.at + now.at).Seconds() / 2,
				Y: float64(ran) / (now.at - last.at).Seconds(),
			})
		}
		last = &s.readings[i]
	}
	return points
}
