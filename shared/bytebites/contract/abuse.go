package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bytebites.example/workshop/shared/bytebites/httpapi"
	"golang.org/x/sync/errgroup"
)

// AbuseReport counts the hostile requests by result.
type AbuseReport struct {
	Sent     int
	Statuses map[int]int
	// Torn counts requests without an answer: the server closed the connection on an oversized
	// body, or the request was sent only in part.
	Torn int
}

// String returns the counts in one line.
func (r AbuseReport) String() string {
	parts := []string{fmt.Sprintf("%d sent, %d torn", r.Sent, r.Torn)}
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		parts = append(parts, fmt.Sprintf("%d times %d", r.Statuses[status], status))
	}
	return strings.Join(parts, ", ")
}

// abusers is the number of hostile requests in flight. It is small, because overload may be
// answered with 503, and this suite checks the answers.
const abusers = 16

// maxFaults is the number of faults after which Abuse stops.
const maxFaults = 10

// Abuse sends n hostile requests, which depend only on the seed. It returns the answers that break
// the contract: a 5xx, an error that is not a problem, a response that the document does not have,
// or a sign of a stack trace.
func Abuse(ctx context.Context, target Target, seed uint64, n int) (AbuseReport, error) {
	c, err := NewClient(target)
	if err != nil {
		return AbuseReport{}, err
	}
	a := &abuse{victims: []*Client{c}}
	for _, email := range target.Emails[:2] {
		victim, err := c.As(ctx, email)
		if err != nil {
			return AbuseReport{}, fmt.Errorf("sign in for abuse: %w", err)
		}
		a.victims = append(a.victims, victim)
	}
	report := AbuseReport{Statuses: map[int]int{}}
	var mu sync.Mutex
	var faults []error
	var done atomic.Bool
	var group errgroup.Group
	group.SetLimit(abusers)
	for i := range n {
		if done.Load() || ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			// Each request has its own random source, so that it does not depend on concurrent
			// requests.
			shot := a.aim(rand.New(rand.NewPCG(seed, uint64(i))))
			status, err := shot.fire(ctx)
			mu.Lock()
			defer mu.Unlock()
			report.Sent++
			switch {
			case status == 0 && err == nil:
				report.Torn++
			case status != 0:
				report.Statuses[status]++
			}
			if err == nil && status >= http.StatusInternalServerError {
				err = fmt.Errorf("answered %d", status)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("request %d of seed %d (%s): %w", i, seed, shot.name, err))
				done.Store(len(faults) >= maxFaults)
			}
			return nil
		})
	}
	_ = group.Wait() // no member returns an error
	if err := ctx.Err(); err != nil {
		faults = append(faults, err)
	}
	c.http.CloseIdleConnections()
	return report, errors.Join(faults...)
}

type abuse struct{ victims []*Client }

// shot is one hostile request. fire returns its status, or 0 if an answer is neither received nor
// required.
type shot struct {
	name string
	fire func(ctx context.Context) (int, error)
}

// aim invents a request. The weights make expensive requests rare: a sign-in costs the server tens
// of milliseconds, and an order a mail.
func (a *abuse) aim(r *rand.Rand) shot {
	switch p := r.IntN(1000); {
	case p < 120:
		return a.oddPath(r)
	case p < 180:
		return a.oddMethod(r)
	case p < 420:
		return a.oddParameters(r)
	case p < 860:
		return a.oddBody(r)
	case p < 865:
		return a.hugeBody(r)
	case p < 870:
		return a.slowBody(r)
	case p < 920:
		return a.oddWebhook(r)
	case p < 990:
		return a.rawBytes(r)
	case p < 995:
		return a.oddSignIn(r)
	default:
		return a.oddOrder(r)
	}
}

// injections are strings from known attacks.
var injections = [...]string{
	"' OR '1'='1", "'; DROP TABLE meals; --", `" OR ""="`, "1; SELECT pg_sleep(10)", "1 UNION SELECT NULL,NULL--", "%27%20OR%201=1", "$1", "{{7*7}}", "${jndi:ldap://x/y}",
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "../../../../etc/passwd", `..\..\windows\win.ini`, "%2e%2e%2f", "\x00", "a\x00b", "\r\nX-Evil: 1", "%0d%0aSet-Cookie:x=1",
	"\u202e", "\ufeff", "e\u0301", "👩‍👩‍👧‍👦", "𝕌𝕟𝕚", "ß", "İ", "\ufffd", "\xff\xfe", "\xc0\x80", "\xed\xa0\x80", "NaN", "Infinity", "-0", "1e309", "0x10", "null", "undefined", "true",
	"9223372036854775808", "-9223372036854775808", "2147483648", "-1", "%", "_", `\`, "*", "|id", "$(id)", "`id`", "() { :;};", "%s%s%s%n", "#{1}", "__proto__", "constructor",
}

func injection(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return strings.Repeat(injections[r.IntN(len(injections))], 1+r.IntN(40))
	case 1:
		return string(noise(r, 80))
	default:
		return injections[r.IntN(len(injections))]
	}
}

func noise(r *rand.Rand, most int) []byte {
	raw := make([]byte, 1+r.IntN(most))
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	return raw
}

// operation is an operation of the document; {} stands for an id.
type operation struct {
	method, path string
	body         string // a valid body
}

var operations = [...]operation{
	{"GET", "/me", ""}, {"PUT", "/me/preferences", `{"diets":["vegan"],"cuisines":[],"dislikes":["anchovy"],"portion_count":2}`},
	{"GET", "/me/addresses", ""}, {"PUT", "/me/addresses", `{"addresses":[{"label":"Home","street":"Elm 1","postal_code":"10435","city":"Berlin","country":"DE"}]}`},
	{"GET", "/meals", ""}, {"GET", "/meals/popular", ""}, {"GET", "/meals/{}", ""}, {"PUT", "/meals/{}", `{"name":"Stew","description":"Hot","price_cents":900,"version":1}`},
	{"POST", "/meals/{}/ratings", `{"stars":5}`}, {"GET", "/cart", ""}, {"PUT", "/cart", `{"lines":[{"meal_id":"m0001","quantity":2}]}`},
	{"GET", "/orders", ""}, {"GET", "/orders/{}", ""}, {"GET", "/recommendations", ""}, {"GET", "/healthz", ""}, {"GET", "/readyz", ""}, {"GET", "/metrics", ""},
	// Always the same address, because an address that has an account costs no hash.
	{"POST", "/accounts", `{"email":"abuse@bytebites.example","name":"Mallory","password":"long enough by far"}`},
	{"GET", "/", ""}, {"GET", "/static/{}", ""}, {"GET", "/openapi.yaml", ""},
}

// orderBody is not among the operations. Otherwise every change that leaves it valid would place an
// order.
const orderBody = `{"lines":[{"meal_id":"m0001","quantity":1},{"meal_id":"m0002","quantity":2}]}`

var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get", "X"}

func (a *abuse) victim(r *rand.Rand) *Client {
	c := a.victims[r.IntN(len(a.victims))]
	if r.IntN(8) == 0 {
		return c.with(&http.Cookie{Name: httpapi.SessionCookie, Value: url.QueryEscape(injection(r))}, "")
	}
	return c
}

// send returns a shot that net/http can send, and checks the answer against the document.
func send(c *Client, name string, request *http.Request, body []byte) shot {
	return shot{name: fmt.Sprintf("%s: %s %.200q", name, request.Method, request.URL.String()), fire: func(ctx context.Context) (int, error) {
		request = request.WithContext(ctx)
		if c.cookie != nil {
			request.AddCookie(&http.Cookie{Name: c.cookie.Name, Value: c.cookie.Value})
		}
		answer, err := c.send(request, body, false)
		if answer == nil {
			return 0, err
		}
		return answer.Status, err
	}}
}

func (a *abuse) request(c *Client, method, path, query string, body []byte) *http.Request {
	request := &http.Request{
		Method: method, Host: c.base.Host, Header: http.Header{},
		URL: &url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: c.base.Path + path, RawQuery: query},
	}
	if body != nil {
		request.Body = io.NopCloser(bytes.NewReader(body))
		request.ContentLength = int64(len(body))
		request.Header.Set("Content-Type", "application/json")
	}
	return request
}

// id returns an id, valid or not.
func (a *abuse) id(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return string(a.victims[0].Meals[r.IntN(len(a.victims[0].Meals))])
	case 1:
		return fmt.Sprintf("m%04d", r.IntN(10_000))
	default:
		return injection(r)
	}
}

func (a *abuse) oddPath(r *rand.Rand) shot {
	c := a.victim(r)
	var path string
	switch r.IntN(3) {
	case 0:
		path = "/" + string(noise(r, 200))
	case 1:
		path = "/" + injection(r)
	default:
		path = strings.ReplaceAll(operations[r.IntN(len(operations))].path, "{}", a.id(r)) + "/" + injection(r)
	}
	return send(c, "odd path", a.request(c, []string{"GET", "POST", "PUT", "DELETE"}[r.IntN(4)], path, "", nil), nil)
}

func (a *abuse) oddMethod(r *rand.Rand) shot {
	c := a.victim(r)
	op := operations[r.IntN(len(operations))]
	path := strings.ReplaceAll(op.path, "{}", a.id(r))
	var body []byte
	if r.IntN(2) == 0 {
		body = []byte(op.body)
	}
	return send(c, "odd method", a.request(c, methods[r.IntN(len(methods))], path, "", body), body)
}

func (a *abuse) oddParameters(r *rand.Rand) shot {
	c := a.victim(r)
	op := operations[r.IntN(len(operations))]
	if r.IntN(3) == 0 {
		op = operation{"GET", []string{"/meals", "/orders"}[r.IntN(2)], ""}
	}
	var query []string
	for range r.IntN(4) {
		name := []string{"cuisine", "diet", "q", "limit", "cursor", "max_price_cents", injection(r)}[r.IntN(7)]
		value := injection(r)
		if r.IntN(4) > 0 {
			name, value = url.QueryEscape(name), url.QueryEscape(value)
		} else {
			name, value = sayable(name), sayable(value)
		}
		query = append(query, name+"="+value)
	}
	var body []byte
	if op.body != "" {
		body = []byte(op.body)
	}
	request := a.request(c, op.method, strings.ReplaceAll(op.path, "{}", a.id(r)), strings.Join(query, "&"), body)
	for range r.IntN(3) {
		name := []string{"X-Request-Id", "Authorization", "Accept", "Accept-Encoding", "Content-Encoding", "Content-Type", "Origin", "Sec-Fetch-Site", "X-Forwarded-For",
			"X-Forwarded-Host", "X-Http-Method-Override", "If-None-Match", "Range", "Referer", "User-Agent", "Idempotency-Key", "X-Original-Url", "Expect"}[r.IntN(18)]
		value := headerValue(injection(r))
		if name == "Expect" {
			value = "100-continue" // net/http itself answers any other value
		}
		request.Header.Set(name, value)
	}
	return send(c, "odd parameters", request, body)
}

// sayable keeps only characters that are allowed in a request line.
func sayable(s string) string {
	return strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f && c != '#' {
			return c
		}
		return -1
	}, s)
}

// headerValue keeps only characters that net/http sends in a header.
func headerValue(s string) string {
	kept := []byte{}
	for i := range len(s) {
		if s[i] >= ' ' && s[i] != 0x7f {
			kept = append(kept, s[i])
		}
	}
	return strings.TrimSpace(string(kept))
}

// spoil changes the bytes of a valid body, or its values. With changed values it remains JSON and
// gets further into the service.
func spoil(r *rand.Rand, body string) []byte {
	if changed, ok := reshape(r, body); ok && r.IntN(2) == 0 {
		return changed
	}
	b := []byte(body)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(8) {
		case 0: // cut off
			b = b[:at]
		case 1: // a byte changed
			if at < len(b) {
				b[at] = byte(r.Uint32())
			}
		case 2: // insert bytes
			b = slices.Insert(b, at, []byte(injection(r))...)
		case 3: // a number replaced
			b = replaceDigits(r, b, []string{"-1", "0", "51", "1e400", "1.5", "99999999999999999999", "-9223372036854775809", "\"1\"", "null", "[]", "{}", "true"}[r.IntN(12)])
		case 4: // a string replaced
			if r.IntN(4) == 0 {
				b = bytes.Replace(b, []byte(`:"`), []byte(`:"`+notUnicode()[r.IntN(len(notUnicode()))]), 1+r.IntN(2))
				continue
			}
			b = bytes.Replace(b, []byte(`:"`), []byte(`:"`+strings.ToValidUTF8(injection(r), "")), 1+r.IntN(2))
		case 5: // a value of another type
			b = bytes.Replace(b, []byte(`:`), []byte(`:`+[]string{"null", "[[[]]]", `{"a":1}`, `"x"`, "1", "false"}[r.IntN(6)]+`,"x":`), 1)
		case 6: // twice
			b = append(b, b...)
		case 7: // deep
			b = []byte(strings.Repeat(`{"a":[`, 1+r.IntN(2000)) + string(b))
		}
		if len(b) > 32<<10 {
			b = b[:32<<10]
		}
	}
	return b
}

// reshape changes one value of a JSON body.
func reshape(r *rand.Rand, body string) ([]byte, bool) {
	var whole any
	if json.Unmarshal([]byte(body), &whole) != nil {
		return nil, false
	}
	at, put := &whole, func(v any) { whole = v } // put replaces the value at the pointer
	for {
		switch v := (*at).(type) {
		case map[string]any:
			names := slices.Sorted(maps.Keys(v)) // a map has no order, but a shot must be reproducible
			name := names[r.IntN(len(names))]
			if r.IntN(10) == 0 {
				delete(v, name)
				return encode(whole)
			}
			next := v[name]
			at, put = &next, func(value any) { v[name] = value }
		case []any:
			if len(v) == 0 || r.IntN(5) == 0 {
				put(slices.Repeat(append(v, injection(r)), 1+r.IntN(40)))
				return encode(whole)
			}
			i := r.IntN(len(v))
			next := v[i]
			at, put = &next, func(value any) { v[i] = value }
		default:
			put([]any{injection(r), injection(r), injection(r), -1, 0, 51, 2_147_483_648, -9e18, 1e300, 0.5, nil, true, []any{}, map[string]any{}}[r.IntN(14)])
			return encode(whole)
		}
	}
}

func encode(v any) ([]byte, bool) {
	data, err := json.Marshal(v)
	return data, err == nil
}

func replaceDigits(r *rand.Rand, b []byte, with string) []byte {
	var starts []int
	for i := range b {
		if b[i] >= '0' && b[i] <= '9' {
			starts = append(starts, i)
		}
	}
	if len(starts) == 0 {
		return b
	}
	at := starts[r.IntN(len(starts))]
	return slices.Concat(b[:at], []byte(with), b[at+1:])
}

func (a *abuse) oddBody(r *rand.Rand) shot {
	c := a.victim(r)
	op := operations[r.IntN(len(operations))]
	for op.body == "" {
		op = operations[r.IntN(len(operations))]
	}
	if r.IntN(4) == 0 {
		op = operation{"POST", "/orders", orderBody}
	}
	body := spoil(r, op.body)
	if r.IntN(10) == 0 {
		body = noise(r, 2000)
	}
	request := a.request(c, op.method, strings.ReplaceAll(op.path, "{}", a.id(r)), "", body)
	if op.path == "/orders" {
		// Few of these orders have a key, so few of the valid ones cost a mail.
		if r.IntN(20) == 0 {
			request.Header.Set("Idempotency-Key", fmt.Sprintf("abuse-%x", r.Uint64()))
		}
	}
	if strings.HasPrefix(op.path, "/meals/{}") && op.method == http.MethodPut {
		// The request has the staff token but an unknown meal, so the catalogue does not change.
		request.URL.Path = c.base.Path + "/meals/unknown"
		request.Header.Set("Authorization", "Bearer "+c.StaffToken)
	}
	return send(c, "odd body", request, body)
}

// mayTear allows the server to close the connection on an oversized body.
func mayTear(s shot) shot {
	fire := s.fire
	s.fire = func(ctx context.Context) (int, error) {
		status, err := fire(ctx)
		if status == 0 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
			return 0, nil
		}
		return status, err
	}
	return s
}

func (a *abuse) hugeBody(r *rand.Rand) shot {
	c := a.victims[1+r.IntN(len(a.victims)-1)]
	body := []byte(`{"lines":[` + strings.Repeat(`{"meal_id":"m0001","quantity":1},`, (64<<10)/30+r.IntN(30_000)) + `]}`)
	request := a.request(c, "PUT", "/cart", "", body)
	if r.IntN(2) == 0 {
		request.ContentLength = -1 // chunked, so that the server does not know the size in advance
	}
	return mayTear(send(c, "huge body", request, body))
}

// slowBody sends a body byte by byte and then disconnects.
func (a *abuse) slowBody(r *rand.Rand) shot {
	c := a.victims[1+r.IntN(len(a.victims)-1)]
	pause := time.Duration(10+r.IntN(40)) * time.Millisecond
	return shot{name: "slow body", fire: func(ctx context.Context) (int, error) {
		conn, err := dial(ctx, c)
		if err != nil {
			return 0, err
		}
		defer conn.Close() //nolint:errcheck // disconnecting early is intended
		head := fmt.Sprintf("PUT /cart HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 500\r\nCookie: %s=%s\r\n\r\n", c.base.Host, c.cookie.Name, c.cookie.Value)
		for _, part := range []string{head, "{", `"`, "l"} {
			if _, err := io.WriteString(conn, part); err != nil {
				return 0, fmt.Errorf("send slowly: %w", err)
			}
			select {
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			case <-time.After(pause):
			}
		}
		return 0, nil
	}}
}

func dial(ctx context.Context, c *Client) (net.Conn, error) {
	host := c.base.Host
	if c.base.Port() == "" {
		host = net.JoinHostPort(c.base.Hostname(), "80")
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return conn, conn.SetDeadline(time.Now().Add(clientTimeout))
}

// rawBytes sends bytes that no HTTP library would send. Such requests may never reach the API, so
// only a 5xx, a stack trace or a dead server is a fault.
func (a *abuse) rawBytes(r *rand.Rand) shot {
	c := a.victims[0]
	var lines []string
	switch r.IntN(5) {
	case 0:
		lines = []string{"GET /" + string(noise(r, 100)) + " HTTP/1.1", "Host: " + c.base.Host}
	case 1:
		lines = []string{"GET /meals HTTP/1.1", "Host: " + c.base.Host, "X-Request-Id: " + injection(r)}
	case 2:
		lines = []string{"GET /meals HTTP/1.1", "Host: " + c.base.Host, string(noise(r, 40)) + ": " + injection(r)}
	case 3:
		lines = []string{"POST /orders HTTP/1.1", "Host: " + c.base.Host, "Content-Length: 5", "Content-Length: 9", "Idempotency-Key: x\r\nX-Evil: 1"}
	case 4:
		lines = []string{"GET /meals HTTP/1.1", "Host: " + c.base.Host, "Cookie: " + strings.Repeat(httpapi.SessionCookie+"="+headerValue(injection(r))+"; ", 1+r.IntN(300))}
	}
	text := strings.Join(append(lines, "Connection: close"), "\r\n") + "\r\n\r\n"
	return shot{name: fmt.Sprintf("raw bytes %.120q", text), fire: func(ctx context.Context) (int, error) {
		conn, err := dial(ctx, c)
		if err != nil {
			return 0, err
		}
		defer conn.Close() //nolint:errcheck // it was read to its end
		if _, err := io.WriteString(conn, text); err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			return 0, fmt.Errorf("send raw: %w", err)
		}
		raw, err := io.ReadAll(io.LimitReader(conn, maxAnswerBytes))
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return 0, fmt.Errorf("read answer: %w", err)
		}
		head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		var status int
		if _, err := fmt.Sscanf(string(head), "HTTP/1.1 %d", &status); err != nil {
			return 0, nil // closed without an answer
		}
		if bytes.Contains(bytes.ToLower(head), []byte("\nx-evil")) {
			return status, errors.New("a header was injected")
		}
		if status >= http.StatusBadRequest && leaks.Match(body) {
			return status, fmt.Errorf("the answer reveals internals: %.300q", body)
		}
		return status, nil
	}}
}

func (a *abuse) oddWebhook(r *rand.Rand) shot {
	c := a.victims[0]
	body := spoil(r, `{"id":"evt_1","type":"payment.succeeded","user_id":"u0000001","order_id":"o1","amount_cents":100}`)
	request := a.request(c, "POST", "/webhooks/payments", "", body)
	signature := sign(c, body)
	switch r.IntN(3) {
	case 0:
		signature = headerValue(string(spoil(r, signature)))
	case 1:
		signature = headerValue(injection(r))
	}
	request.Header.Set(httpapi.SignatureHeader, signature)
	return send(c, "odd webhook", request, body)
}

func (a *abuse) oddSignIn(r *rand.Rand) shot {
	c := a.victims[0]
	if r.IntN(4) == 0 {
		// Never use a victim's cookie: signed out, its later requests would only get 401.
		forged := c.with(&http.Cookie{Name: httpapi.SessionCookie, Value: url.QueryEscape(injection(r))}, "")
		return send(forged, "odd sign-out", a.request(forged, "DELETE", "/sessions", "", nil), nil)
	}
	body := spoil(r, fmt.Sprintf(`{"email":%q,"password":"wrong"}`, c.Emails[0]))
	return send(c, "odd sign-in", a.request(c, "POST", "/sessions", "", body), body)
}

// oddOrder is a valid order with a fault in its key or quantity.
func (a *abuse) oddOrder(r *rand.Rand) shot {
	c := a.victims[1+r.IntN(len(a.victims)-1)]
	meal := c.Meals[r.IntN(len(c.Meals))]
	body := fmt.Appendf(nil, `{"lines":[{"meal_id":%q,"quantity":%d}]}`, meal, []int{1, 50, 51, -1, 0, 1 << 31}[r.IntN(6)])
	request := a.request(c, "POST", "/orders", "", body)
	request.Header.Set("Idempotency-Key", headerValue(injection(r)))
	return send(c, "odd order", request, body)
}

func sign(c *Client, body []byte) string { return httpapi.Sign(c.PaymentSecret, body, time.Now()) }
