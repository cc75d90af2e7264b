package balancer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bytebites.example/workshop/shared/testbed/balancer"
)

// fleet answers probes by URL.
type fleet struct {
	mu   sync.Mutex
	down map[string]error
	hang map[string]bool
}

func (f *fleet) Probe(ctx context.Context, url string) error {
	f.mu.Lock()
	err, hang := f.down[url], f.hang[url]
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *fleet) set(url string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down == nil {
		f.down = make(map[string]error)
	}
	f.down[url] = err
}

func (f *fleet) setHang(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = map[string]bool{url: true}
}

// board keeps the published lists.
type board struct {
	mu    sync.Mutex
	lists []string
	err   error
	takes time.Duration
}

func (b *board) Publish(ctx context.Context, list []byte) error {
	time.Sleep(b.takes)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.lists = append(b.lists, string(list))
	return nil
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *board) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lists) == 0 {
		return "nothing"
	}
	return b.lists[len(b.lists)-1]
}

func (b *board) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lists)
}

var errDown = errors.New("503")

// policy has round numbers: a probe a second, ready after 2, not ready after 1.
var policy = balancer.Policy{Interval: time.Second, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 1}

func replica(name string) balancer.Replica {
	return balancer.Replica{Name: name, ReadyURL: "http://" + name + "/readyz", Upstream: name + ":8080"}
}

// run runs body in fake time, with a controller of replicas a, b and c.
func run(t *testing.T, body func(t *testing.T, c *balancer.Controller, f *fleet, b *board)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, b := &fleet{}, &board{}
		c, err := balancer.New(balancer.Config{Publisher: b, Prober: f, Policy: policy, Template: "{{range .Servers}}{{.}} {{end}}"})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := c.Register(replica(name)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		body(t, c, f, b)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// after waits for d of fake time and then requires the list to be want.
func after(t *testing.T, d time.Duration, b *board, want string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := strings.TrimSpace(b.last()); got != want {
		t.Errorf("upstream list is %q, want %q", got, want)
	}
}

const instant = time.Millisecond

func TestControllerFollowsReadiness(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		after(t, instant, b, "") // no replica is ready yet, and an empty list replaces the old one
		after(t, time.Second, b, "a:8080 b:8080 c:8080")
		f.set("http://b/readyz", errDown)
		after(t, time.Second, b, "a:8080 c:8080")
		f.set("http://b/readyz", nil)
		after(t, time.Second, b, "a:8080 c:8080") // one success is not enough
		after(t, time.Second, b, "a:8080 b:8080 c:8080")
	})
}

func TestControllerTakesAHangingReplicaOutWithinItsTimeout(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		after(t, time.Second+instant, b, "a:8080 b:8080 c:8080")
		f.setHang("http://a/readyz")
		after(t, time.Second, b, "a:8080 b:8080 c:8080") // the next probe is a second away
		after(t, policy.Timeout, b, "b:8080 c:8080")
	})
}

func TestControllerIsQuietWhileNothingChanges(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		after(t, 2*time.Second, b, "a:8080 b:8080 c:8080")
		before := b.count()
		after(t, time.Minute, b, "a:8080 b:8080 c:8080")
		if n := b.count() - before; n != 0 {
			t.Errorf("%d lists published while nothing changed: each is a reload", n)
		}
	})
}

func TestControllerPublishesAgainAfterAFailure(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		after(t, time.Second+instant, b, "a:8080 b:8080 c:8080")
		b.fail(errors.New("reload failed"))
		f.set("http://c/readyz", errDown)
		after(t, 3*time.Second, b, "a:8080 b:8080 c:8080")
		if got := c.Published(); !slices.Contains(got, "c") {
			t.Errorf("published is %v, though the balancer never took the list", got)
		}
		b.fail(nil)
		after(t, time.Second, b, "a:8080 b:8080")
	})
}

func TestDeregisterReturnsWhenTheBalancerHasTheList(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		after(t, time.Second+instant, b, "a:8080 b:8080 c:8080")
		b.takes = 300 * time.Millisecond
		// While a is deregistered, a publish of a list with a is in progress.
		f.set("http://c/readyz", errDown)
		time.Sleep(time.Second)
		if err := c.Deregister(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(b.last()); got != "b:8080" {
			t.Errorf("after deregistering a the list is %q, want b alone", got)
		}
		if err := c.Deregister(t.Context(), "a"); err == nil {
			t.Error("deregistering a twice: no error")
		}
		b.takes = 0
		after(t, time.Minute, b, "b:8080")
	})
}

func TestRegisterWhileRunning(t *testing.T) {
	run(t, func(t *testing.T, c *balancer.Controller, f *fleet, b *board) {
		if err := c.Register(replica("d")); err != nil {
			t.Fatal(err)
		}
		got, err := c.Await(t.Context(), func(p []string) bool { return len(p) == 4 })
		if err != nil || !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("await: %v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Await(ctx, func(p []string) bool { return len(p) == 5 }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("await of a fourth replica: %v", err)
		}
	})
}

func TestRegisterRefuses(t *testing.T) {
	c, err := balancer.New(balancer.Config{Publisher: &board{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Register(replica("a")); err != nil {
		t.Fatal(err)
	}
	for _, upstream := range []string{"", "b", "b:0", "b:99999", ":80", "b;evil:80", "b {}:80", "b\n:80", "b:80;\nserver c:80"} {
		r := replica("b")
		r.Upstream = upstream
		if err := c.Register(r); err == nil {
			t.Errorf("upstream %q was taken", upstream)
		}
	}
	for _, r := range []balancer.Replica{replica("a"), {Name: "b", Upstream: "b:80"}, {ReadyURL: "http://b/", Upstream: "b:80"}} {
		if err := c.Register(r); err == nil {
			t.Errorf("replica %+v was taken", r)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]balancer.Config{
		"no publisher": {},
		"bad policy":   {Publisher: &board{}, Policy: balancer.Policy{Interval: time.Second}},
		"bad template": {Publisher: &board{}, Template: "{{"},
	} {
		if _, err := balancer.New(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNginxServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := &board{}, &fleet{}
		c, err := balancer.New(balancer.Config{Publisher: b, Prober: f, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Register(replica("a")); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		after(t, instant, b, "# Written by the balancer's controller.\nserver 127.0.0.1:1 down;")
		after(t, time.Second, b, "# Written by the balancer's controller.\nserver a:8080;")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
