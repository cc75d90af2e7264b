// Package client is the client's side of the API where several programs need it: signing in,
// and asking a server whether it is ready. It imports no part of the service, so that the command
// line stays quick to build.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// Doer sends a request, as *http.Client does.
type Doer interface {
	Do(request *http.Request) (*http.Response, error)
}

// Session is a session of a subscriber.
type Session struct {
	User   bytebites.UserID
	Cookie *http.Cookie // Name and Value as the service set them
}

// maxAnswerBytes bounds how much of an answer is read. An answer to a sign-in has about 100 bytes.
const maxAnswerBytes = 64 << 10

// maxQuotedBytes bounds how much of an unexpected answer an error quotes.
const maxQuotedBytes = 300

// StatusError is an answer with an unexpected status.
type StatusError struct {
	Method string
	Path   string
	Want   int    // the expected status
	Status int    // the received status
	Body   string // at most the first 300 bytes
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: expected status %d, saw %d", e.Method, e.Path, e.Want, e.Status)
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// StatusCode returns the received status.
func (e *StatusError) StatusCode() int { return e.Status }

// SignIn signs a subscriber in at the service at baseURL, which has no slash at its end. It costs
// the service one password hash, about 64 ms of CPU (bcrypt, cost 10). The error is a *StatusError
// if the service refuses.
func SignIn(ctx context.Context, d Doer, baseURL, email, password string) (Session, error) {
	session, err := signIn(ctx, d, baseURL, email, password)
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	return session, nil
}

func signIn(ctx context.Context, d Doer, baseURL, email, password string) (Session, error) {
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return Session{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+"/sessions", bytes.NewReader(body))
	if err != nil {
		return Session{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	cookies, answer, err := do(d, request, http.StatusCreated)
	if err != nil {
		return Session{}, err
	}
	var created struct {
		User bytebites.UserID `json:"user_id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil {
		return Session{}, fmt.Errorf("decode answer: %w", err)
	}
	if len(cookies) != 1 {
		return Session{}, fmt.Errorf("expected one cookie, saw %d", len(cookies))
	}
	return Session{User: created.User, Cookie: &http.Cookie{Name: cookies[0].Name, Value: cookies[0].Value}}, nil
}

// Probe returns nil if a GET of url is answered with status 200, and a *StatusError if the status
// is another.
func Probe(ctx context.Context, d Doer, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, _, err = do(d, request, http.StatusOK)
	return err
}

// localTimeout bounds ProbeLocal.
const localTimeout = 3 * time.Second

// ProbeLocal probes a path of the server that listens on addr (host:port) on this machine, within
// 3 s. It exists for containers without a shell: their health check can only run the server's own
// binary.
func ProbeLocal(ctx context.Context, addr, path string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	return Probe(ctx, http.DefaultClient, "http://"+net.JoinHostPort("127.0.0.1", port)+path)
}

// do sends a request and reads the answer to its end, so that the connection can be used again. It
// returns the cookies that the answer sets, and its body.
func do(d Doer, request *http.Request, want int) ([]*http.Cookie, []byte, error) {
	response, err := d.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != want {
		quoted := string(answer[:min(len(answer), maxQuotedBytes)])
		return nil, nil, &StatusError{
			Method: request.Method, Path: request.URL.Path, Want: want, Status: response.StatusCode, Body: quoted,
		}
	}
	return response.Cookies(), answer, nil
}
