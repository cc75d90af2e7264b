package spec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/seed"
)

const (
	// visitTimeout bounds a visitor's wait for an answer.
	visitTimeout = 10 * time.Second
	// firstVisitor is the first of the subscribers that the checks sign in. No load and no
	// contract check uses them.
	firstVisitor = 961
)

// visitor is a browser: it keeps its connection and its cookie.
type visitor struct {
	client *http.Client
	cookie string
}

func newVisitor() *visitor {
	return &visitor{client: &http.Client{Timeout: visitTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
}

func (v *visitor) close() { v.client.CloseIdleConnections() }

// reply is the part of an answer that the checks look at.
type reply struct {
	status   int
	instance string // of the replica that answered; empty when none did
	body     []byte
}

// send sends a request, with a body as JSON unless it is nil.
func (v *visitor) send(ctx context.Context, method, url string, body any, header map[string]string) (reply, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return reply{}, fmt.Errorf("encode body: %w", err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if v.cookie != "" {
		request.AddCookie(&http.Cookie{Name: httpapi.SessionCookie, Value: v.cookie})
	}
	response, err := v.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: read answer: %w", method, url, err)
	}
	for _, cookie := range response.Cookies() {
		if cookie.Name == httpapi.SessionCookie {
			v.cookie = cookie.Value
		}
	}
	return reply{status: response.StatusCode, instance: response.Header.Get("X-Instance"), body: text}, nil
}

func (v *visitor) get(ctx context.Context, url string) (reply, error) {
	return v.send(ctx, http.MethodGet, url, nil, nil)
}

// credentials are those of a visitor, counted from 0.
func credentials(n int, password string) map[string]string {
	return map[string]string{"email": seed.Email(firstVisitor + n), "password": password}
}

// signIn signs visitor n in and returns the name of the replica that did it.
func (v *visitor) signIn(ctx context.Context, base string, n int) (instance string, err error) {
	r, err := v.send(ctx, http.MethodPost, base+"/sessions", credentials(n, seed.Password), nil)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusCreated {
		return "", fmt.Errorf("sign in: status %d: %.200s", r.status, r.body)
	}
	return r.instance, nil
}
