package redisstat

import (
	"maps"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

const info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\nmaxmemory:201326592\r\nmaxmemory_policy:allkeys-lfu\r\n\r\n" +
	"# Stats\r\ntotal_connections_received:12\r\ntotal_commands_processed:345\r\nevicted_keys:6\r\nkeyspace_hits:90\r\nkeyspace_misses:10\r\n"

// answering returns a client of a server that answers every INFO with text.
func answering(t *testing.T, text string) *redis.Client {
	t.Helper()
	s, err := server.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Register("INFO", func(c *server.Peer, _ string, _ []string) { c.WriteBulk(text) }); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.Addr().String(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestRead(t *testing.T) {
	got, err := Read(t.Context(), answering(t, info+"\r\n# Errorstats\r\nerrorstat_OOM:count=7\r\nerrorstat_ERR:count=1\r\n"))
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
	if got, err := Read(t.Context(), answering(t, info)); err != nil || got.Refused != 0 {
		t.Errorf("without an error yet: %+v, %v", got, err)
	}
}

func TestReadNamesMissingAndBadFigures(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "keyspace_hits"},
		{strings.Replace(info, "evicted_keys", "other_keys", 1), "no evicted_keys"},
		{strings.Replace(info, "keyspace_hits:90", "keyspace_hits:many", 1), "keyspace_hits: "},
	} {
		if _, err := Read(t.Context(), answering(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.30q: got %v, want %q in it", test.text, err, test.want)
		}
	}
}

func TestReadWithoutServer(t *testing.T) {
	client := answering(t, info)
	_ = client.Close()
	if _, err := Read(t.Context(), client); err == nil || !strings.HasPrefix(err.Error(), "read redis statistics: ") {
		t.Errorf("got %v, want an error that names the operation", err)
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

func FuzzFromInfo(f *testing.F) {
	sound := map[string]string{
		"used_memory": "1", "maxmemory": "2", "maxmemory_policy": "noeviction", "total_connections_received": "3",
		"total_commands_processed": "4", "evicted_keys": "5", "keyspace_hits": "6", "keyspace_misses": "7",
	}
	f.Add("keyspace_hits", "many")
	f.Add("errorstat_OOM", "count=")
	f.Fuzz(func(t *testing.T, name, value string) {
		section := maps.Clone(sound)
		section[name] = value
		stats, err := fromInfo(map[string]map[string]string{"Stats": section})
		if err != nil && stats != (Stats{}) {
			t.Errorf("figures beside an error: %+v, %v", stats, err)
		}
	})
}
