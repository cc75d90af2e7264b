package balancer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
)

const (
	probePackage = "./shared/testbed/testdata/probe"
	upstreams    = "/etc/nginx/upstreams.conf"
)

const nginxConf = `pid /run/nginx.pid;
worker_processes 2;
events {}
http {
    upstream service {
        include /etc/nginx/upstreams.conf;
        keepalive 4;
    }
    server {
        listen 80;
        location / {
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 1s;
            proxy_next_upstream off; # a request to a dead replica must be seen
        }
    }
}
`

// answers sends n requests through nginx and counts the answers by instance; "" counts
// failures.
func answers(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	count := make(map[string]int)
	for range n {
		var who struct{ Instance string }
		res, err := client.Get(url + "/who")
		if err == nil && res.StatusCode == http.StatusOK {
			err = json.NewDecoder(res.Body).Decode(&who)
		}
		if res != nil {
			_ = res.Body.Close()
		}
		if err != nil {
			t.Log(err)
		}
		count[who.Instance]++
	}
	return count
}

func TestNginxFollowsReadiness(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	var nginx *testbed.Nginx
	replicas := make([]*testbed.Service, 2)
	start := func(i int) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			replicas[i], err = bed.Service(ctx, testbed.ServiceOptions{
				Name: fmt.Sprintf("replica-%d", i+1), Package: probePackage, Type: instance.Micro(),
			})
			return err
		}
	}
	err := testbed.SideBySide(ctx, start(0), start(1), func(ctx context.Context) (err error) {
		nginx, err = bed.Nginx(ctx, testbed.NginxOptions{
			Conf:  []byte(nginxConf),
			Files: map[string][]byte{upstreams: []byte("server 127.0.0.1:1 down;\n")},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := answers(t, nginx.URL(), 3); got[""] != 3 {
		t.Errorf("without replicas: %v, want failures", got)
	}

	c, err := balancer.New(balancer.Config{
		Publisher: nginx.File(upstreams),
		Policy:    balancer.Policy{Interval: 250 * time.Millisecond, Timeout: 200 * time.Millisecond, Rise: 1, Fall: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		if err := c.Register(balancer.Replica{Name: r.Name(), ReadyURL: r.URL() + "/readyz", Upstream: r.Upstream()}); err != nil {
			t.Fatal(err)
		}
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await := func(names ...string) {
		t.Helper()
		if got, err := c.Await(ctx, func(p []string) bool { return slices.Equal(p, names) }); err != nil {
			t.Fatalf("upstream list %v, want %v: %v", got, names, err)
		}
	}
	both := func() {
		t.Helper()
		await("replica-1", "replica-2")
		if got := answers(t, nginx.URL(), 20); got["replica-1"] == 0 || got["replica-2"] == 0 || got[""] != 0 {
			t.Errorf("both are ready: %v, want answers from both and no failure", got)
		}
	}
	only := func(name string) {
		t.Helper()
		await(name)
		if got := answers(t, nginx.URL(), 20); got[name] != 20 {
			t.Errorf("only %s is ready: %v", name, got)
		}
	}
	setReady := func(s *testbed.Service, ready bool) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("%s/ready?value=%v", s.URL(), ready), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}

	both()
	setReady(replicas[0], false) // it still answers, but must get no requests
	only("replica-2")
	setReady(replicas[0], true)
	both()
	if err := replicas[1].Kill(ctx); err != nil {
		t.Fatal(err)
	}
	only("replica-1")
	if err := replicas[1].Start(ctx); err != nil {
		t.Fatal(err)
	}
	both()
	if err := replicas[0].Pause(ctx); err != nil { // it hangs
		t.Fatal(err)
	}
	only("replica-2")
	if err := replicas[0].Unpause(ctx); err != nil {
		t.Fatal(err)
	}
	both()
	if err := c.Deregister(ctx, "replica-2"); err != nil {
		t.Fatal(err)
	}
	only("replica-1")
	setReady(replicas[0], false) // the last one, too
	if got, err := c.Await(ctx, func(p []string) bool { return len(p) == 0 }); err != nil {
		t.Fatalf("upstream list %v: %v", got, err)
	}
	if got := answers(t, nginx.URL(), 3); got[""] != 3 {
		t.Errorf("no replica is ready: %v, want failures", got)
	}
}
