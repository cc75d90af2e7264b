package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// Request is a request of a check to the service.
type Request struct {
	Method, Path string
	Header       map[string]string // beside Content-Type
	Body         any               // sent as JSON unless nil
}

// Answer is the service's answer, whatever its status.
type Answer struct {
	Status      int
	ContentType string
	Cookies     []*http.Cookie
	Body        []byte

	began, ended time.Time
}

// Waited returns the wait for an answer that says that the service had no time, see
// lab.LateStatus; else the zero value. It is the Waited of a failure that shows the answer.
func (a Answer) Waited() lab.Waited {
	if !lab.LateStatus(a.Status) {
		return lab.Waited{}
	}
	return lab.Between(a.began, a.ended)
}

// Into decodes the body.
func (a Answer) Into(dst any) error {
	if err := json.Unmarshal(a.Body, dst); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// String tells the status and the beginning of the body.
func (a Answer) String() string { return fmt.Sprintf("status %d: %.200s", a.Status, a.Body) }

// Ask sends a request to the service at baseURL. An error means that no whole answer came; it is
// a *lab.RequestError, so that lab.Late knows when the request was under way.
func Ask(ctx context.Context, client *http.Client, baseURL string, r Request) (Answer, error) {
	var body io.Reader
	if r.Body != nil {
		data, err := json.Marshal(r.Body)
		if err != nil {
			return Answer{}, fmt.Errorf("encode body: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, baseURL+r.Path, body)
	if err != nil {
		return Answer{}, err
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, &lab.RequestError{Began: began, Ended: time.Now(), Err: err}
	}
	defer response.Body.Close() //nolint:errcheck // the body was read to its end
	read, err := io.ReadAll(response.Body)
	if err != nil {
		err = &lab.RequestError{Began: began, Ended: time.Now(), Err: err}
	}
	return Answer{
		Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Cookies: response.Cookies(), Body: read,
		began: began, ended: time.Now(),
	}, err
}

// WithoutInfo returns the lines of a service's log that are warnings, errors or panics.
func WithoutInfo(log string) string {
	var all strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"INFO"`) {
			all.WriteString(line)
		}
	}
	return all.String()
}

// tailBytes is the part of a log that a failure quotes.
const tailBytes = 700

// Tail returns the end of a log, short enough for a failure.
func Tail(log string) string {
	log = strings.TrimSpace(log)
	if len(log) > tailBytes {
		log = "..." + log[len(log)-tailBytes:]
	}
	return log
}
