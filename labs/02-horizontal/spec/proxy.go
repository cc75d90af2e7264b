package spec

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
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
	// proxyLimit bounds the wait for an answer through nginx. The servers answer at once, so it
	// takes milliseconds, on a busy machine some hundred.
	proxyLimit = 5 * time.Second
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
			Look: lab.Look{File: "nginx.conf", Hint: "is the list included, and nothing beside it that names a replica?"},
		}
	}
	return err
}

// ask is a request through nginx.
type ask struct {
	method, path string
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
