package spec

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		maxMemory int64
		policy    string
		says      string // empty when the settings are right
	}{
		{384 << 20, "allkeys-lfu", ""},
		{384_000_000, "allkeys-lru", ""},
		{384 << 20, "volatile-lru", ""}, // each key has a time to live
		{0, "allkeys-lru", "0 is no limit"},
		{384, "allkeys-lru", "384 bytes"},
		{512 << 20, "allkeys-lru", "512 MiB"},
		{384 << 20, "noeviction", "refuses new keys"},
		{384 << 20, "allkeys-random", "allkeys-random"},
		{384 << 20, "volatile-ttl", "volatile-ttl"},
	} {
		err := bounds(test.maxMemory, test.policy)
		var failure *lab.Failure
		if test.says == "" && err != nil || test.says != "" && (!errors.As(err, &failure) || !strings.Contains(failure.Seen, test.says)) {
			t.Errorf("maxmemory %d, %s: %v, want a failure that says %q", test.maxMemory, test.policy, err, test.says)
		}
	}
}

func TestMostWithin(t *testing.T) {
	seconds := func(all ...int) []time.Duration {
		var times []time.Duration
		for _, n := range all {
			times = append(times, time.Duration(n)*time.Second)
		}
		return times
	}
	for _, test := range []struct {
		times []time.Duration
		span  time.Duration
		want  int
	}{
		{nil, time.Second, 0},
		{seconds(7), 0, 1},
		{seconds(1, 1, 1), 0, 3},
		{seconds(9, 1, 5, 3, 7), 4 * time.Second, 3}, // in any order, both ends included
		{seconds(1, 2, 100, 101, 102, 200), 3 * time.Second, 3},
	} {
		if got := mostWithin(test.times, test.span); got != test.want {
			t.Errorf("%v within %s: got %d, want %d", test.times, test.span, got, test.want)
		}
	}
}
