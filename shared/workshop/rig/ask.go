package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// Ask sends a request to the service at baseURL. An error means that no whole answer came.
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
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // the body was read to its end
	read, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header.Get("Content-Type"), response.Cookies(), read}, err
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
