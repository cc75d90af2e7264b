package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// CauseTimeout is the cause of failure of a request whose answer did not come in time.
const CauseTimeout = "timeout"

// The other causes. A wrong status is "status NNN".
const (
	causeConnection = "connection"
	causeAnswer     = "answer" // the status was right, the content type or body was not
)

// client performs requests of a stream. It is the http.RoundTripper below vegeta's
// client: vegeta says when request number n (its X-Vegeta-Seq) goes out, the stream
// says what it is. Timing, timeouts and retries are here, where the moment of sending
// is known; vegeta's own timestamp is taken before the request is even built.
type client struct {
	target     *url.URL
	transport  http.RoundTripper
	stream     *Stream
	began      time.Time
	timeout    time.Duration
	retryAfter time.Duration
	ctx        context.Context // of the attack: ends the requests when it is cancelled
	contracts  map[Kind]contract
	buffers    sync.Pool

	records []record // by sequence number; each is written by the one goroutine that sends it

	mu     sync.Mutex
	orders []OrderOutcome
}

// record is what is known of one request that was sent.
type record struct {
	done     bool
	kind     Kind
	sent     time.Duration // since the attack began, as is end
	end      time.Duration
	cause    string // of failure; empty when it went well
	status   int    // of the last attempt; 0 without an answer
	attempts int
	bytesIn  int
	bytesOut int
}

// RoundTrip implements http.RoundTripper. It never fails: vegeta is only told that the
// request is over, the record says how it went.
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

// perform sends a request, an order a second time if it failed in a way that a retry
// may mend.
func (c *client) perform(q Request, sent time.Duration) record {
	rec := record{done: true, kind: q.Kind, sent: sent}
	a := c.attempt(q, &rec)
	certain := a.certain
	if q.Key != "" && a.mayRetry && c.wait(c.retryAfter) {
		a = c.attempt(q, &rec)
		certain = certain && a.certain
	}
	rec.end = time.Since(c.began)
	rec.cause, rec.status = a.cause, a.status
	if q.Key != "" {
		c.note(q, a, rec.attempts, certain)
	}
	return rec
}

// wait pauses; it reports false when the attack was cancelled.
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

// attempt is how one sending of a request went.
type attempt struct {
	cause    string
	status   int
	mayRetry bool // no answer, or a server's own failure
	// certain says that the answer tells whether anything was done. A 5xx does not: the
	// server may have failed after it stored the order. Neither does a garbled success.
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
		return failure(err)
	}
	buffer := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(buffer)
	buffer.Reset()
	read, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer))
	err = errors.Join(err, response.Body.Close())
	rec.bytesIn += int(read)
	if err != nil {
		return failure(err)
	}
	return c.judge(q, response, buffer.Bytes())
}

func failure(err error) attempt {
	cause := causeConnection
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		cause = CauseTimeout
	}
	return attempt{cause: cause, mayRetry: true}
}

func (c *client) outgoing(ctx context.Context, q Request) *http.Request {
	path, query, _ := strings.Cut(q.Path, "?")
	target := *c.target
	raw := target.Path + path
	// The path of a request is already escaped; a URL wants it both ways.
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
		// No GetBody: with an Idempotency-Key net/http would use it to send the order
		// again on its own, and the retry would not be counted.
		request.Body = io.NopCloser(bytes.NewReader(q.Body))
	}
	if q.Key != "" {
		request.Header.Set("Idempotency-Key", q.Key)
	}
	return request
}

// judge says cheaply whether an answer is right: by its status, its content type and
// that a body is there. An order refused because a meal is out is a right answer.
func (c *client) judge(q Request, response *http.Response, body []byte) attempt {
	a := attempt{status: response.StatusCode, certain: response.StatusCode < 500}
	contentType := response.Header.Get("Content-Type")
	switch {
	case slices.Contains(c.contracts[q.Kind].statuses, a.status):
		if a.status != http.StatusNoContent && (!strings.HasPrefix(contentType, "application/json") || len(body) < 2) {
			a.cause, a.certain = causeAnswer, false
			return a
		}
		if q.Key != "" {
			if err := json.Unmarshal(body, &a.order); err != nil || a.order.ID == "" {
				a.cause, a.certain = causeAnswer, false
			}
		}
	case q.Key != "" && outOfStock(response.StatusCode, body):
	default:
		a.cause = "status " + strconv.Itoa(a.status)
		a.mayRetry = a.status >= 500
	}
	return a
}
