package dinner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/measure/probe/promstat"
)

const (
	// stepSeconds is the histogram of the steps of an order, which workers serve too.
	stepSeconds = "bytebites_order_step_seconds"
	// mostKeys bounds the entries of Redis that are looked at.
	mostKeys = 20_000
	scanned  = 500 // keys in one answer of SCAN
)

// Steps returns how long the workers took for each step of an order, such as "mail", in seconds. A
// worker that was started again counts from its last start. A worker that does not run is left out,
// because the books judge its work.
func (s *Stack) Steps(ctx context.Context) map[string]promstat.Sum {
	all := make(map[string]promstat.Sum)
	for _, worker := range s.Workers {
		metrics, err := promstat.Read(ctx, worker.MetricsURL())
		if err != nil {
			continue
		}
		for step, sum := range metrics.Histogram(stepSeconds, "step") {
			all[step] = promstat.Sum{Count: all[step].Count + sum.Count, Total: all[step].Total + sum.Total}
		}
	}
	return all
}

// kindOf returns the part of a key that names its kind. Of bytebites:1:meal:m0001 that is the program, the version and
// the kind. Of a key with fewer parts it is what comes before the first colon.
func kindOf(key string) string {
	const named = 4 // parts of such a key
	parts := strings.SplitN(key, ":", named)
	if len(parts) < named {
		return parts[0]
	}
	return strings.Join(parts[:named-1], ":")
}

// Entries returns the entries in Redis by the kind that their keys name, the largest
// kind first. Bytes is the mean of MEMORY USAGE.
func (s *Stack) Entries(ctx context.Context) (kinds []plan.Entries, err error) {
	client := redis.NewClient(&redis.Options{Addr: s.Cache.Address()})
	defer func() { err = errors.Join(err, client.Close()) }()
	counts, sums := make(map[string]int), make(map[string]int64)
	keys, cursor := 0, uint64(0)
	for {
		var page []string
		if page, cursor, err = client.Scan(ctx, cursor, "", scanned).Result(); err != nil {
			return nil, fmt.Errorf("list keys of Redis: %w", err)
		}
		usages := make([]*redis.IntCmd, len(page))
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range page {
				usages[i] = p.MemoryUsage(ctx, key)
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) { // an entry may expire in between
			return nil, fmt.Errorf("ask Redis for the size of entries: %w", err)
		}
		for i, key := range page {
			kind := kindOf(key)
			counts[kind]++
			sums[kind] += usages[i].Val()
		}
		keys += len(page)
		if cursor == 0 || keys >= mostKeys {
			break
		}
	}
	for kind, n := range counts {
		kinds = append(kinds, plan.Entries{Name: kind, Count: n, Bytes: int(sums[kind] / int64(n))})
	}
	slices.SortFunc(kinds, func(a, b plan.Entries) int {
		return cmp.Or(cmp.Compare(b.Count*b.Bytes, a.Count*a.Bytes), strings.Compare(a.Name, b.Name))
	})
	return kinds, nil
}
