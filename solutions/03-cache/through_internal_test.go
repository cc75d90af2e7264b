package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	resp "github.com/alicebob/miniredis/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"bytebites.example/workshop/labs/03-cache/kit"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

// open returns the cache of one replica on a server.
func open(t *testing.T, addr string) *Cache {
	t.Helper()
	c, err := Open(service.Resources{
		Config: service.Config{RedisAddr: addr}, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		OnClose: func(close func() error) {
			t.Cleanup(func() {
				if err := close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// words is a store of words, which counts how often it is asked.
type words struct {
	mu    sync.Mutex
	all   map[string]string
	err   error
	asked [][]string
	// during, unless nil, is called by each load when it has read.
	during func()
}

func (w *words) load(_ context.Context, ids []string) (map[string]string, error) {
	w.mu.Lock()
	w.asked = append(w.asked, slices.Clone(ids))
	found, err, during := make(map[string]string), w.err, w.during
	for _, id := range ids {
		if word, exists := w.all[id]; exists {
			found[id] = word
		}
	}
	w.mu.Unlock()
	if during != nil {
		during()
	}
	return found, err
}

func (w *words) set(id, word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[id] = word
}

func (w *words) times() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func newWords() *words { return &words{all: map[string]string{"a": "apple", "b": "bread"}} }

func (w *words) reader(c *Cache) *reader[string, string] {
	return &reader[string, string]{
		cache: c, kind: "word", name: func(id string) string { return id }, ttl: kit.Always[string](time.Hour), load: w.load,
	}
}

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func want(t *testing.T, r *reader[string, string], ids string, expected map[string]string) {
	t.Helper()
	got, err := r.get(t.Context(), strings.Split(ids, ""))
	if err != nil || !maps.Equal(got, expected) {
		t.Errorf("get %s: %v, %v; want %v", ids, got, err, expected)
	}
}

func TestReadThrough(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	want(t, r, "a", map[string]string{"a": "apple"})
	want(t, r, "abx", map[string]string{"a": "apple", "b": "bread"})
	want(t, r, "abx", map[string]string{"a": "apple", "b": "bread"})
	if got := w.asked; len(got) != 2 || !slices.Equal(got[0], []string{"a"}) || !slices.Equal(got[1], []string{"b", "x"}) {
		t.Errorf("the store was asked for %v, want [a], then [b x]", got)
	}
	for _, key := range server.Keys() {
		if server.TTL(key) <= 0 {
			t.Errorf("%s lives for ever", key)
		}
		if strings.HasPrefix(key, "lease:") {
			t.Errorf("%s outlived its load", key)
		}
	}
	// An absence expires first.
	server.FastForward(absentFor)
	w.set("x", "xigua")
	want(t, r, "ax", map[string]string{"a": "apple", "x": "xigua"})
	server.FastForward(longest)
	want(t, r, "a", map[string]string{"a": "apple"})
	if n := w.times(); n != 4 {
		t.Errorf("the store was asked %d times, want 4", n)
	}
}

func TestAnErrorIsNoAnswer(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	w.err = errors.New("failover")
	r := w.reader(open(t, server.Addr()))
	if _, err := r.get(t.Context(), []string{"a"}); !errors.Is(err, w.err) {
		t.Errorf("got %v, want the store's error", err)
	}
	if keys := server.Keys(); len(keys) > 0 {
		t.Errorf("kept %v", keys)
	}
	w.err = nil
	want(t, r, "a", map[string]string{"a": "apple"})
}

func TestWhatCannotBeReadIsLoadedAnew(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	if err := server.Set(r.key("a"), "{"); err != nil {
		t.Fatal(err)
	}
	want(t, r, "a", map[string]string{"a": "apple"})
	want(t, r, "a", map[string]string{"a": "apple"})
	if n := w.times(); n != 1 {
		t.Errorf("the store was asked %d times, want once", n)
	}
}

func TestForget(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	want(t, r, "ab", map[string]string{"a": "apple", "b": "bread"})
	w.set("a", "apricot")
	r.forget(t.Context(), "a")
	want(t, r, "ab", map[string]string{"a": "apricot", "b": "bread"})
}

// While Redis is away its counters keep their values: a fall to 0 would read as a restart, and
// the rise after it as new evictions.
func TestEvictedKeepsItsValue(t *testing.T) {
	server := miniredis.RunT(t)
	c := open(t, server.Addr())
	info := func(answer string) {
		server.Server().SetPreHook(func(peer *resp.Peer, command string, _ ...string) bool {
			if strings.EqualFold(command, "info") {
				peer.WriteBulk(answer)
				return true
			}
			return false
		})
	}
	info("# Stats\r\nevicted_keys:7\r\nkeyspace_hits:1\r\n")
	if n := c.evictedKeys(); n != 7 {
		t.Errorf("evicted: %v, want 7", n)
	}
	info("# Stats\r\n")
	if n := c.evictedKeys(); n != 7 {
		t.Errorf("evicted, when Redis does not say: %v, want 7", n)
	}
	server.Close()
	if n := c.evictedKeys(); n != 7 {
		t.Errorf("evicted, while Redis is away: %v, want 7", n)
	}
}

// A total without a server's part is shown, and is not kept as a whole one.
func TestApproximateIsKeptBriefly(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	partial := true
	r.load = func(ctx context.Context, ids []string) (map[string]string, error) {
		found, err := w.load(ctx, ids)
		if partial {
			bytebites.MarkApproximate(ctx)
			delete(found, "b")
		}
		return found, err
	}
	want(t, r, "ab", map[string]string{"a": "apple"})
	want(t, r, "ab", map[string]string{"a": "apple"})
	if n := w.times(); n != 1 {
		t.Errorf("the store was asked %d times, want once: it has enough to do", n)
	}
	partial = false
	server.FastForward(approximateFor)
	want(t, r, "ab", map[string]string{"a": "apple", "b": "bread"})
	for _, key := range []string{"a", "b"} {
		if ttl := server.TTL(r.key(key)); ttl < longest/2 {
			t.Errorf("a whole answer is kept for %s", ttl)
		}
	}
}

// Entries outlive a release. A change of their form must change their keys.
func TestShapeOfEntriesGoesWithTheirVersion(t *testing.T) {
	for _, entry := range []struct {
		value any
		want  string
	}{
		{
			bytebites.Meal{
				ID: "m", Name: "n", Description: "d", Cuisine: "c", Diets: []string{"v"}, Price: 1, PrepMinutes: 2, Version: 3,
				Ingredients: []bytebites.Ingredient{{Name: "i", Grams: 4, Supplier: "s"}}, Nutrition: bytebites.Nutrition{KiloCalories: 5},
			},
			`{"ID":"m","Name":"n","Description":"d","Cuisine":"c","Diets":["v"],"Price":1,"PrepMinutes":2,` +
				`"Ingredients":[{"Name":"i","Grams":4,"Supplier":"s"}],` +
				`"Nutrition":{"KiloCalories":5,"ProteinGrams":0,"CarbGrams":0,"FatGrams":0,"FibreGrams":0,"SaltMilligram":0},"Version":3}`,
		},
		{bytebites.Rating{Count: 1, Average: 2.5}, `{"Count":1,"Average":2.5}`},
		{[]bytebites.Popularity{{Meal: "m", Portions: 1}}, `[{"Meal":"m","Portions":1}]`},
		{[]bytebites.MealID{"m"}, `["m"]`},
		{bytebites.Session{User: "u", Email: "e"}, `{"TokenHash":[` + strings.Repeat("0,", 31) + `0],"User":"u","Email":"e","ExpiresAt":"0001-01-01T00:00:00Z"}`},
	} {
		text, err := json.Marshal(entry.value)
		if err != nil || string(text) != entry.want {
			t.Errorf("a %T is kept as\n%s (%v), and in version %s it was\n%s\nraise the version", entry.value, text, err, schema, entry.want)
		}
	}
}
