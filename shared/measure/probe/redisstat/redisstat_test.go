package redisstat

import (
	"strings"
	"testing"
)

const info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:201326592\r\nmaxmemory_policy:allkeys-lfu\r\n\r\n" +
	"# Stats\r\ntotal_connections_received:12\r\ntotal_commands_processed:345\r\nevicted_keys:6\r\nkeyspace_hits:90\r\nkeyspace_misses:10\r\n"

func TestParse(t *testing.T) {
	got, err := parse(info + "\r\n# Errorstats\r\nerrorstat_OOM:count=7\r\nerrorstat_ERR:count=1\r\n")
	want := Stats{
		Hits: 90, Misses: 10, Evicted: 6, Connections: 12, Commands: 345, Refused: 7,
		UsedMemory: 1048576, MaxMemory: 201326592, Policy: "allkeys-lfu",
	}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
	if ratio := got.HitRatio(); ratio != 0.9 {
		t.Errorf("hit ratio %v, want 0.9", ratio)
	}
	if got, err := parse(info); err != nil || got.Refused != 0 {
		t.Errorf("without an error yet: %+v, %v", got, err)
	}
}

func TestParseNamesWhatIsMissing(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "keyspace_hits"},
		{strings.Replace(info, "evicted_keys", "other_keys", 1), "no evicted_keys"},
		{strings.Replace(info, "keyspace_hits:90", "keyspace_hits:many", 1), "keyspace_hits: "},
	} {
		if _, err := parse(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.30q: got %v, want %q in it", test.text, err, test.want)
		}
	}
}

func TestSince(t *testing.T) {
	later := Stats{Hits: 10, Misses: 4, Evicted: 3, Connections: 5, Commands: 50, Refused: 2, UsedMemory: 99}
	got := later.Since(Stats{Hits: 4, Misses: 4, Evicted: 1, Connections: 2, Commands: 20, Refused: 2, UsedMemory: 11})
	if want := (Stats{Hits: 6, Evicted: 2, Connections: 3, Commands: 30, UsedMemory: 99}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if ratio := (Stats{}).HitRatio(); ratio != 0 {
		t.Errorf("hit ratio of nothing is %v", ratio)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(info)
	f.Add("errorstat_OOM:count=\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		stats, err := parse(text)
		if err != nil && stats != (Stats{}) {
			t.Errorf("figures beside an error: %+v, %v", stats, err)
		}
	})
}
