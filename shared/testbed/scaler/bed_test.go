package scaler_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/testbed/scaler"
)

const (
	upstreams = "/etc/nginx/upstreams.conf"
	nginxConf = `pid /run/nginx.pid;
worker_processes 2;
events {}
http {
    access_log off;
    upstream service {
        zone service 128k;
        include /etc/nginx/upstreams.conf;
        keepalive 8;
    }
    server {
        listen 80;
        location / {
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream off; # a request to a dead replica must be seen
        }
    }
}
`
	// readsEvery is the time from one request of the light load to the next.
	readsEvery  = 50 * time.Millisecond
	readTimeout = 5 * time.Second
)

// reads is a light load: one request after the other on a schedule, each on a new connection.
type reads struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex
	sent   int
	failed []string
}

func startReads(ctx context.Context, url string) *reads {
	ctx, stop := context.WithCancel(ctx)
	r := &reads{stop: stop}
	client := &http.Client{Timeout: hostspeed.Wait(readTimeout), Transport: &http.Transport{DisableKeepAlives: true}}
	r.done.Go(func() {
		ticker := time.NewTicker(readsEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				r.done.Go(func() { r.read(client, url) })
			}
		}
	})
	return r
}

func (r *reads) read(client *http.Client, url string) {
	res, err := client.Get(url) // ends with its own timeout, so that no request is cut off
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", res.StatusCode)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	if err != nil {
		r.failed = append(r.failed, fmt.Sprintf("%s %v", time.Now().Format(time.TimeOnly), err))
	}
}

// end ends the load, and returns how many requests were sent and what failed.
func (r *reads) end() (sent int, failed []string) {
	r.stop()
	r.done.Wait()
	return r.sent, r.failed
}

// bench is a fleet of real replicas and the servers that it needs.
type bench struct {
	t        *testing.T
	ctx      context.Context
	bed      *testbed.Bed
	db       *testbed.Postgres
	nginx    *testbed.Nginx
	balancer *balancer.Controller
	service  testbed.ServiceOptions
	policy   *script
	log      *log
	clock    scaler.Clock
}

func TestScalesRealReplicas(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	r := &bench{t: t, ctx: ctx, bed: bed, policy: &script{n: 2}, log: &log{}, clock: scaler.Clock{Start: time.Now(), Factor: factor}}
	r.startServers()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	r.leaseMovesWithTheConnection()

	c, end := r.control("one")
	r.awaitReady(2)
	load := startReads(ctx, r.nginx.URL()+"/meals")
	r.policy.want(4)
	r.awaitReady(4)
	r.awaitMeasured(c, 4)
	r.policy.want(2)
	r.awaitReady(2)
	r.awaitContainers(2)
	sent, failed := load.end()
	if len(failed) > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed while the fleet went from 2 to 4 to 2: %v; want none of 100 or more", len(failed), sent, failed)
	}
	if got := running(c.Changes()); !slices.Equal(got, []int{2, 4, 2}) {
		t.Errorf("changes to %v, want 2, 4, 2", got)
	}
	for _, one := range c.Readied() {
		t.Logf("%s was ready %.2f s after the decision", one.Name, one.Took().Seconds())
	}
	history := c.History()
	longest := time.Duration(0)
	for i := 1; i < len(history); i++ {
		longest = max(longest, r.clock.Real(history[i].At.Sub(history[i-1].At)))
	}
	t.Logf("%d requests, %d failed; %d readings, at most %.2f s apart", sent, len(failed), len(history), longest.Seconds())
	end()

	// Another controller finds the two by their labels, and replaces one that dies.
	_, end = r.control("two")
	defer end()
	survivors := r.awaitReady(2)
	before := r.names()
	if !slices.Equal(before, survivors) {
		t.Errorf("after the change of controllers there are %v, want the same two %v", before, survivors)
	}
	r.kill(survivors[0])
	killed := time.Now()
	r.await("a replacement", func(published []string) bool {
		return len(published) == 2 && !slices.Contains(published, survivors[0]) && slices.Contains(published, survivors[1])
	})
	t.Logf("%s was replaced %.2f s after it died", survivors[0], time.Since(killed).Seconds())
	r.awaitContainers(2)
	if r.log.count("replica ended", survivors[0]) != 1 {
		t.Errorf("the log does not say that %s ended", survivors[0])
	}
}

func (r *bench) startServers() {
	r.t.Helper()
	const program = "./solutions/service"
	var mail *testbed.MailSink
	err := testbed.SideBySide(r.ctx,
		func(ctx context.Context) (err error) {
			r.db, err = r.bed.Postgres(ctx, testbed.PostgresOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			mail, err = r.bed.MailSink(ctx, testbed.MailSinkOptions{})
			return err
		},
		func(ctx context.Context) (err error) {
			r.nginx, err = r.bed.Nginx(ctx, testbed.NginxOptions{
				Conf: []byte(nginxConf), Files: map[string][]byte{upstreams: []byte("server 127.0.0.1:1 down;\n")},
			})
			return err
		},
		func(ctx context.Context) error {
			_, err := r.bed.Binary(ctx, program)
			return err
		},
	)
	if err != nil {
		r.t.Fatal(err)
	}
	r.service = testbed.ServiceOptions{
		Package: program, Args: []string{"--through", "02"}, Type: instance.Micro(), Postgres: r.db, MailSink: mail,
		Env: map[string]string{"BYTEBITES_TRUSTED_PROXIES": r.bed.Subnet().String()},
	}
	if r.balancer, err = balancer.New(balancer.Config{Publisher: r.nginx.File(upstreams)}); err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.balancer.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
}

// control runs a controller, with a fleet and a lease of its own, until end is called.
func (r *bench) control(name string) (c *scaler.Controller, end func()) {
	r.t.Helper()
	fleet, err := scaler.NewContainers(scaler.ContainersOptions{Bed: r.bed, Name: "web", Service: r.service, Balancer: r.balancer})
	if err != nil {
		r.t.Fatal(err)
	}
	lease := r.lease()
	c, err = scaler.New(scaler.Config{
		Fleet: fleet, Policy: r.policy.policy, Lease: lease, Clock: r.clock, Interval: 500 * time.Millisecond, Min: 2, Max: 4,
		Limits: scaler.Limits{Start: hostspeed.Wait(30 * time.Second)},
		Logger: slog.New(slog.NewTextHandler(r.log, nil)).With("controller", name),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(end)
	return c, end
}

func (r *bench) lease() *scaler.PostgresLease {
	r.t.Helper()
	lease, err := scaler.NewPostgresLease(r.db.URL(), "web")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = lease.Close() })
	return lease
}

const listWait = 40 * time.Second

// await waits until the balancer has a good list, and returns it sorted.
func (r *bench) await(what string, good func(published []string) bool) []string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, hostspeed.Wait(listWait))
	defer cancel()
	began := time.Now()
	published, err := r.balancer.Await(ctx, good)
	if err != nil {
		r.t.Fatalf("wait for %s: %v", what, err)
	}
	r.t.Logf("%s after %.2f s", what, time.Since(began).Seconds())
	slices.Sort(published)
	return published
}

func (r *bench) awaitReady(n int) []string {
	r.t.Helper()
	return r.await(fmt.Sprintf("%d ready replicas", n), func(published []string) bool { return len(published) == n })
}

// awaitMeasured waits until a reading has measured n ready replicas under the light load. Each of
// them uses some of its quota, and less than half.
func (r *bench) awaitMeasured(c *scaler.Controller, n int) {
	r.t.Helper()
	good := func() bool {
		history := c.History()
		busy := 0
		for _, one := range history[len(history)-1].Replicas {
			if one.Measured && !one.ReadySince.IsZero() && one.Utilisation > 0 && one.Utilisation < 0.5 {
				busy++
			}
		}
		return busy == n
	}
	r.poll(fmt.Sprintf("a reading of %d replicas", n), good)
	r.t.Logf("last reading: %+v", c.History()[len(c.History())-1].Replicas)
}

// awaitContainers waits until only n replicas exist.
func (r *bench) awaitContainers(n int) {
	r.t.Helper()
	r.poll(fmt.Sprintf("%d containers", n), func() bool { return len(r.names()) == n })
}

func (r *bench) poll(what string, done func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, hostspeed.Wait(listWait))
	defer cancel()
	began := time.Now()
	for !done() {
		if err := nap(ctx, 100*time.Millisecond); err != nil {
			r.t.Fatalf("wait for %s: %v", what, err)
		}
	}
	r.t.Logf("%s after %.2f s", what, time.Since(began).Seconds())
}

// found asks the engine for the replicas by their labels.
func (r *bench) found() []testbed.Found {
	r.t.Helper()
	o := r.service
	o.Labels = map[string]string{scaler.LabelFleet: "web"}
	found, err := r.bed.FindServices(r.ctx, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func (r *bench) names() []string {
	r.t.Helper()
	var names []string
	for _, c := range r.found() {
		names = append(names, c.Name())
	}
	slices.Sort(names)
	return names
}

func (r *bench) kill(name string) {
	r.t.Helper()
	for _, c := range r.found() {
		if c.Name() == name {
			if err := c.Kill(r.ctx); err != nil {
				r.t.Fatal(err)
			}
			return
		}
	}
	r.t.Fatalf("no replica %s", name)
}

// leaseMovesWithTheConnection proves the lease on the real database.
func (r *bench) leaseMovesWithTheConnection() {
	t := r.t
	t.Helper()
	a, b := r.lease(), r.lease()
	take := func(l *scaler.PostgresLease) bool {
		t.Helper()
		taken, err := l.Take(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	holds := func(l *scaler.PostgresLease, want bool) {
		t.Helper()
		if held, err := l.Check(r.ctx); held != want {
			t.Errorf("lease held is %v, %v; want %v", held, err, want)
		}
	}
	if !take(a) || take(b) {
		t.Fatal("want the first controller to get the lease, and the second not")
	}
	holds(a, true)
	holds(b, false)
	if err := a.Release(r.ctx); err != nil {
		t.Fatal(err)
	}
	if !take(b) || take(a) {
		t.Fatal("want the lease to go to the second controller after a release")
	}

	// The server ends the connection, as after a restart.
	db, err := pgconn.Open(r.db.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ended := r.endSessions(db)
	if ended == 0 {
		t.Fatal("no session of the lease was found")
	}
	r.poll("the lease of an ended connection", func() bool {
		taken, err := a.Take(r.ctx)
		return err == nil && taken
	})
	holds(b, false)
	holds(a, true)

	// The server hangs: the answer is no, and it comes in time.
	if err := r.db.Pause(r.ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 300*time.Millisecond)
	began := time.Now()
	held, err := a.Check(ctx)
	cancel()
	took := time.Since(began)
	if err := r.db.Unpause(r.ctx); err != nil {
		t.Fatal(err)
	}
	if held || err == nil || took > hostspeed.Wait(2*time.Second) {
		t.Errorf("a hanging server: held %v, %v after %v; want an error within 2 s", held, err, took)
	}
	holds(a, false)
	r.poll("the lease of a connection that hung", func() bool {
		taken, err := b.Take(r.ctx)
		return err == nil && taken
	})
	if err := b.Release(r.ctx); err != nil {
		t.Fatal(err)
	}
}

// endSessions ends the sessions that hold an advisory lock for a scaler.
func (r *bench) endSessions(db *sql.DB) (ended int) {
	r.t.Helper()
	err := db.QueryRowContext(r.ctx, `
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE application_name = 'scaler' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')`).Scan(&ended)
	if err != nil {
		r.t.Fatal(err)
	}
	return ended
}
