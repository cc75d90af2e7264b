// Package redisstat reads the counters of a Redis server from INFO: hits, misses, evicted
// keys and refused commands. Counts are the same on a fast machine and on a busy one.
package redisstat

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Stats are counts since the server started, and its memory now.
type Stats struct {
	Hits, Misses int64 // keys that were looked up and found, or not found
	Evicted      int64 // keys removed because the memory was full
	Connections  int64 // that clients have made, closed ones included
	Commands     int64
	// Refused counts the commands that failed because the memory was full.
	Refused    int64
	UsedMemory int64 // bytes: the data, the connections and all else
	MaxMemory  int64 // bytes; 0 is no limit
	// Policy is the eviction policy, such as noeviction.
	Policy string
}

// HitRatio returns the share of the keys looked up that were found, in [0, 1]. It is 0 when
// no key was looked up.
func (s Stats) HitRatio() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Since returns the counts after an earlier reading of the same server. UsedMemory,
// MaxMemory and Policy are those of s.
func (s Stats) Since(earlier Stats) Stats {
	s.Hits -= earlier.Hits
	s.Misses -= earlier.Misses
	s.Evicted -= earlier.Evicted
	s.Connections -= earlier.Connections
	s.Commands -= earlier.Commands
	s.Refused -= earlier.Refused
	return s
}

// Read sends one INFO to the server. The error names the first figure that is not a
// number, or all the figures that the answer lacks.
func Read(ctx context.Context, client *redis.Client) (Stats, error) {
	sections, err := client.InfoMap(ctx, "stats", "memory", "errorstats").Result()
	if err != nil {
		return Stats{}, fmt.Errorf("read redis statistics: %w", err)
	}
	stats, err := fromInfo(sections)
	if err != nil {
		return Stats{}, fmt.Errorf("read redis statistics: %w", err)
	}
	return stats, nil
}

// fromInfo picks the figures from an answer to INFO. A figure counts in any section,
// because its name is unique in the answer.
func fromInfo(sections map[string]map[string]string) (Stats, error) {
	values := make(map[string]string)
	for _, section := range sections {
		maps.Copy(values, section)
	}
	s := Stats{Policy: values["maxmemory_policy"]}
	numbers := map[string]*int64{
		"keyspace_hits":              &s.Hits,
		"keyspace_misses":            &s.Misses,
		"evicted_keys":               &s.Evicted,
		"total_connections_received": &s.Connections,
		"total_commands_processed":   &s.Commands,
		"used_memory":                &s.UsedMemory,
		"maxmemory":                  &s.MaxMemory,
	}
	// Redis writes this line only after the first such error: "count=7".
	if refused, found := values[outOfMemoryErrors]; found {
		values[outOfMemoryErrors] = strings.TrimPrefix(refused, "count=")
		numbers[outOfMemoryErrors] = &s.Refused
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		value, found := values[name]
		if !found {
			missing = append(missing, name)
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return Stats{}, fmt.Errorf("%s: %w", name, err)
		}
		*numbers[name] = n
	}
	if len(missing) > 0 {
		return Stats{}, fmt.Errorf("no %s", strings.Join(missing, ", "))
	}
	return s, nil
}

const outOfMemoryErrors = "errorstat_OOM"
