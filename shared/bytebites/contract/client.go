package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/client"
)

// Client calls a target and checks each answer against the document.
type Client struct {
	Target
	base      *url.URL
	http      *http.Client
	validator *Validator
	cookie    *http.Cookie
	user      string
}

// clientTimeout is longer than any timeout of the service.
const clientTimeout = 30 * time.Second

// maxAnswerBytes bounds how much of an answer is read.
const maxAnswerBytes = 4 << 20

// NewClient returns a client without a session.
func NewClient(target Target) (*Client, error) {
	if err := target.validate(); err != nil {
		return nil, err
	}
	base, err := url.Parse(strings.TrimSuffix(target.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("target URL: %w", err)
	}
	validator, err := NewValidator()
	if err != nil {
		return nil, err
	}
	return &Client{
		Target: target, base: base, validator: validator,
		http: &http.Client{
			Timeout: clientTimeout,
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// As signs a subscriber in and returns a client with the session.
func (c *Client) As(ctx context.Context, email string) (*Client, error) {
	session, err := client.SignIn(ctx, checked{c}, c.base.String(), email, c.Password)
	if err != nil {
		return nil, err
	}
	return c.with(session.Cookie, string(session.User)), nil
}

// checked sends valid requests and checks the answers against the document.
type checked struct{ client *Client }

// Do sends a request, with the client's cookie if it has one.
func (s checked) Do(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, fmt.Errorf("read body: %w", err)
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	if s.client.cookie != nil {
		request.AddCookie(s.client.cookie)
	}
	answer, err := s.client.send(request, body, true)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.Status, Header: answer.Answer, Body: io.NopCloser(bytes.NewReader(answer.AnswerBody)),
	}, nil
}

// with returns a copy that sends a cookie.
func (c *Client) with(cookie *http.Cookie, user string) *Client {
	signedIn := *c
	signedIn.cookie, signedIn.user = cookie, user
	return &signedIn
}

// User returns the id of the signed-in subscriber.
func (c *Client) User() string { return c.user }

// Answer is an answer of the target.
type Answer struct {
	Exchange
}

// Want returns an error unless the status is one of statuses.
func (a *Answer) Want(statuses ...int) error {
	for _, status := range statuses {
		if a.Status == status {
			return nil
		}
	}
	return &StatusError{a.Status, fmt.Sprintf("%s %s: expected status %v, saw %d: %.300s", a.Method, a.Path, statuses, a.Status, a.AnswerBody)}
}

// StatusError says that an answer has another status than expected.
type StatusError struct {
	Status int // the received one
	Text   string
}

func (e *StatusError) Error() string { return e.Text }

// StatusCode returns the received status.
func (e *StatusError) StatusCode() int { return e.Status }

// Into decodes the answer's body.
func (a *Answer) Into(dst any) error {
	if err := json.Unmarshal(a.AnswerBody, dst); err != nil {
		return fmt.Errorf("%s %s: decode answer: %w", a.Method, a.Path, err)
	}
	return nil
}

// Cookies returns the cookies that the answer sets.
func (a *Answer) Cookies() []*http.Cookie { return (&http.Response{Header: a.Answer}).Cookies() }

// Problem is an RFC 9457 problem.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Meal     string `json:"meal_id"`
}

// WantProblem returns an error unless the answer is a problem of this type.
func (a *Answer) WantProblem(status int, slug string) error {
	if err := a.Want(status); err != nil {
		return err
	}
	var p Problem
	if err := a.Into(&p); err != nil {
		return err
	}
	if !strings.HasSuffix(p.Type, "/"+slug) {
		return fmt.Errorf("%s %s: expected a problem of type %s, saw %s", a.Method, a.Path, slug, p.Type)
	}
	return nil
}

// Option changes a request before it is sent.
type Option func(*call)

type call struct {
	header  http.Header
	hostile bool // the request itself breaks the contract on purpose
}

// Header sets a header.
func Header(name, value string) Option {
	return func(c *call) { c.header.Set(name, value) }
}

// Hostile says that the request is wrong on purpose, so that only its answer is checked against the
// document.
func Hostile() Option { return func(c *call) { c.hostile = true } }

// Raw is a body that is sent unchanged.
type Raw []byte

// Get, Post, Put and Delete send a request. Bodies are sent as JSON.

// Get sends a GET.
func (c *Client) Get(ctx context.Context, path string, options ...Option) (*Answer, error) {
	return c.Do(ctx, http.MethodGet, path, nil, options...)
}

// Post sends a POST.
func (c *Client) Post(ctx context.Context, path string, body any, options ...Option) (*Answer, error) {
	return c.Do(ctx, http.MethodPost, path, body, options...)
}

// Put sends a PUT.
func (c *Client) Put(ctx context.Context, path string, body any, options ...Option) (*Answer, error) {
	return c.Do(ctx, http.MethodPut, path, body, options...)
}

// Delete sends a DELETE.
func (c *Client) Delete(ctx context.Context, path string, options ...Option) (*Answer, error) {
	return c.Do(ctx, http.MethodDelete, path, nil, options...)
}

// Do sends a request to a path with an optional query. It returns an error if there was no answer,
// or if the answer breaks the contract.
func (c *Client) Do(ctx context.Context, method, path string, body any, options ...Option) (*Answer, error) {
	settings := call{header: http.Header{}}
	var data []byte
	switch b := body.(type) {
	case nil:
	case Raw:
		data = b
		settings.header.Set("Content-Type", "application/json")
	default:
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
		settings.header.Set("Content-Type", "application/json")
	}
	for _, option := range options {
		option(&settings)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, reader)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header = settings.header
	if c.cookie != nil {
		request.AddCookie(c.cookie)
	}
	return c.send(request, data, !settings.hostile)
}

func (c *Client) send(request *http.Request, body []byte, willing bool) (*Answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	answerBody, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", request.Method, request.URL.Path, err)
	}
	answer := &Answer{Exchange{
		Method: request.Method, Path: request.URL.Path, Query: request.URL.RawQuery, Header: request.Header, Body: body,
		Status: response.StatusCode, Answer: response.Header, AnswerBody: answerBody, willingBody: willing,
	}}
	return answer, c.validator.Check(request.Context(), answer.Exchange)
}
