package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"bytebites.example/workshop/shared/testbed"
)

// request is a request to a replica.
type request struct {
	method, path string
	cookie       string // of a session; may be empty
	key          string // the Idempotency-Key; may be empty
	body         any    // sent as JSON unless nil
}

// answer is the answer to a request.
type answer struct {
	status      int
	contentType string
	cookies     []*http.Cookie
	body        []byte
}

// into decodes the body of an answer.
func (a answer) into(dst any) error {
	if err := json.Unmarshal(a.body, dst); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// ask sends a request to a replica. It returns an error when there was no answer.
func (l *trial) ask(ctx context.Context, replica *testbed.Service, r request) (answer, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return answer{}, fmt.Errorf("encode body: %w", err)
		}
		body = bytes.NewReader(data)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, replica.URL()+r.path, body)
	if err != nil {
		return answer{}, err
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if r.cookie != "" {
		q.Header.Set("Cookie", r.cookie)
	}
	if r.key != "" {
		q.Header.Set("Idempotency-Key", r.key)
	}
	response, err := l.http.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // the body was read to its end
	read, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("Content-Type"), response.Cookies(), read}, err
}
