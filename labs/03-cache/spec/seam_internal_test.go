package spec

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/lab"
)

// odd is a cache that answers from the stores, after it has done something.
type odd struct{ before func(context.Context) }

func (o odd) Catalogue(c bytebites.Catalogue) bytebites.Catalogue { return oddCatalogue{c, o} }
func (o odd) Sessions(s bytebites.Sessions) bytebites.Sessions    { return s }
func (o odd) UserData(u service.UserData) service.UserData        { return u }

type oddCatalogue struct {
	bytebites.Catalogue
	odd
}

func (o oddCatalogue) Meal(ctx context.Context, id bytebites.MealID) (bytebites.Meal, error) {
	o.before(ctx)
	return o.Catalogue.Meal(ctx, id)
}

// A subject that panics, never returns or does not open is the learner's to mend. One that uses a
// command which the stand-in for Redis does not know is in doubt.
func TestVerdictsWithoutServers(t *testing.T) {
	for _, test := range []struct {
		name string
		open func(service.Resources) (service.Cache, error)
		want lab.Verdict
		says string
	}{
		{"keeps nothing", func(service.Resources) (service.Cache, error) { return odd{func(context.Context) {}}, nil }, lab.NotYet, "reads of meal m005"},
		{"panics", func(service.Resources) (service.Cache, error) {
			return odd{func(context.Context) { panic("no such key") }}, nil
		}, lab.NotYet, "panic: no such key"},
		{"never returns", func(service.Resources) (service.Cache, error) { return odd{func(context.Context) { select {} }}, nil }, lab.NotYet, "no answer"},
		{"does not open", func(service.Resources) (service.Cache, error) { return nil, errors.New("no Redis") }, lab.NotYet, "no Redis"},
		{"panics when it opens", func(service.Resources) (service.Cache, error) { panic("no Redis") }, lab.NotYet, "panic: no Redis"},
		{"asks for an unknown command", func(r service.Resources) (service.Cache, error) {
			client := redis.NewClient(&redis.Options{Addr: r.Config.RedisAddr})
			r.OnClose(client.Close)
			return odd{func(ctx context.Context) { client.FunctionStats(ctx) }}, nil
		}, lab.Inconclusive, "FUNCTION"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := &trial{subject: Subject{Apply: func(c *service.Composition) { c.Cache = test.open }}}
			err := l.onSeam((*seam).kept)(t.Context(), nil)
			if got := lab.Classify(err); got != test.want || !strings.Contains(err.Error(), test.says) {
				t.Errorf("verdict %s: %v; want %s with %q", got, err, test.want, test.says)
			}
		})
	}
}

func TestDiffer(t *testing.T) {
	same := strings.Repeat("x", 100)
	for _, test := range []struct{ expected, seen, told, wanted string }{
		{"a", "b", "b", "a"},
		{"", "b", "b", "nothing"},
		{same + "a", same + "b", "..." + same[:50] + "b", "..." + same[:50] + "a"},
		{same, same[:60], "..." + same[:50], "..." + same[:90]},
	} {
		if told, wanted := differ(test.expected, test.seen); told != test.told || wanted != test.wanted {
			t.Errorf("%q and %q: told %q, wanted %q", test.expected, test.seen, told, wanted)
		}
	}
}

func TestHasVersion(t *testing.T) {
	for name, want := range map[string]bool{
		"bytebites:1:meal:m0001": true, "meal:v2:m0001": true, "meals/3/m0001": true, "meal:m0001:1": true,
		"meal:m0001": false, "bytebites:meal:m0001": false, "v:meal:m0001": false,
	} {
		if got := hasVersion(name); got != want {
			t.Errorf("%s has a version: %v, want %v", name, got, want)
		}
	}
}

// The stores in memory must tell all questions of the checks apart, or a mix-up would not show.
func TestPagesDiffer(t *testing.T) {
	m := newMemory()
	truth := replica{catalogue: memoryCatalogue{m}}
	seen := make(map[string]string)
	for _, between := range separators() {
		for _, q := range splitPages(between) {
			text, err := q.ask(t.Context(), truth)
			if other, taken := seen[text]; taken || text == "" || err != nil {
				t.Errorf("%s: %v, and the answer is that to %q", q.what, err, other)
			}
			seen[text] = q.what
		}
		for i, q := range splitCursors(between) {
			text, err := q.ask(t.Context(), truth)
			if none := i%2 == 0; err != nil || (text == "") != none {
				t.Errorf("%s: %q, %v, want a page without meals: %v", q.what, text, err, none)
			}
		}
	}
}

// A scrape of the metrics sends INFO. It may come while a check stops Redis.
func TestInfoWhileRedisStops(t *testing.T) {
	r, err := newFakeRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	client := redis.NewClient(&redis.Options{Addr: r.addr, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	stats, err := client.InfoMap(t.Context(), "stats").Result()
	if err != nil || stats["Stats"]["total_connections_received"] == "" {
		t.Fatalf("info: %v, error %v", stats, err)
	}
	asking, stop := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for asking.Err() == nil {
				_ = client.Info(asking, "stats").Err() // refused while it is stopped
			}
		})
	}
	for range 50 {
		r.stop()
		if err := r.start(); err != nil {
			t.Error(err)
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	askers.Wait()
}
