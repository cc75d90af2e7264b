package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// request is a request to a replica.
type request struct {
	method, path string
	header       map[string]string // beside Content-Type
	body         any               // sent as JSON unless nil
}

// answer is a replica's answer.
type answer struct {
	status int
	body   []byte
}

// into decodes the body.
func (a answer) into(dst any) error {
	if err := json.Unmarshal(a.body, dst); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

func (a answer) String() string { return fmt.Sprintf("status %d: %.200s", a.status, a.body) }

// ask sends a request to the replicas in turn. An error means that no answer came.
func (l *trial) ask(ctx context.Context, r request) (answer, error) {
	replica := l.replicas[int(l.turn.Add(1))%len(l.replicas)]
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
	for name, value := range r.header {
		q.Header.Set(name, value)
	}
	response, err := l.http.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	read, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, read}, err
}
