package spec

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/measure/probe/redisstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// minMemory is the least that is a use of the rented machine, and maxMemoryShare the most that
	// leaves it enough for connections and fragmentation.
	minMemory      = 128 << 20 // bytes
	maxMemoryShare = 0.85
	// jittered meals are read one after the other. Of the entries that this leaves no more than
	// mostTogether, a share of them, may expire within the time that it took and a moment.
	jittered     = 20
	moment       = 2 * time.Second
	mostTogether = 0.25
	// longLived is where jitter begins to matter.
	longLived = 5 * time.Minute
	// hotReads are read before memory is short, and again while it is.
	hotReads = 600
	// atOnce is how many meals are read at the same time.
	atOnce = 4
	// squeezeEvery is how often the memory's limit is set anew.
	squeezeEvery = 50 * time.Millisecond
	// hotShare is the share of reads that must not reach the database while there is memory for
	// only memoryShare of the entries.
	hotShare    = 0.5
	memoryShare = 0.1
)

// ttls returns the times to live of all keys; of a key without one it is -1.
func (l *trial) ttls(ctx context.Context) (map[string]time.Duration, error) {
	ttls := make(map[string]time.Duration)
	keys := l.redis.Scan(ctx, 0, "*", 500).Iterator()
	for keys.Next(ctx) {
		ttls[keys.Val()] = 0
	}
	if err := keys.Err(); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	pipe := l.redis.Pipeline()
	answers := make(map[string]*redis.DurationCmd, len(ttls))
	for key := range ttls {
		answers[key] = pipe.PTTL(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil && len(answers) > 0 {
		return nil, fmt.Errorf("read times to live: %w", err)
	}
	for key, answer := range answers {
		switch ttl := answer.Val(); ttl {
		case -2: // it has expired meanwhile
			delete(ttls, key)
		default:
			ttls[key] = ttl
		}
	}
	return ttls, nil
}

// expiry looks at the keys that all the checks before have left.
func (l *trial) expiry(ctx context.Context, run *lab.Run) error {
	if err := l.readEverywhere(ctx); err != nil {
		return err
	}
	ttls, err := l.ttls(ctx)
	if err != nil {
		return err
	}
	if len(ttls) == 0 {
		return &lab.Failure{Expected: "keys in Redis", Seen: "none", Look: lab.Look{Hint: "through.go"}}
	}
	longest := time.Duration(0)
	for key, ttl := range ttls {
		if ttl < 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("each of %d keys to have a time to live", len(ttls)), Seen: fmt.Sprintf("none at %.100s", key),
				Look: lab.Look{Hint: "where that key is set"},
			}
		}
		longest = max(longest, ttl)
	}
	run.Report("longest time to live", longest.Seconds(), "s")
	return nil
}

// jitter reads some meals at about the same time and looks at when they will expire.
func (l *trial) jitter(ctx context.Context, _ *lab.Run) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, meal := range l.one.Generator.Population.Meals[:jittered] {
		if _, err := l.get(ctx, l.replicas[0], "/meals/"+string(meal), ""); err != nil {
			return err
		}
	}
	took := time.Since(began)
	ttls, err := l.ttls(ctx)
	if err != nil {
		return err
	}
	var long []time.Duration
	for _, ttl := range ttls {
		if ttl > longLived {
			long = append(long, ttl)
		}
	}
	span := took + moment
	together := mostWithin(long, span)
	if len(long) == 0 || float64(together) > mostTogether*float64(len(long)) {
		return &lab.Failure{
			Expected: fmt.Sprintf("entries of %d meals that were read within %s not to expire like that: at most a quarter of them within %s",
				jittered, took.Round(time.Millisecond), span.Round(time.Millisecond)),
			Seen: fmt.Sprintf("%d of %d that live for more than %s", together, len(long), longLived),
			Look: lab.Look{Hint: "through.go: an hour for all that came in one second is another rush in an hour"},
		}
	}
	return nil
}

// mostWithin returns how many of the times at most lie within some span.
func mostWithin(times []time.Duration, span time.Duration) int {
	slices.Sort(times)
	most, first := 0, 0
	for i, t := range times {
		for t-times[first] > span {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// memory looks at what Redis was told by redis.conf.
func (l *trial) memory(ctx context.Context, _ *lab.Run) error {
	stats, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	machine := int64(cacheType().MemoryMiB) << 20
	if most := int64(maxMemoryShare * float64(machine)); stats.MaxMemory < minMemory || stats.MaxMemory > most {
		return &lab.Failure{
			Expected: fmt.Sprintf("a maxmemory of %d to %d MiB on a machine that has %d", minMemory>>20, most>>20, machine>>20),
			Seen:     fmt.Sprintf("%d MiB (0 is no limit)", stats.MaxMemory>>20), Look: lab.Look{Hint: "redis.conf"},
		}
	}
	if stats.Policy == "noeviction" {
		return &lab.Failure{
			Expected: "a maxmemory-policy that makes room", Seen: "noeviction, which refuses what is new", Look: lab.Look{Hint: "redis.conf"},
		}
	}
	return nil
}

// hotKeys leaves Redis memory for a tenth of the entries of all meals, and counts how many
// reads of meals, some of which are far more popular than others, still need the database.
func (l *trial) hotKeys(ctx context.Context, run *lab.Run) (err error) {
	if err := l.flush(ctx); err != nil {
		return err
	}
	empty, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	if err := l.readAllMeals(ctx); err != nil {
		return err
	}
	full, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	entries, err := l.redis.DBSize(ctx).Result()
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	meals := max(full.UsedMemory-empty.UsedMemory, 0)
	run.Report("memory that all meals take", float64(meals)/1024, "KiB")
	if _, err := l.readHotMeals(ctx, 1); err != nil { // so that Redis learns what is hot
		return err
	}
	defer func() { err = errors.Join(err, l.setMaxMemory(context.WithoutCancel(ctx), full.MaxMemory)) }()
	s := squeeze{target: int64(memoryShare * float64(entries)), size: meals / max(entries, 1)}
	if err := l.squeeze(ctx, s); err != nil {
		return err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return err
	}
	var failed int
	loading, ended := context.WithCancel(ctx)
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			defer ended()
			failed, err = l.readHotMeals(ctx, 2)
			return err
		},
		func(ctx context.Context) error {
			for loading.Err() == nil {
				if err := l.squeeze(ctx, s); err != nil {
					return err
				}
				time.Sleep(squeezeEvery)
			}
			return nil
		},
	)
	if err != nil {
		return err
	}
	calls, err := l.calls(ctx)
	if err != nil {
		return err
	}
	after, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	share := 1 - float64(calls["meals"])/hotReads
	run.Report("reads answered with a tenth of the memory", 100*share, "%")
	seen := after.Since(full)
	switch {
	case seen.Refused > 0:
		return &lab.Failure{
			Expected: "no command refused for want of memory", Seen: fmt.Sprintf("%d", seen.Refused),
			Look: lab.Look{Hint: "maxmemory-policy in redis.conf, and whether what it may evict includes what you keep"},
		}
	case share < hotShare:
		return &lab.Failure{
			Expected: fmt.Sprintf("at least %.0f %% of the reads to be answered by Redis with a tenth of the memory", 100*hotShare),
			Seen:     fmt.Sprintf("%.0f %%, %d keys evicted", 100*share, seen.Evicted), Look: lab.Look{Hint: "maxmemory-policy in redis.conf"},
		}
	case failed > 0:
		return &lab.Failure{
			Expected: "every read to be answered while Redis is full", Seen: fmt.Sprintf("%d of %d were not", failed, hotReads),
			Look: lab.Look{Hint: "through.go: what becomes of a request when Redis refuses?"},
		}
	}
	return nil
}

// squeeze says how many entries there is to be memory for, and how large one is.
type squeeze struct{ target, size int64 }

// squeeze sets the limit of Redis's memory to what it takes now, but for the entries that are
// too many. That has to be done again and again: connections take memory too, as much as all
// the meals, and not always the same.
func (l *trial) squeeze(ctx context.Context, s squeeze) error {
	stats, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	entries, err := l.redis.DBSize(ctx).Result()
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	return l.setMaxMemory(ctx, stats.UsedMemory+(s.target-entries)*s.size)
}

// readHotMeals reads meals, some of which are far more popular than others, a few at a time,
// and returns how many could not be read. It keeps to no schedule, for it is counted here
// how often Redis has the answer, and not how fast.
func (l *trial) readHotMeals(ctx context.Context, seed uint64) (failed int, err error) {
	mix := load.Mix{Name: "meals", Skew: load.Browse().Skew, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}}
	stream, err := load.NewStream(mix, l.one.Generator.Population, seed, "")
	if err != nil {
		return 0, err
	}
	var wrong atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range uint64(hotReads) {
		group.Go(func() error {
			a, err := l.get(ctx, l.replicas[0], stream.Request(i).Path, "")
			if err == nil && a.status != http.StatusOK {
				wrong.Add(1)
			}
			return err
		})
	}
	err = group.Wait()
	return int(wrong.Load()), err
}

// readAllMeals reads every meal once, a few at a time.
func (l *trial) readAllMeals(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, meal := range l.one.Generator.Population.Meals {
		group.Go(func() error {
			a, err := l.get(ctx, l.replicas[0], "/meals/"+string(meal), "")
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("read meal %s: status %d", meal, a.status)
			}
			return err
		})
	}
	return group.Wait()
}

func (l *trial) setMaxMemory(ctx context.Context, bytes int64) error {
	if err := l.redis.ConfigSet(ctx, "maxmemory", strconv.FormatInt(bytes, 10)).Err(); err != nil {
		return fmt.Errorf("set maxmemory: %w", err)
	}
	return nil
}
