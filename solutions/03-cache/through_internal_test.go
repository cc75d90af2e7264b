package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	// That there is none is forgotten first.
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

func TestSlowReaderPutsNothingBack(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	one, two := w.reader(open(t, server.Addr())), w.reader(open(t, server.Addr()))
	w.during = func() { // between one's reading and its answer
		w.mu.Lock()
		w.during = nil
		w.mu.Unlock()
		w.set("a", "apricot")
		two.forget(t.Context(), "a")
	}
	want(t, one, "a", map[string]string{"a": "apple"})
	want(t, one, "a", map[string]string{"a": "apricot"})
	want(t, two, "a", map[string]string{"a": "apricot"})
}

func TestCrowdIsOneLoad(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	reading, goOn := make(chan struct{}), make(chan struct{})
	w.during = func() { close(reading); <-goOn }
	readers := []*reader[string, string]{w.reader(open(t, server.Addr())), w.reader(open(t, server.Addr()))}

	first, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := readers[0].get(first, []string{"a"})
		left <- err
	}()
	<-reading
	var people sync.WaitGroup
	var wrong atomic.Int64
	for i := range 40 {
		people.Go(func() {
			got, err := readers[i%2].get(t.Context(), []string{"a"})
			if err != nil || got["a"] != "apple" {
				wrong.Add(1)
			}
		})
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(goOn)
	people.Wait()
	if n := w.times(); n != 1 || wrong.Load() != 0 {
		t.Errorf("the store was asked %d times, want once; %d of the others got no answer", n, wrong.Load())
	}
}

// A replica that died with a lease holds the others up for a moment, and no longer.
func TestDeadLoaderIsNotWaitedForLong(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	if err := server.Set(leaseKey(r.key("a")), "of the dead"); err != nil {
		t.Fatal(err)
	}
	want(t, r, "ab", map[string]string{"a": "apple", "b": "bread"})
	want(t, r, "a", map[string]string{"a": "apple"})
	if got := w.asked; len(got) != 2 {
		t.Errorf("asked for %v, want b at once, a later, and a no more", got)
	}
}

// Who waits for another replica's load goes on waiting when Redis does not answer for a moment.
func TestWaiterIsPatient(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	reading, goOn := make(chan struct{}), make(chan struct{})
	w.during = func() { close(reading); <-goOn }
	one, two := w.reader(open(t, server.Addr())), w.reader(open(t, server.Addr()))
	var people sync.WaitGroup
	people.Go(func() { want(t, one, "a", map[string]string{"a": "apple"}) })
	<-reading
	people.Go(func() { want(t, two, "a", map[string]string{"a": "apple"}) })
	time.Sleep(5 * lookEvery) // it has asked, and has been told that one is at it
	server.SetError("LOADING Redis is loading the dataset in memory")
	time.Sleep(5 * lookEvery)
	server.SetError("")
	close(goOn)
	people.Wait()
	if n := w.times(); n != 1 {
		t.Errorf("the store was asked %d times, want once", n)
	}
}

func TestWithoutRedisTheStoreAnswers(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	c := open(t, server.Addr())
	r := w.reader(c)
	want(t, r, "a", map[string]string{"a": "apple"})
	server.Close()
	for range 3 * breakerThreshold {
		want(t, r, "a", map[string]string{"a": "apple"})
	}
	if err := c.ask(t.Context(), "look", func() error {
		t.Error("asked Redis after many failures")
		return nil
	}); err == nil {
		t.Error("no error from a Redis that is left alone")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is asked again", func() bool {
		before := w.times()
		want(t, r, "a", map[string]string{"a": "apple"})
		return w.times() == before
	})
}

func TestHangingRedisCostsItsPatience(t *testing.T) {
	// It takes connections and says nothing.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	w := newWords()
	r := w.reader(open(t, listener.Addr().String()))
	began := time.Now()
	for range 100 {
		want(t, r, "a", map[string]string{"a": "apple"})
	}
	// A few calls fail, and one for each rest; without a breaker all 300 would.
	if took := time.Since(began); took > 30*callTimeout {
		t.Errorf("a hundred reads took %s", took)
	}
}

func TestLostDeletionIsOwed(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	want(t, r, "a", map[string]string{"a": "apple"})
	server.SetError("LOADING Redis is loading the dataset in memory")
	w.set("a", "apricot")
	r.forget(t.Context(), "a")
	server.SetError("")
	want(t, r, "a", map[string]string{"a": "apricot"}) // from the store: what Redis has is not trusted
	eventually(t, "the deletion is made up for", func() bool { return !r.cache.owed.has(r.key("a")) })
	want(t, r, "a", map[string]string{"a": "apricot"})
}

func TestOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owed
		o.add("a", "b")
		due := o.due()
		time.Sleep(time.Second)
		o.add("a") // again, while the first deletion is under way
		o.paid(due)
		if !o.has("a") || o.has("b") {
			t.Errorf("a owed: %v, want true; b owed: %v, want false", o.has("a"), o.has("b"))
		}
		time.Sleep(longest + time.Second)
		if due := o.due(); !due.none() || o.has("a") {
			t.Errorf("%v is due after all entries have expired", due)
		}
	})
}

// A long outage must not fill the memory.
func TestOwedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owed
		for i := range maxOwed + 1 {
			o.add(strconv.Itoa(i))
		}
		due := o.due()
		if len(o.keys) > 0 || len(due.keys) > 0 || due.all.IsZero() || !o.has("any") {
			t.Errorf("%d keys owed beside the whole cache: %v; any key owed: %v", len(o.keys), !due.all.IsZero(), o.has("any"))
		}
		time.Sleep(time.Second)
		o.add("late")
		o.paid(due)
		if !o.has("any") {
			t.Error("a key that came to be owed during the flush is not owed any more")
		}
		o.paid(o.due())
		if o.has("any") {
			t.Error("owed after it was paid")
		}
		o.all = time.Now()
		time.Sleep(longest + time.Second)
		if !o.due().none() {
			t.Error("due after all entries have expired")
		}
	})
}

func TestOwedCacheIsFlushed(t *testing.T) {
	server := miniredis.RunT(t)
	w := newWords()
	r := w.reader(open(t, server.Addr()))
	want(t, r, "ab", map[string]string{"a": "apple", "b": "bread"})
	server.SetError("LOADING Redis is loading the dataset in memory")
	w.set("b", "brioche")
	r.forget(t.Context(), "b")
	for i := range maxOwed {
		r.cache.owed.add(strconv.Itoa(i))
	}
	server.SetError("")
	eventually(t, "the cache is flushed", func() bool { return !r.cache.owed.has("any") })
	want(t, r, "ab", map[string]string{"a": "apple", "b": "brioche"})
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

func TestJitterOnlyShortens(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		ttl := jittered(time.Hour)
		least, most = min(least, ttl), max(most, ttl)
	}
	if most > time.Hour || least < 54*time.Minute || most-least < 4*time.Minute {
		t.Errorf("from %s to %s, want most of 54 to 60 minutes", least, most)
	}
}

// Entries outlive a release. A change of what they look like must change their names.
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
