package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"bytebites.example/workshop/shared/testbed/engine"
)

// fakeStore is an engine, a registry and bundle files.
type fakeStore struct {
	mu       sync.Mutex
	has      map[Ref]bool
	bundle   []Ref // images of every bundle
	loadErr  error
	registry map[Ref]bool // nil when no registry answers
	buildErr map[Name]error
	calls    []string
}

func (f *fakeStore) note(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeStore) present(_ context.Context, ref Ref) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.has[ref], nil
}

func (f *fakeStore) load(_ context.Context, path string) error {
	f.note("load %s", path)
	for _, ref := range f.bundle {
		f.has[ref] = true
	}
	return f.loadErr
}

func (f *fakeStore) probe(ctx context.Context, ref Ref) error {
	f.note("probe")
	if _, limited := ctx.Deadline(); !limited {
		return errors.New("a probe without a deadline")
	}
	if f.registry == nil {
		return errors.New("no answer")
	}
	return nil
}

func (f *fakeStore) pull(_ context.Context, ref Ref) error {
	f.note("pull %s", ref)
	if !f.registry[ref] {
		return errors.New("rate limit")
	}
	f.has[ref] = true
	return nil
}

func (f *fakeStore) build(ctx context.Context, n Name, ref Ref) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("build %s", n)
	if err := f.buildErr[n]; err != nil {
		return err
	}
	f.has[ref] = true
	return nil
}

func TestEnsureOrder(t *testing.T) {
	official := func(names ...Name) map[Ref]bool {
		refs := make(map[Ref]bool)
		for _, n := range names {
			refs[n.Official()] = true
		}
		return refs
	}
	noMirror := &engine.Unavailable{Problem: "no mirror", Remedy: "plug in the cable"}
	for name, c := range map[string]struct {
		store  *fakeStore
		bundle string // named by an option
		found  string // found in the module
		want   []Name
		calls  []string // builds sorted
		have   map[Name]Ref
		err    string
	}{
		"official and local are there": {
			store: &fakeStore{has: map[Ref]bool{"postgres:17": true, Redis.Local(): true}},
			want:  []Name{Postgres, Redis}, bundle: "b.tar",
			have: map[Name]Ref{Postgres: "postgres:17", Redis: Redis.Local()},
		},
		"official before local": {
			store: &fakeStore{has: map[Ref]bool{"redis:8.0": true, Redis.Local(): true}},
			want:  []Name{Redis}, have: map[Name]Ref{Redis: "redis:8.0"},
		},
		"a bundle has it": {
			store: &fakeStore{bundle: []Ref{Redis.Local()}, registry: official(Redis)},
			want:  []Name{Redis}, bundle: "b.tar", found: "other.tar",
			calls: []string{"load b.tar"}, have: map[Name]Ref{Redis: Redis.Local()},
		},
		"a bundle was found": {
			store: &fakeStore{bundle: []Ref{"redis:8.0"}},
			want:  []Name{Redis}, found: "other.tar",
			calls: []string{"load other.tar"}, have: map[Name]Ref{Redis: "redis:8.0"},
		},
		"a bundle has half of it": {
			store: &fakeStore{bundle: []Ref{"redis:8.0"}, registry: official(Nginx)},
			want:  []Name{Redis, Nginx}, bundle: "b.tar",
			calls: []string{"load b.tar", "probe", "pull nginx:1.26"},
			have:  map[Name]Ref{Redis: "redis:8.0", Nginx: "nginx:1.26"},
		},
		"a bundle of an earlier recipe": {
			store: &fakeStore{bundle: []Ref{"bytebites-local/redis:8.0-0123456789"}},
			want:  []Name{Redis}, bundle: "b.tar",
			calls: []string{"load b.tar", "probe", "build redis"}, have: map[Name]Ref{Redis: Redis.Local()},
		},
		"a bundle that cannot be loaded": {
			store: &fakeStore{loadErr: errors.New("truncated")},
			want:  []Name{Redis}, bundle: "b.tar", calls: []string{"load b.tar"}, err: "b.tar",
		},
		"pulled": {
			store: &fakeStore{registry: official(Postgres, Redis)},
			want:  []Name{Redis, Postgres},
			calls: []string{"probe", "pull postgres:17", "pull redis:8.0"},
			have:  map[Name]Ref{Postgres: "postgres:17", Redis: "redis:8.0"},
		},
		"a pull fails": {
			store: &fakeStore{registry: official(Postgres)},
			want:  []Name{Redis, Postgres},
			calls: []string{"probe", "pull postgres:17", "pull redis:8.0", "build redis"},
			have:  map[Name]Ref{Postgres: "postgres:17", Redis: Redis.Local()},
		},
		"no registry: one probe for all": {
			want:  []Name{Redis, Postgres, Nginx},
			calls: []string{"probe", "build nginx", "build postgres", "build redis"},
			have:  map[Name]Ref{Postgres: Postgres.Local(), Redis: Redis.Local(), Nginx: Nginx.Local()},
		},
		"made from Go: no registry is asked": {
			store: &fakeStore{registry: official(Toxiproxy)},
			want:  []Name{Static, Toxiproxy},
			calls: []string{"build static", "build toxiproxy"},
			have:  map[Name]Ref{Static: Static.Local(), Toxiproxy: Toxiproxy.Local()},
		},
		"only what is wanted": {
			want: []Name{Redis, Redis}, calls: []string{"probe", "build redis"}, have: map[Name]Ref{Redis: Redis.Local()},
		},
		"nothing can provide it": {
			store: &fakeStore{buildErr: map[Name]error{Redis: noMirror}},
			want:  []Name{Redis}, calls: []string{"probe", "build redis"}, err: "plug in the cable",
		},
		"not in the catalogue": {
			want: []Name{"oracle"}, err: `"oracle": not in the catalogue`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.store == nil {
				c.store = &fakeStore{}
			}
			if c.store.has == nil {
				c.store.has = make(map[Ref]bool)
			}
			locked := 0
			e := ensurer{store: c.store, bundle: c.bundle, found: func() string { return c.found }}
			have, err := e.ensure(t.Context(), c.want, func(context.Context) (func(), error) {
				locked++
				return func() { locked-- }, nil
			})
			calls := c.store.calls
			if i := slices.IndexFunc(calls, func(call string) bool { return strings.HasPrefix(call, "build") }); i >= 0 {
				slices.Sort(calls[i:]) // parallel builds
			}
			if !slices.Equal(calls, c.calls) {
				t.Errorf("it did %q, want %q", calls, c.calls)
			}
			if locked != 0 {
				t.Error("the lock is not released")
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("the error is %v, want %q", err, c.err)
				}
				var missing *engine.Unavailable
				if c.want[0] != "oracle" && !errors.As(err, &missing) {
					t.Errorf("the error is %v, want an Unavailable", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(have) != fmt.Sprint(c.have) {
				t.Errorf("it returns %v, want %v", have, c.have)
			}
		})
	}
}

func TestEnsureLooksAgainUnderTheLock(t *testing.T) {
	store := &fakeStore{has: make(map[Ref]bool)}
	e := ensurer{store: store, found: func() string { return "" }}
	have, err := e.ensure(t.Context(), []Name{Redis}, func(context.Context) (func(), error) {
		store.has[Redis.Local()] = true // the earlier holder of the lock has built it
		return func() {}, nil
	})
	if err != nil || have[Redis] != Redis.Local() || len(store.calls) > 0 {
		t.Errorf("it returns %v, %v after %q", have, err, store.calls)
	}
}

func TestEnsureIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := &fakeStore{has: make(map[Ref]bool)}
	e := ensurer{store: store, found: func() string { return "" }}
	_, err := e.ensure(ctx, []Name{Redis}, func(context.Context) (func(), error) { return func() {}, nil })
	if !errors.Is(err, context.Canceled) || slices.Contains(store.calls, "build redis") {
		t.Errorf("the error is %v after %q", err, store.calls)
	}
}
