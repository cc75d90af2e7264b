package clitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/bytebites/seed"
)

const (
	requestTimeout = 5 * time.Second // of one request
	dialTimeout    = time.Second
)

// servers has the commands that ask the servers of the stack.
type servers struct{ waiter }

// get asks for a URL until it answers with a status.
func (s servers) get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get URL STATUS")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	s.until(ts, func(ctx context.Context) error {
		a, err := ask(ctx, http.MethodGet, args[0], "", nil)
		if err != nil {
			return err
		}
		if a.code != want {
			return fmt.Errorf("get %s: status %s, want %d", args[0], a.status, want)
		}
		return nil
	})
}

// monitored waits until a Prometheus has scraped the service.
func (s servers) monitored(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: monitored URL")
	}
	s.awaitSeries(ts, args[0], `up{job="service"} == 1`)
}

// watched waits until a Prometheus has a metric, of any service.
func (s servers) watched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: watched URL METRIC")
	}
	s.awaitSeries(ts, args[0], "count("+args[1]+")")
}

// awaitSeries waits until a Prometheus answers a query with one series.
func (s servers) awaitSeries(ts *testscript.TestScript, prometheus, query string) {
	s.until(ts, func(ctx context.Context) error {
		a, err := ask(ctx, http.MethodGet, prometheus+"/api/v1/query?query="+url.QueryEscape(query), "", nil)
		if err != nil {
			return err
		}
		var answer struct{ Data struct{ Result []any } }
		if err := json.Unmarshal(a.body, &answer); err != nil || len(answer.Data.Result) != 1 {
			return fmt.Errorf("query %s: want one series, got %s", query, a.body)
		}
		return nil
	})
}

// order signs the demo subscriber in at a storefront and orders one portion, which must be
// accepted. It sets ORDER to the order's URL, and SESSION to the cookie that may read it.
func (s servers) order(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: order URL")
	}
	session, err := ask(s.ctx, http.MethodPost, args[0]+"/sessions", "", map[string]string{"email": seed.Email(1), "password": seed.Password})
	ts.Check(err)
	if len(session.cookies) == 0 {
		ts.Fatalf("sign in at %s: no cookie in a response with status %s", args[0], session.status)
	}
	ts.Setenv("SESSION", session.cookies[0].Name+"="+session.cookies[0].Value)
	accepted, err := ask(s.ctx, http.MethodPost, args[0]+"/orders", ts.Getenv("SESSION"),
		map[string]any{"lines": []any{map[string]any{"meal_id": "m0001", "quantity": 1}}})
	ts.Check(err)
	if accepted.code != http.StatusCreated {
		ts.Fatalf("order at %s: status %s\n%s", args[0], accepted.status, accepted.body)
	}
	ts.Setenv("ORDER", args[0]+accepted.location)
}

// effects waits until all effects of the order are done. With ! it demands that one of them is
// not done.
func (s servers) effects(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: [!] effects")
	}
	order := ts.Getenv("ORDER")
	look := func(ctx context.Context) (done bool, body []byte) {
		a, err := ask(ctx, http.MethodGet, order, ts.Getenv("SESSION"), nil)
		ts.Check(err)
		var seen struct {
			Effects []struct{ Done bool }
		}
		ts.Check(json.Unmarshal(a.body, &seen))
		return len(seen.Effects) > 0 && !slices.ContainsFunc(seen.Effects, func(e struct{ Done bool }) bool { return !e.Done }), a.body
	}
	if neg {
		if done, _ := look(s.ctx); done {
			ts.Fatalf("all effects of %s are done", order)
		}
		return
	}
	s.until(ts, func(ctx context.Context) error {
		if done, body := look(ctx); !done {
			return fmt.Errorf("the effects of %s are not done: %s", order, body)
		}
		return nil
	})
}

// answer is a response, read to its end.
type answer struct {
	code             int
	status, location string
	cookies          []*http.Cookie
	body             []byte
}

// ask sends a request with the cookie of a session, or without one.
func ask(ctx context.Context, method, url, cookie string, body any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var encoded io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, fmt.Errorf("ask %s: %w", url, err)
		}
		encoded = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, encoded)
	if err != nil {
		return answer{}, fmt.Errorf("ask %s: %w", url, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", rand.Text())
	if cookie != "" {
		request.Header.Set("Cookie", cookie)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return answer{}, fmt.Errorf("ask %s: %w", url, err)
	}
	return answer{
		code: response.StatusCode, status: response.Status, location: response.Header.Get("Location"),
		cookies: response.Cookies(), body: text,
	}, nil
}

// refused demands that no program listens at an address.
func (s servers) refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: refused ADDRESS")
	}
	connection, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(s.ctx, "tcp", args[0])
	if err == nil {
		_ = connection.Close()
		ts.Fatalf("a program listens at %s", args[0])
	}
}

// freePorts sets each named variable to a free port, in the environment of the script and in .env.
func (s servers) freePorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeports VARIABLE...")
	}
	for _, variable := range args {
		listener, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", "127.0.0.1:0")
		ts.Check(err)
		// All listeners stay open until the last port is chosen, so that no port is chosen twice.
		defer func() { _ = listener.Close() }()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		ts.Check(err)
		ts.Setenv(variable, port)
		ts.Check(setDotenv(ts.MkAbs(".env"), variable+"="+port))
	}
}

// hold listens at the port that a variable names until the script ends.
func (s servers) hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold VARIABLE")
	}
	listener, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", "127.0.0.1:"+ts.Getenv(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
}
