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

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/measure/probe/redisstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// A maxmemory under minMemory wastes the rented machine. Above maxMemoryShare of the machine
	// too little is left for connections and fragmentation.
	minMemory      = 128 << 20 // bytes
	maxMemoryShare = 0.85
	// jitterMeals are read one after the other. At most togetherShare of their keys may expire
	// within a span that is jitterMargin longer than the reads took.
	jitterMeals   = 20
	jitterMargin  = 2 * time.Second
	togetherShare = 0.25
	// longTTL is the time to live from which jitter matters.
	longTTL = 5 * time.Minute
	// hotReads is the number of reads before memory is short, and again while it is.
	hotReads = 600
	// readsAtOnce is the number of meals that are read at the same time.
	readsAtOnce = 4
	// squeezeEvery is how often the check sets maxmemory again.
	squeezeEvery = 50 * time.Millisecond
	// hotShare is the least share of the reads that Redis must answer while it has memory for
	// only memoryShare of the keys.
	hotShare    = 0.5
	memoryShare = 0.1
)

// ttls returns the times to live of all keys. It is -1 for a key that never expires.
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

// expiry has the service set keys of all kinds, and reads their times to live.
func (l *trial) expiry(ctx context.Context, run *lab.Run) error {
	var ttls map[string]time.Duration
	err := l.changing(ctx, func(price int64) (err error) {
		if err := l.setKeys(ctx, price); err != nil {
			return err
		}
		ttls, err = l.ttls(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(ttls) == 0 {
		return &lab.Failure{
			Expected: "keys in Redis", Seen: "none",
			Look: lab.Look{File: "through.go", Func: "reader.loadEntries", Hint: "is a loaded value put into Redis?"},
		}
	}
	longest := time.Duration(0)
	for key, ttl := range ttls {
		if ttl < 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("a time to live on each of %d keys", len(ttls)), Seen: fmt.Sprintf("none on %.100s", key),
				Look: lab.Look{File: "through.go", Func: "reader.entries", Hint: "find the call that sets this key, here or in sessions.go"},
			}
		}
		longest = max(longest, ttl)
	}
	run.Report("longest time to live", longest.Seconds(), "s")
	return nil
}

// setKeys reads all pages and a meal that does not exist, signs a subscriber in, and changes a
// price.
func (l *trial) setKeys(ctx context.Context, price int64) error {
	signedIn, err := l.signInVisitors(ctx, 1)
	if err != nil {
		return err
	}
	if err := l.visit(ctx, signedIn, "after signing in"); err != nil {
		return err
	}
	if _, err := l.get(ctx, l.replicas[0], "/meals/none-expiry", ""); err != nil {
		return err
	}
	if err := l.put(ctx, price); err != nil {
		return err
	}
	return l.readEverywhere(ctx)
}

// jitter reads some meals at about the same time and compares when their keys expire.
func (l *trial) jitter(ctx context.Context, _ *lab.Run) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, meal := range l.meals()[:jitterMeals] {
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
		if ttl > longTTL {
			long = append(long, ttl)
		}
	}
	span := took + jitterMargin
	together := mostWithin(long, span)
	if len(long) == 0 || float64(together) > togetherShare*float64(len(long)) {
		return &lab.Failure{
			Expected: fmt.Sprintf("at most a quarter of the keys to expire within %s, after %d meals were read within %s",
				span.Round(time.Millisecond), jitterMeals, took.Round(time.Millisecond)),
			Seen: fmt.Sprintf("%d of %d keys that live for more than %s", together, len(long), longTTL),
			Look: lab.Look{File: "stretch_jitter.go", Func: "jittered", Hint: "keys with the same time to live bring the rush back when they expire"},
		}
	}
	return nil
}

// mostWithin returns the largest number of times that lie within a span of that length.
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

// memory reads maxmemory and its policy from Redis itself, which has read redis.conf.
func (l *trial) memory(ctx context.Context, _ *lab.Run) error {
	stats, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return err
	}
	if err := bounds(stats.MaxMemory, stats.Policy); err != nil {
		return err
	}
	return l.keepsNoLog(ctx)
}

// bounds judges maxmemory, in bytes, and maxmemory-policy.
func bounds(maxMemory int64, policy string) error {
	machine := int64(cacheType().MemoryMiB) << 20
	if most := int64(maxMemoryShare * float64(machine)); maxMemory < minMemory || maxMemory > most {
		seen, hint := fmt.Sprintf("%d MiB", maxMemory>>20), "set maxmemory"
		switch {
		case maxMemory == 0:
			seen += " (0 is no limit)"
		case maxMemory < 1<<20:
			seen, hint = fmt.Sprintf("%d bytes", maxMemory), "which unit has maxmemory? A number alone is bytes"
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("a maxmemory of %d to %d MiB on a machine that has %d", minMemory>>20, most>>20, machine>>20),
			Seen:     seen, Look: lab.Look{File: "redis.conf", Hint: hint},
		}
	}
	look := lab.Look{File: "redis.conf", Hint: "set maxmemory-policy"}
	switch policy {
	case "noeviction":
		return &lab.Failure{Expected: "a maxmemory-policy that evicts keys", Seen: "noeviction, which refuses new keys", Look: look}
	case "allkeys-random", "volatile-random", "volatile-ttl":
		return &lab.Failure{
			Expected: "a maxmemory-policy that looks at how keys are used, so that popular ones stay",
			Seen:     policy + ", which does not", Look: look,
		}
	}
	return nil
}

// keepsNoLog demands that Redis is empty after a restart: what it had before may be old.
func (l *trial) keepsNoLog(ctx context.Context) error {
	for _, name := range []string{"save", "appendonly"} {
		values, err := l.redis.ConfigGet(ctx, name).Result()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if value := values[name]; value != "" && value != "no" {
			return &lab.Failure{
				Expected: "a Redis that is empty after a restart, because what it had may have changed meanwhile",
				Seen:     fmt.Sprintf("%s %s", name, value),
				Look:     lab.Look{File: "redis.conf", Hint: "leave out snapshots and the log"},
			}
		}
	}
	return nil
}

// hotKeys leaves Redis memory for a tenth of the keys of all meals. Then it reads meals, the
// popular ones far more often, and counts the reads that reach the database.
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
	if _, err := l.readHotMeals(ctx, 1); err != nil { // Redis counts which keys are hot
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
				_ = rig.Pause(loading, squeezeEvery) // the loop ends with loading
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
			Expected: "no command that Redis refuses because its memory is full", Seen: fmt.Sprintf("%d", seen.Refused),
			Look: lab.Look{File: "redis.conf", Hint: "may your maxmemory-policy evict the keys that you set?"},
		}
	case share < hotShare:
		return &lab.Failure{
			Expected: fmt.Sprintf("at least %.0f %% of the reads answered by Redis with a tenth of the memory", 100*hotShare),
			Seen:     fmt.Sprintf("%.0f %%, %d keys evicted", 100*share, seen.Evicted),
			Look:     lab.Look{File: "redis.conf", Hint: "which keys does your maxmemory-policy evict first?"},
		}
	case failed > 0:
		return &lab.Failure{
			Expected: "an answer to every read while Redis is full", Seen: fmt.Sprintf("none to %d of %d", failed, hotReads),
			Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "what becomes of a request when Redis refuses a key?"},
		}
	}
	return nil
}

// squeeze is the number of keys that Redis is to have memory for, and the bytes of one key.
type squeeze struct{ target, size int64 }

// squeeze sets maxmemory to the memory in use, less that of the surplus keys. Call it again and
// again: connections take as much memory as all meals, and their number changes.
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

// readHotMeals reads meals a few at a time, the popular ones far more often, and returns the
// number of failed reads. It keeps to no schedule, because the check counts and does not time.
func (l *trial) readHotMeals(ctx context.Context, number uint64) (failed int, err error) {
	mix := load.Mix{Name: "meals", Skew: load.Browse().Skew, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}}
	stream, err := load.NewStream(mix, load.Population{Meals: l.meals()}, number, "")
	if err != nil {
		return 0, err
	}
	var wrong atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i := range uint64(hotReads) {
		group.Go(func() error {
			a, err := l.get(ctx, l.replicas[0], stream.Request(i).Path, "")
			if err == nil && a.Status != http.StatusOK {
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
	group.SetLimit(readsAtOnce)
	for _, meal := range l.meals() {
		group.Go(func() error {
			a, err := l.get(ctx, l.replicas[0], "/meals/"+string(meal), "")
			if err == nil && a.Status != http.StatusOK {
				err = &lab.Failure{
					Expected: "an answer with meal " + string(meal), Seen: a.String(), Waited: a.Waited(),
					Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "which error does it return?"},
				}
			}
			return err
		})
	}
	return group.Wait()
}

// meals returns the ids of the meals that are not scarce, the most popular first.
func (l *trial) meals() []bytebites.MealID {
	size := l.servers.Dataset
	var ids []bytebites.MealID
	for n := 1; seed.Meal(n) < size.ScarceMeal(1); n++ {
		ids = append(ids, seed.Meal(n))
	}
	return ids
}

func (l *trial) setMaxMemory(ctx context.Context, bytes int64) error {
	if err := l.redis.ConfigSet(ctx, "maxmemory", strconv.FormatInt(bytes, 10)).Err(); err != nil {
		return fmt.Errorf("set maxmemory: %w", err)
	}
	return nil
}
