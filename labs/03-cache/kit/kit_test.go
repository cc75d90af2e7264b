package kit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/labs/03-cache/kit"
)

func TestEntries(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	ctx := t.Context()
	entries := []kit.Entry{{Key: "a", Text: "apple", TTL: time.Hour}, {Key: "b", TTL: time.Minute}, {Key: "none", Text: "no time to live"}}
	if err := kit.Set(ctx, client, entries); err != nil {
		t.Fatal(err)
	}
	if err := kit.Set(ctx, client, entries[2:]); err != nil {
		t.Errorf("nothing to set: %v", err)
	}
	keys := []string{"none", "b", "a"}
	want := []kit.Found{{}, {There: true}, {Text: "apple", There: true}}
	if got, err := kit.Get(ctx, client, keys); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if ttl := server.TTL("b"); ttl != time.Minute {
		t.Errorf("b lives for %s, want a minute", ttl)
	}
	if err := kit.Replace(ctx, client, kit.Entry{Key: "a", Text: "apricot", TTL: time.Hour}, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if text, err := server.Get("a"); err != nil || text != "apricot" || server.Exists("b") {
		t.Errorf("a is %q, %v; b is there: %v", text, err, server.Exists("b"))
	}
	if err := kit.Delete(ctx, client, keys); err != nil || server.Exists("a") {
		t.Errorf("deleted: %v, and a is there: %v", err, server.Exists("a"))
	}
	server.SetError("LOADING")
	if _, err := kit.Get(ctx, client, keys); err == nil {
		t.Error("no error from a Redis that refuses")
	}
}

func TestHelpers(t *testing.T) {
	entries := kit.Shorten([]kit.Entry{{TTL: time.Hour}, {TTL: time.Second}, {}}, time.Minute)
	if entries[0].TTL != time.Minute || entries[1].TTL != time.Second || entries[2].TTL != 0 {
		t.Errorf("shortened to %v", entries)
	}
	if got := kit.InOrder([]int{3, 1, 2}, map[int]string{1: "one", 3: "three"}); !slices.Equal(got, []string{"three", "one"}) {
		t.Errorf("in order: %v", got)
	}
	failed := errors.New("failed")
	load := kit.OneByOne(func(_ context.Context, id int) (string, bool, error) {
		if id == 9 {
			return "", false, failed
		}
		return "one", id == 1, nil
	})
	if got, err := load(t.Context(), []int{1, 2}); err != nil || len(got) != 1 || got[1] != "one" {
		t.Errorf("loaded %v, %v", got, err)
	}
	if got, err := load(t.Context(), []int{1, 9}); !errors.Is(err, failed) || got != nil {
		t.Errorf("loaded %v, %v; want the error", got, err)
	}
}
