// Package redisstat reads Redis's own account of its work, INFO: what it was asked, what it
// had, what it threw out and what it refused. Counts from here are the same on a fast machine
// and on a noisy one.
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
	Hits, Misses int64 // keys that were looked up and were there, or not
	Evicted      int64 // keys thrown out for want of memory
	Connections  int64 // that clients have made, closed ones too
	Commands     int64
	// Refused is how many commands failed for want of memory.
	Refused    int64
	UsedMemory int64 // bytes, of data, connections and all
	MaxMemory  int64 // bytes; 0 is no limit
	// Policy says what is thrown out when the memory is full, such as noeviction.
	Policy string
}

// HitRatio returns the share of the keys looked up that were there, in [0, 1]; 0 when none
// was.
func (s Stats) HitRatio() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Since returns what was counted after an earlier reading of the same server. The memory is
// what it is now.
func (s Stats) Since(earlier Stats) Stats {
	s.Hits -= earlier.Hits
	s.Misses -= earlier.Misses
	s.Evicted -= earlier.Evicted
	s.Connections -= earlier.Connections
	s.Commands -= earlier.Commands
	s.Refused -= earlier.Refused
	return s
}

// Read asks a server.
func Read(ctx context.Context, client *redis.Client) (Stats, error) {
	text, err := client.Info(ctx, "stats", "memory", "errorstats").Result()
	if err != nil {
		return Stats{}, fmt.Errorf("read redis statistics: %w", err)
	}
	stats, err := parse(text)
	if err != nil {
		return Stats{}, fmt.Errorf("read redis statistics: %w", err)
	}
	return stats, nil
}

// parse reads the answer to INFO: lines of "name:value", and headings that begin with #.
func parse(text string) (Stats, error) {
	var s Stats
	numbers := map[string]*int64{
		"keyspace_hits":              &s.Hits,
		"keyspace_misses":            &s.Misses,
		"evicted_keys":               &s.Evicted,
		"total_connections_received": &s.Connections,
		"total_commands_processed":   &s.Commands,
		"used_memory":                &s.UsedMemory,
		"maxmemory":                  &s.MaxMemory,
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		number, wanted := numbers[name]
		switch {
		case name == "maxmemory_policy":
			s.Policy = value
			continue
		case name == "errorstat_OOM": // the line is not there before the first
			number, value = &s.Refused, strings.TrimPrefix(value, "count=")
		case !wanted:
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return Stats{}, fmt.Errorf("%s: %w", name, err)
		}
		*number = n
		delete(numbers, name)
	}
	if len(numbers) > 0 {
		return Stats{}, fmt.Errorf("no %s", strings.Join(slices.Sorted(maps.Keys(numbers)), ", "))
	}
	return s, nil
}
