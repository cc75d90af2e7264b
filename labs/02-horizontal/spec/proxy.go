package spec

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/hostspeed"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// echoPackage is the program that stands in the place of a replica.
	echoPackage = "./labs/02-horizontal/spec/echo"
	// notesPort is the port of its notes: that of a service's profiles.
	notesPort = 6060
	// copiesOfAll is the number of times that each instance is on the list, where a check hangs
	// up on nginx: it takes a server that failed for dead, for ten seconds.
	copiesOfAll = 12
	// listReads are sent with each list.
	listReads = 30
	// hungReads are sent at once while one of three servers hangs up or is silent, so that some
	// of them meet it.
	hungReads = 6
	// largeBody is the largest body that the API takes.
	largeBody = 64 << 10
	// sameAsks are sent to one address. A choice by chance leaves a replica out once in ten thousand million times.
	sameAsks = 60
	// otherCookie is the length of a cookie of another program on the same name.
	otherCookie = 1500
	// proxyLimit bounds the wait for an answer through nginx. The servers answer at once, so it
	// takes milliseconds, on a busy machine some hundred.
	proxyLimit = 5 * time.Second
	// slowestControl is the time from which on an answer without nginx is late: then the machine
	// is busy, and no time of this moment says something about nginx.conf.
	slowestControl = 500 * time.Millisecond
)

// proxies are an nginx with the subject's nginx.conf, and servers in the place of the replicas
// that note what nginx sends them.
type proxies struct {
	bed    *testbed.Bed
	echoes []*testbed.Service
	nginx  *testbed.Nginx
	client *http.Client
}

// startProxies starts nginx and the servers, or gives those of the run before in a series the
// subject's nginx.conf.
func (l *trial) startProxies(ctx context.Context, run *lab.Run) (end func() error, err error) {
	const name = "lab 02 nginx"
	look := lab.Look{File: "nginx.conf"}
	if p, kept := taken[*proxies](run, name); kept {
		l.proxies = p
		end = func() error { return keepOrClose(run, name, p, p.bed.Close) }
		return end, p.replace(ctx, l.subject.Nginx)
	}
	p := &proxies{client: &http.Client{
		Timeout: hostspeed.Wait(proxyLimit), Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if p.bed, err = testbed.Start(lifetime(ctx, run), testbed.Options{}); err != nil {
		return nil, err
	}
	l.proxies = p
	if err := p.start(ctx, l.subject.Nginx); err != nil {
		return p.bed.Close, rig.LearnersFault(err, look)
	}
	return func() error { return keepOrClose(run, name, p, p.bed.Close) }, nil
}

func (p *proxies) start(ctx context.Context, conf []byte) error {
	p.echoes = make([]*testbed.Service, replicas)
	var starts []func(context.Context) error
	for i := range p.echoes {
		starts = append(starts, func(ctx context.Context) (err error) {
			// The names are those of the replicas, so that nginx loads the starter's file.
			p.echoes[i], err = p.bed.Service(ctx, testbed.ServiceOptions{Name: fmt.Sprintf("replica-%d", i+1), Package: echoPackage})
			return err
		})
	}
	if err := testbed.SideBySide(ctx, starts...); err != nil {
		return err
	}
	var err error
	p.nginx, err = p.bed.Nginx(ctx, testbed.NginxOptions{
		Conf: conf, Files: map[string][]byte{rig.UpstreamsFile: p.listOf(1, p.echoes...)},
	})
	return err
}

// replace gives a running nginx another nginx.conf.
func (p *proxies) replace(ctx context.Context, conf []byte) error {
	err := p.nginx.ReplaceConf(ctx, conf)
	var rejected *testbed.ConfigError
	if errors.As(err, &rejected) {
		return &lab.Failure{Expected: "an nginx that starts", Seen: err.Error(), Waited: lab.Late(err), Look: confLook("its own words are above")}
	}
	return err
}

// listOf returns the lines of an upstream block, with each server so many times.
func (p *proxies) listOf(copies int, servers ...*testbed.Service) []byte {
	var list bytes.Buffer
	for range copies {
		for _, s := range servers {
			fmt.Fprintf(&list, "server %s;\n", s.Upstream())
		}
	}
	return list.Bytes()
}

// publish has nginx take a list.
func (p *proxies) publish(ctx context.Context, list []byte) error {
	err := p.nginx.File(rig.UpstreamsFile).Publish(ctx, list)
	var rejected *testbed.ConfigError
	if errors.As(err, &rejected) {
		return &lab.Failure{
			Expected: "nginx to take a new list of replicas in " + rig.UpstreamsFile, Seen: err.Error(), Waited: lab.Late(err),
			Look: lab.Look{File: "nginx.conf", Hint: "include the list, and name no replica beside it"},
		}
	}
	return err
}

// ask is a request through nginx.
type ask struct {
	method, path string
	host         string // that of the base URL if empty
	header       map[string]string
	body         []byte
	chunked      bool // the body goes out without its length
	limit        time.Duration
}

// told is the outcome.
type told struct {
	id     string
	status int // 0 when no whole answer came
	header http.Header
	body   []byte
	err    error
	began  time.Time
	took   time.Duration
}

// waited returns the wait for the answer.
func (t told) waited() lab.Waited { return lab.Between(t.began, t.began.Add(t.took)) }

// lateness returns the wait for an answer that did not come in time, and nothing for others.
func (t told) lateness() lab.Waited {
	if late(t) {
		return t.waited()
	}
	return lab.Waited{}
}

// send sends a request to a base URL. Its headers are those of a browser and its id.
func (p *proxies) send(ctx context.Context, base string, a ask) (t told) {
	t.id = rand.Text()
	if a.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.limit)
		defer cancel()
	}
	var body io.Reader
	if a.body != nil {
		body = bytes.NewReader(a.body)
	}
	request, err := http.NewRequestWithContext(ctx, a.method, base+a.path, body)
	if err != nil {
		t.err = err
		return t
	}
	if a.chunked {
		request.ContentLength = -1
	}
	if a.host != "" {
		request.Host = a.host
	}
	request.Header.Set(seen.IDHeader, t.id)
	for name, value := range a.header {
		request.Header.Set(name, value)
	}
	t.began = time.Now()
	defer func() { t.took = time.Since(t.began) }()
	response, err := p.client.Do(request)
	if err != nil {
		t.err = err
		return t
	}
	defer response.Body.Close() //nolint:errcheck // the body was read to its end
	t.body, t.err = io.ReadAll(io.LimitReader(response.Body, 2*largeBody))
	t.status, t.header = response.StatusCode, response.Header
	return t
}

func (t told) String() string {
	if t.err != nil {
		return t.err.Error()
	}
	return fmt.Sprintf("status %d from %s: %.120q", t.status, orNginx(t.header.Get("X-Instance")), t.body)
}

// orNginx names who answered.
func orNginx(instance string) string {
	if instance == "" {
		return "nginx"
	}
	return instance
}

// notes returns what all servers have received, of the request with an id.
func (p *proxies) notes(ctx context.Context, id string) ([]seen.Request, error) {
	var all []seen.Request
	for _, e := range p.echoes {
		answer, err := rig.Ask(ctx, p.client, "http://"+e.Address(notesPort), rig.Request{Method: http.MethodGet, Path: "/notes?id=" + url.QueryEscape(id)})
		if err != nil {
			return nil, err
		}
		var some []seen.Request
		if err := answer.Into(&some); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// counts sends reads through nginx and counts the answers by server, under "" those that none of
// them gave. Each visitor is new. A read that gets no answer in time is the last.
func (p *proxies) counts(ctx context.Context, n int) (counts map[string]int, waited lab.Waited, err error) {
	counts = make(map[string]int)
	for i := range n {
		t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: page(i)})
		if t.err != nil && ctx.Err() != nil {
			return nil, lab.Waited{}, context.Cause(ctx)
		}
		name := ""
		if t.err == nil && t.status == http.StatusOK {
			name = t.header.Get("X-Instance")
		}
		counts[name]++
		if late(t) {
			if counts[name] == 1 { // every read before it was answered
				waited = t.waited()
			}
			break // the others would wait as long
		}
	}
	return counts, waited, nil
}

// describeCounts tells counts by server.
func (p *proxies) describe(counts map[string]int) string {
	var parts []string
	for _, e := range p.echoes {
		parts = append(parts, fmt.Sprintf("%d by %s", counts[e.Name()], e.Name()))
	}
	if n := counts[""]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d not answered", n))
	}
	return strings.Join(parts, ", ")
}

func confLook(hint string) lab.Look { return lab.Look{File: "nginx.conf", Hint: hint} }

// spread counts which server nginx sends each read to.
func (l *trial) spread(ctx context.Context, run *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(1, p.echoes...)); err != nil {
		return err
	}
	counts, waited, err := p.counts(ctx, spreadReads)
	if err != nil {
		return err
	}
	most, least := 0, spreadReads
	for _, e := range p.echoes {
		n := counts[e.Name()]
		run.Report(fmt.Sprintf("of %d reads, by %s", spreadReads, e.Name()), float64(n), "")
		most, least = max(most, n), min(least, n)
	}
	switch {
	case counts[""] > 0:
		return &lab.Failure{
			Expected: fmt.Sprintf("%d reads through nginx to be answered", spreadReads),
			Seen:     p.describe(counts), Waited: waited, Look: confLook(""),
		}
	case float64(most) > maxImbalance*float64(least):
		return &lab.Failure{
			Expected: fmt.Sprintf("the busiest replica to get at most %g times what the idlest gets", maxImbalance),
			Seen:     p.describe(counts), Look: confLook("the upstream block"),
		}
	}
	order := p.changes()[0]
	for _, a := range []ask{{method: http.MethodGet, path: page(0)}, order} {
		if err := p.reachesAll(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// reachesAll sends one request again and again. Each replica must get some of them.
func (p *proxies) reachesAll(ctx context.Context, a ask) error {
	counts := make(map[string]int)
	for range sameAsks {
		t := p.send(ctx, p.nginx.URL(), a)
		if t.err != nil || t.status != http.StatusOK {
			return &lab.Failure{
				Expected: fmt.Sprintf("%s %s to be answered by a replica", a.method, a.path), Seen: t.String(), Waited: t.lateness(), Look: confLook(""),
			}
		}
		counts[t.header.Get("X-Instance")]++
	}
	for _, e := range p.echoes {
		if counts[e.Name()] == 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("each replica to get some of %d times %s %s", sameAsks, a.method, a.path),
				Seen:     p.describe(counts), Look: confLook("leave ip_hash and hash out of the upstream block: they choose by the request"),
			}
		}
	}
	return nil
}

// listed changes the list and counts who gets requests.
func (l *trial) listed(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	for _, on := range [][]*testbed.Service{p.echoes[:2], p.echoes[1:], p.echoes[2:], p.echoes} {
		if err := p.publish(ctx, p.listOf(1, on...)); err != nil {
			return err
		}
		counts, waited, err := p.counts(ctx, listReads)
		if err != nil {
			return err
		}
		var names []string
		for _, e := range on {
			names = append(names, e.Name())
		}
		for _, e := range p.echoes {
			if (counts[e.Name()] > 0) != slices.Contains(names, e.Name()) || counts[""] > 0 {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d reads to be answered by the replicas on the list, %s, and by no other", listReads, strings.Join(names, " and ")),
					Seen:     p.describe(counts), Waited: waited, Look: confLook("include " + rig.UpstreamsFile + " in the upstream block, and no other server"),
				}
			}
		}
		for _, a := range append(p.reads(), p.changes()...) {
			if t := p.send(ctx, p.nginx.URL(), a); !slices.Contains(names, t.header.Get("X-Instance")) {
				return &lab.Failure{
					Expected: fmt.Sprintf("%s %s to be answered by the replicas on the list, %s", a.method, a.path, strings.Join(names, " and ")),
					Seen:     t.String(), Waited: t.lateness(), Look: confLook("pass every request to the upstream block that includes the list"),
				}
			}
		}
	}
	return p.noOther(ctx)
}

// noOther puts one replica on the list that refuses connections. Then no replica may answer.
func (p *proxies) noOther(ctx context.Context) error {
	const closedPort = 1
	if err := p.publish(ctx, fmt.Appendf(nil, "server %s:%d;\n", p.echoes[0].IP(), closedPort)); err != nil {
		return err
	}
	t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: page(0)})
	notes, err := p.notes(ctx, t.id)
	if err != nil {
		return err
	}
	if len(notes) > 0 {
		return &lab.Failure{
			Expected: "an error when the only replica on the list refuses connections, and no request to another",
			Seen:     t.String(), Look: confLook("name no server in the upstream block beside the list"),
		}
	}
	return p.publish(ctx, p.listOf(1, p.echoes...))
}

// reads are requests for pages of all kinds. The last one has an encoded slash and ends with a slash.
func (p *proxies) reads() []ask {
	var all []ask
	for _, path := range []string{
		"/", "/static/app.js", "/openapi.yaml", "/readyz/x", "/meals?q=a%20b%2Fc&limit=5&cursor=x%3D%3D", page(1), "/me", "/cart", "/orders",
		"/orders/o-1", "/recommendations", "/meals/a%2Fb%20c/",
	} {
		all = append(all, ask{method: http.MethodGet, path: path})
	}
	return all
}

// changes are requests of all kinds that change something, as a browser sends them.
func (p *proxies) changes() []ask {
	json := map[string]string{"Content-Type": "application/json", "Idempotency-Key": "key-1"}
	small := []byte(`{"lines":[]}`)
	return []ask{
		{method: http.MethodPost, path: "/orders", header: json, body: small},
		{method: http.MethodPost, path: "/sessions", header: json, body: small},
		{method: http.MethodPost, path: "/accounts", header: json, body: small},
		{method: http.MethodPost, path: fmt.Sprintf("/meals/%s/ratings", seed.Meal(1)), header: json, body: small},
		{method: http.MethodPost, path: "/webhooks/payments", header: json, body: small},
	}
}

// sentOnce sends POSTs that end badly, and counts how often a replica has received each.
func (l *trial) sentOnce(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(copiesOfAll, p.echoes...)); err != nil {
		return err
	}
	for _, do := range []string{seen.HangUp, "500", "502", "503", "504", "429"} {
		for _, a := range p.changes() {
			a.header = with(a.header, seen.DoHeader, do)
			t := p.send(ctx, p.nginx.URL(), a)
			notes, err := p.notes(ctx, t.id)
			if err != nil {
				return err
			}
			times := 0
			for _, note := range notes {
				if note.Method == a.method {
					times++
				}
			}
			if times > 1 {
				return &lab.Failure{
					Expected: fmt.Sprintf("POST %s to be sent to one replica, which %s", a.path, whatItDid(do)),
					Seen:     fmt.Sprintf("it was sent %d times", times),
					Look:     confLook("leave out what sends a POST again: non_idempotent in proxy_next_upstream, or an error_page that asks a replica"),
				}
			}
			if late(t) {
				return &lab.Failure{
					Expected: fmt.Sprintf("the client of POST %s to be answered when the replica %s", a.path, whatItDid(do)),
					Seen:     t.String(), Waited: t.waited(), Look: confLook("pass the request on at once, with its whole body"),
				}
			}
			if do == seen.HangUp && t.err == nil && t.status < http.StatusInternalServerError {
				return &lab.Failure{
					Expected: fmt.Sprintf("an error for POST %s, which a replica received before it died", a.path),
					Seen:     t.String(), Look: confLook("only the client knows whether to send it again"),
				}
			}
		}
	}
	return nil
}

// late reports whether no answer came in time.
func late(t told) bool {
	var err net.Error
	return errors.As(t.err, &err) && err.Timeout()
}

func whatItDid(do string) string {
	if do == seen.HangUp {
		return "died before it answered"
	}
	return "answered with status " + do
}

// with returns a copy of a header with one more.
func with(header map[string]string, name, value string) map[string]string {
	more := map[string]string{name: value}
	for n, v := range header {
		more[n] = v
	}
	return more
}

// readAgain sends reads at once while one of the servers hangs up on each.
func (l *trial) readAgain(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	for _, dead := range p.echoes {
		if err := p.publish(ctx, p.listOf(1, p.echoes...)); err != nil { // forgets who failed
			return err
		}
		all := p.atOnce(ctx, p.nginx.URL(), ask{method: http.MethodGet, header: map[string]string{seen.DoHeader: seen.HangUpAt + dead.Name()}})
		for _, t := range all {
			if t.err != nil || t.status != http.StatusOK {
				return &lab.Failure{
					Expected: fmt.Sprintf("%d reads to be answered by the other replicas while %s closes each connection without an answer", hungReads, dead.Name()),
					Seen:     t.String(), Look: confLook("set proxy_next_upstream error timeout: then nginx asks another replica"),
				}
			}
		}
	}
	return nil
}

// atOnce sends reads at the same time.
func (p *proxies) atOnce(ctx context.Context, base string, a ask) []told {
	all := make([]told, hungReads)
	var group errgroup.Group
	for i := range all {
		group.Go(func() error {
			one := a
			one.path = page(i)
			all[i] = p.send(ctx, base, one)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the answers
	return all
}

// silentAddress is an address of the bed that no server has. As on a machine without power,
// nothing there answers, not even to refuse a connection.
func (p *proxies) silentAddress() netip.Addr {
	subnet := p.bed.Subnet().Masked()
	last := subnet.Addr().As4()
	for bit := subnet.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(last).Prev() // the last is for broadcasts
}

// silentMachine sends reads while one server on the list does not even refuse a connection.
func (l *trial) silentMachine(ctx context.Context, run *lab.Run) error {
	p := l.proxies
	list := append(fmt.Appendf(nil, "server %s:%d;\n", p.silentAddress(), testbed.ServicePort), p.listOf(1, p.echoes[:2]...)...)
	if err := p.publish(ctx, list); err != nil {
		return err
	}
	read := ask{method: http.MethodGet, limit: load.DefaultTimeout}
	var control []told
	var group errgroup.Group
	group.Go(func() error { control = p.atOnce(ctx, p.echoes[0].URL(), read); return nil })
	all := p.atOnce(ctx, p.nginx.URL(), read)
	_ = group.Wait() // it returns no error
	slowest := time.Duration(0)
	for _, t := range all {
		slowest = max(slowest, t.took)
	}
	run.Report("slowest read while a machine is silent", float64(slowest.Milliseconds()), "ms")
	for _, t := range all {
		if t.err == nil && t.status == http.StatusOK {
			continue
		}
		for _, c := range control {
			if c.err != nil || c.took > slowestControl {
				return &lab.Doubt{
					Reason: fmt.Sprintf("a read without nginx took %s at the same time (%v)", c.took.Round(time.Millisecond), c.err),
					Remedy: "close what else runs on this machine, and check again",
				}
			}
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("every read to be answered within the %s that a client waits, while one of three machines is silent", load.DefaultTimeout),
			Seen:     t.String(), Look: confLook("set proxy_connect_timeout to 500ms: nginx waits 60 s for a machine that does not answer at all"),
		}
	}
	return nil
}

// privatePages asks for the replicas' metrics, which are not for visitors.
func (l *trial) privatePages(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	asks := []ask{{method: http.MethodHead, path: "/metrics"}, {method: http.MethodPost, path: "/metrics"}, {method: http.MethodOptions, path: "/metrics"}}
	for _, path := range []string{"/metrics", "/metrics?name=go_goroutines", "//metrics", "/./metrics", "/%6detrics", "/meals/../metrics"} {
		asks = append(asks, ask{method: http.MethodGet, path: path})
	}
	for _, host := range []string{"localhost", "bytebites.example", p.echoes[0].Name()} {
		asks = append(asks, ask{method: http.MethodGet, path: "/metrics", host: host})
	}
	for _, a := range asks {
		t := p.send(ctx, p.nginx.URL(), a)
		notes, err := p.notes(ctx, t.id)
		if err != nil {
			return err
		}
		if len(notes) > 0 || t.err == nil && t.status < http.StatusBadRequest {
			what := a.method + " " + a.path
			if a.host != "" {
				what += " with the host " + a.host
			}
			return &lab.Failure{
				Expected: fmt.Sprintf("nginx to answer %s with an error, and no replica to receive it", what),
				Seen:     t.String(), Look: confLook("the location of /metrics: visitors must not see what the replicas count"),
			}
		}
	}
	return nil
}

// unchanged sends requests of all kinds. It compares the received with the sent requests at the
// server, and the received with the sent answers at the client.
func (l *trial) unchanged(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(copiesOfAll, p.echoes...)); err != nil {
		return err
	}
	at, err := url.Parse(p.nginx.URL())
	if err != nil {
		return fmt.Errorf("address of nginx: %w", err)
	}
	browser := map[string]string{
		"Cookie": httpapi.SessionCookie + "=abc; other=" + strings.Repeat("1", otherCookie), "Origin": p.nginx.URL(), "Sec-Fetch-Site": "same-origin",
		"Authorization": "Bearer staff", "Idempotency-Key": "key-1", httpapi.SignatureHeader: "t=1,v1=ab", "Accept": "application/json",
		"Accept-Encoding": "gzip, br", "Accept-Language": "de, en;q=0.5", "If-None-Match": `"e-2"`, "User-Agent": "browser/1.0", "X-Request-Id": "request-1",
	}
	all := p.reads()
	for i := range all {
		all[i].header = browser
	}
	all = append(all, ask{method: http.MethodHead, path: "/", header: browser})
	changing := with(browser, "Content-Type", "application/json")
	for _, a := range append(p.changes(),
		ask{method: http.MethodPut, path: "/cart", body: bytes.Repeat([]byte("x"), largeBody)},
		ask{method: http.MethodPost, path: "/orders", body: bytes.Repeat([]byte("y"), largeBody), chunked: true},
		ask{method: http.MethodPut, path: page(1), body: []byte("{}")},
		ask{method: http.MethodDelete, path: "/sessions"},
	) {
		a.header = changing
		all = append(all, a)
	}
	for _, a := range all {
		if err := p.passes(ctx, a, at.Host); err != nil {
			return err
		}
	}
	foreign := all[len(all)-1]
	foreign.header = with(with(changing, "Origin", "https://evil.example"), "Sec-Fetch-Site", "cross-site")
	foreign.header["Origin"], foreign.header["Sec-Fetch-Site"] = "https://evil.example", "cross-site"
	if err := p.passes(ctx, foreign, at.Host); err != nil {
		return err
	}
	return p.answersPass(ctx, changing)
}

// passes demands that a request reaches one server unchanged.
func (p *proxies) passes(ctx context.Context, a ask, host string) error {
	t := p.send(ctx, p.nginx.URL(), a)
	notes, err := p.notes(ctx, t.id)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s", a.method, a.path)
	if len(notes) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s, with a body of %d bytes, to reach one replica", what, len(a.body)),
			Seen:     fmt.Sprintf("it reached %d (%s)", len(notes), t), Look: confLook("pass each request to one replica: nginx must neither answer by itself nor send copies"),
		}
	}
	note, hash := notes[0], sha256.Sum256(a.body)
	type part struct{ name, sent, got string }
	parts := []part{
		{"the method", a.method, note.Method}, {"the path and query", a.path, note.URI}, {"Host", host, note.Host},
		{"the body's SHA-256", hex.EncodeToString(hash[:]), note.BodyHash},
	}
	for name, value := range a.header {
		parts = append(parts, part{name, value, strings.Join(note.Header.Values(name), ", ")})
	}
	for _, part := range parts {
		if part.sent != part.got {
			return &lab.Failure{
				Expected: fmt.Sprintf("a replica to receive %s of %s as the browser sent it, %q", part.name, what, part.sent),
				Seen:     fmt.Sprintf("%q", part.got), Look: confLook("change nothing by proxy_set_header but what the lesson sets, and give proxy_pass no path"),
			}
		}
	}
	return nil
}

// answersPass demands that each answer of a replica reaches its own client unchanged.
func (p *proxies) answersPass(ctx context.Context, header map[string]string) error {
	for _, status := range []int{200, 201, 204, 303, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := ask{method: method, path: "/orders", header: with(header, seen.DoHeader, fmt.Sprint(status))}
			t := p.send(ctx, p.nginx.URL(), a)
			if err := p.same(t, fmt.Sprintf("%s %s", method, a.path), status); err != nil {
				return err
			}
		}
	}
	// The same page for several visitors: an answer that nginx keeps is another visitor's.
	for range listReads / 10 {
		t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: "/me", header: map[string]string{"Cookie": httpapi.SessionCookie + "=" + rand.Text()}})
		if err := p.same(t, "GET /me", http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

// same compares an answer with what the servers send.
func (p *proxies) same(t told, what string, status int) error {
	fault := func(expected, got string) error {
		return &lab.Failure{
			Expected: fmt.Sprintf("the answer of a replica to %s to reach the client unchanged: %s", what, expected), Seen: got,
			Look: confLook("leave out error_page, proxy_intercept_errors, proxy_cache, gzip, add_header and proxy_hide_header: they change answers"),
		}
	}
	if t.err != nil || t.status != status {
		return fault(fmt.Sprintf("status %d", status), t.String())
	}
	if got, want := t.header.Values("Set-Cookie"), seen.Cookies(); !slices.Equal(got, want) {
		return fault(fmt.Sprintf("Set-Cookie %q", want), fmt.Sprintf("%q", got))
	}
	if got := t.header.Get("Content-Type"); got != seen.ContentType {
		return fault("Content-Type "+seen.ContentType, fmt.Sprintf("%q", got))
	}
	for name, want := range seen.Headers() {
		if got := t.header.Values(name); !slices.Equal(got, []string{want}) {
			return fault(fmt.Sprintf("%s %q", name, want), fmt.Sprintf("%q", got))
		}
	}
	if t.status == http.StatusNoContent {
		return nil
	}
	var note seen.Request
	if err := json.Unmarshal(t.body, &note); err != nil || note.ID != t.id {
		return fault("the body for this request", fmt.Sprintf("%.200q", t.body))
	}
	return nil
}
