package cli_test

import (
	"bytes"
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

// client asks the stack that a script has started.
func client() *http.Client { return &http.Client{Timeout: 5 * time.Second} }

// get asks for a URL, which must answer with the status named.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get URL STATUS")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	last := ""
	eventually(ts, fmt.Sprintf("%s does not answer %d", args[0], want), func() bool {
		response, err := client().Get(args[0])
		if err != nil {
			last = err.Error()
			return false
		}
		defer func() { _ = response.Body.Close() }()
		last = response.Status
		return response.StatusCode == want
	}, &last)
}

// monitored waits until a Prometheus has scraped the service.
func monitored(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: monitored URL")
	}
	awaitSeries(ts, args[0], `up{job="service"} == 1`)
}

// watched waits until a Prometheus has a metric, of whomever.
func watched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: watched URL METRIC")
	}
	awaitSeries(ts, args[0], "count("+args[1]+")")
}

// awaitSeries waits until a Prometheus answers a query with one series.
func awaitSeries(ts *testscript.TestScript, prometheus, query string) {
	last := ""
	eventually(ts, query+" is not to be seen", func() bool {
		response, err := client().Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			last = err.Error()
			return false
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		ts.Check(err)
		last = string(text)
		var answer struct{ Data struct{ Result []any } }
		return json.Unmarshal(text, &answer) == nil && len(answer.Data.Result) == 1
	}, &last)
}

// order signs the demo subscriber in at a storefront and orders one portion, which must be
// accepted. It sets ORDER to the order's URL and SESSION to the cookie by which it is seen.
func order(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: order URL")
	}
	session := ask(ts, http.MethodPost, args[0]+"/sessions", map[string]string{"email": seed.Email(1), "password": seed.Password})
	if len(session.cookies) == 0 {
		ts.Fatalf("sign in at %s: no cookie, and %s", args[0], session.status)
	}
	ts.Setenv("SESSION", session.cookies[0].Name+"="+session.cookies[0].Value)
	accepted := ask(ts, http.MethodPost, args[0]+"/orders", map[string]any{"lines": []any{map[string]any{"meal_id": "m0001", "quantity": 1}}})
	if accepted.code != http.StatusCreated {
		ts.Fatalf("order at %s: %s\n%s", args[0], accepted.status, accepted.body)
	}
	ts.Setenv("ORDER", args[0]+accepted.location)
}

// effects waits until all that follows from the order is done; with ! some of
// it must not be.
func effects(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: [!] effects")
	}
	last := ""
	done := func() bool {
		said := ask(ts, http.MethodGet, ts.Getenv("ORDER"), nil).body
		last = string(said)
		var seen struct {
			Effects []struct{ Done bool }
		}
		ts.Check(json.Unmarshal(said, &seen))
		return len(seen.Effects) > 0 && !slices.ContainsFunc(seen.Effects, func(e struct{ Done bool }) bool { return !e.Done })
	}
	if neg {
		if done() {
			ts.Fatalf("all effects of %s are done", ts.Getenv("ORDER"))
		}
		return
	}
	eventually(ts, "the effects of "+ts.Getenv("ORDER")+" are not done", done, &last)
}

// answer is what the stack said, read to its end.
type answer struct {
	code             int
	status, location string
	cookies          []*http.Cookie
	body             []byte
}

// ask asks the stack with the SESSION's cookie.
func ask(ts *testscript.TestScript, method, url string, body any) answer {
	encoded, err := json.Marshal(body)
	ts.Check(err)
	request, err := http.NewRequest(method, url, bytes.NewReader(encoded))
	ts.Check(err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Cookie", ts.Getenv("SESSION"))
	request.Header.Set("Idempotency-Key", rand.Text())
	response, err := client().Do(request)
	ts.Check(err)
	said, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(response.Body.Close())
	return answer{
		code: response.StatusCode, status: response.Status, location: response.Header.Get("Location"),
		cookies: response.Cookies(), body: said,
	}
}

// refused demands that nothing listens at an address.
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: refused ADDRESS")
	}
	connection, err := net.DialTimeout("tcp", args[0], time.Second)
	if err == nil {
		_ = connection.Close()
		ts.Fatalf("something listens at %s", args[0])
	}
}

// freePorts sets each of the variables named to a port that nothing listens at.
func freePorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: freeports VARIABLE...")
	}
	for _, variable := range args {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		// Closed only after all are chosen, so that no port is chosen twice.
		defer func() { _ = listener.Close() }()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		ts.Check(err)
		ts.Setenv(variable, port)
	}
}

// hold listens at the port that a variable names until the script ends.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold VARIABLE")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+ts.Getenv(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
}
