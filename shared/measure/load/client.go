package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// CauseTimeout is the cause of failure of a request without an answer in time.
const CauseTimeout = "timeout"

// CauseConnection is the cause of failure of a request whose connection was cut.
const CauseConnection = "connection"

// The other causes. A wrong status is "status NNN".
const (
	causeRefused = "refused" // a connection that nobody accepts
	causeAnswer  = "answer"  // right status, but a wrong content type or no such body
)

// client sends the requests of a stream. It is the http.RoundTripper of vegeta's client.
// vegeta chooses the time of request number n (its X-Vegeta-Seq), and the stream holds its
// content. Timing, timeouts and retries are in client, because it knows the time of sending.
// vegeta takes its own timestamp before the request is built.
type client struct {
	target     *url.URL
	transport  http.RoundTripper
	stream     *Stream
	began      time.Time
	timeout    time.Duration
	retryAfter time.Duration
	ctx        context.Context // of the attack; its end cancels the requests
	contracts  map[Kind]contract
	buffers    sync.Pool

	records []record // by sequence number; only the goroutine that sends a request writes it

	mu     sync.Mutex
	orders []OrderOutcome
}

// record is the outcome of one sent request.
type record struct {
	done     bool
	kind     Kind
	sent     time.Duration // since the attack began
	end      time.Duration // since the attack began
	cause    string        // of failure; empty for a right answer
	status   int           // of the last attempt; 0 without an answer
	attempts int
	bytesIn  int
	bytesOut int
}

// RoundTrip implements http.RoundTripper. It always answers vegeta with 200 when the request
// has ended; the record holds the outcome. An error means a wrong sequence number.
func (c *client) RoundTrip(outer *http.Request) (*http.Response, error) {
	sent := time.Since(c.began)
	n, err := strconv.ParseUint(outer.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("sequence number: %w", err)
	}
	if n >= uint64(len(c.records)) {
		return nil, fmt.Errorf("sequence number %d: only %d requests were planned", n, len(c.records))
	}
	request := c.stream.Request(n)
	c.records[n] = c.perform(request, sent)
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: outer,
	}, nil
}

// perform sends a request. It retries an order once after a failure that may be temporary.
func (c *client) perform(q Request, sent time.Duration) record {
	rec := record{done: true, kind: q.Kind, sent: sent}
	a := c.attempt(q, &rec)
	certain := a.certain
	if q.Key != "" && a.mayRetry && c.wait(c.retryAfter) {
		a = c.attempt(q, &rec)
		certain = certain && a.certain
	}
	rec.end, rec.cause, rec.status = a.end, a.cause, a.status
	if q.Key != "" {
		c.note(q, a, rec.attempts, certain)
	}
	return rec
}

// wait waits for d. It returns false when the attack is cancelled.
func (c *client) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// attempt is the outcome of one attempt to send a request.
type attempt struct {
	cause    string
	status   int
	mayRetry bool          // no answer, or a 5xx
	end      time.Duration // of the attempt, since the attack began; judging comes after it
	// certain says that the answer shows whether the server stored the order. A 5xx does not,
	// because the server may fail after it stored the order. A malformed success does not.
	certain bool
	order   orderBody
}

func (c *client) attempt(q Request, rec *record) attempt {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	rec.attempts++
	rec.bytesOut += len(q.Body)
	response, err := c.transport.RoundTrip(c.outgoing(ctx, q))
	if err != nil {
		return c.failure(err)
	}
	buffer := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(buffer)
	buffer.Reset()
	read, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer))
	err = errors.Join(err, response.Body.Close())
	rec.bytesIn += int(read)
	if err != nil {
		return c.failure(err)
	}
	end := time.Since(c.began)
	a := c.judge(q, response, buffer.Bytes())
	a.end = end
	return a
}

func (c *client) failure(err error) attempt {
	cause := CauseConnection
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		cause = CauseTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = causeRefused
	}
	return attempt{cause: cause, mayRetry: true, end: time.Since(c.began)}
}

func (c *client) outgoing(ctx context.Context, q Request) *http.Request {
	path, query, _ := strings.Cut(q.Path, "?")
	target := *c.target
	raw := target.Path + path
	// The request's path is escaped; a URL holds both the plain and the escaped path.
	if plain, err := url.PathUnescape(raw); err == nil {
		target.Path, target.RawPath = plain, raw
	}
	target.RawQuery = query
	request := (&http.Request{
		Method: q.Method, URL: &target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 4),
	}).WithContext(ctx)
	request.Header.Set("Accept", "application/json")
	if q.User >= 0 {
		request.Header.Set("Cookie", c.stream.population.Sessions[q.User].Cookie)
	}
	if q.Body != nil {
		request.Header.Set("Content-Type", "application/json")
		request.ContentLength = int64(len(q.Body))
		request.Body = io.NopCloser(bytes.NewReader(q.Body))
		// With GetBody net/http sends a request on another connection when the server has closed
		// this one before a byte was written, as every client does. An order goes without: net/http
		// resends all requests that have an Idempotency-Key, and that retry would not be counted.
		if q.Key == "" {
			request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.Body)), nil }
		}
	}
	if q.Key != "" {
		request.Header.Set("Idempotency-Key", q.Key)
	}
	return request
}
