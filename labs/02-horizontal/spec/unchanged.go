package spec

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/workshop/lab"
)

// largeBody is near the largest body that the API takes, 64 KiB.
const largeBody = 60 << 10

// privatePages asks for the replicas' metrics, which are not for visitors.
func (l *trial) privatePages(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	for _, path := range []string{"/metrics", "/metrics?name=go_goroutines", "//metrics", "/./metrics", "/%6detrics", "/meals/../metrics"} {
		t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: path})
		notes, err := p.notes(ctx, t.id)
		if err != nil {
			return err
		}
		if len(notes) > 0 || t.err == nil && t.status < http.StatusBadRequest {
			return &lab.Failure{
				Expected: fmt.Sprintf("nginx to answer GET %s with an error, and no replica to receive it", path),
				Seen:     t.String(), Look: confLook("the location of /metrics: visitors must not see what the replicas count"),
			}
		}
	}
	return nil
}

// unchanged sends requests of all kinds. It compares the received with the sent requests at the
// server, and the received with the sent answers at the client.
func (l *trial) unchanged(ctx context.Context, _ *lab.Run) error {
	p := l.proxies
	if err := p.publish(ctx, p.listOf(copiesOfAll, p.echoes...)); err != nil {
		return err
	}
	at, err := url.Parse(p.nginx.URL())
	if err != nil {
		return fmt.Errorf("address of nginx: %w", err)
	}
	browser := map[string]string{
		"Cookie": httpapi.SessionCookie + "=abc; other=1", "Origin": p.nginx.URL(), "Sec-Fetch-Site": "same-origin",
		"Authorization": "Bearer staff", "Idempotency-Key": "key-1", httpapi.SignatureHeader: "t=1,v1=ab", "Accept": "application/json",
	}
	var all []ask
	for _, path := range []string{"/", "/static/app.js", "/openapi.yaml", "/readyz/x", "/meals?q=a%20b%2Fc&limit=5&cursor=x%3D%3D", page(1), "/me", "/cart", "/orders", "/orders/o-1", "/recommendations"} {
		all = append(all, ask{method: http.MethodGet, path: path, header: browser})
	}
	all = append(all, ask{method: http.MethodHead, path: "/", header: browser})
	changing := with(browser, "Content-Type", "application/json")
	for _, a := range append(p.changes(),
		ask{method: http.MethodPut, path: "/cart", body: bytes.Repeat([]byte("x"), largeBody)},
		ask{method: http.MethodPost, path: "/orders", body: bytes.Repeat([]byte("y"), largeBody), chunked: true},
		ask{method: http.MethodPut, path: page(1), body: []byte("{}")},
		ask{method: http.MethodDelete, path: "/sessions"},
	) {
		a.header = changing
		all = append(all, a)
	}
	for _, a := range all {
		if err := p.passes(ctx, a, at.Host); err != nil {
			return err
		}
	}
	foreign := all[len(all)-1]
	foreign.header = with(with(changing, "Origin", "https://evil.example"), "Sec-Fetch-Site", "cross-site")
	foreign.header["Origin"], foreign.header["Sec-Fetch-Site"] = "https://evil.example", "cross-site"
	if err := p.passes(ctx, foreign, at.Host); err != nil {
		return err
	}
	return p.answersPass(ctx, changing)
}

// passes demands that a request reaches one server unchanged.
func (p *proxies) passes(ctx context.Context, a ask, host string) error {
	t := p.send(ctx, p.nginx.URL(), a)
	notes, err := p.notes(ctx, t.id)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s %s", a.method, a.path)
	if len(notes) != 1 {
		return &lab.Failure{
			Expected: fmt.Sprintf("%s, with a body of %d bytes, to reach one replica", what, len(a.body)),
			Seen:     fmt.Sprintf("it reached %d (%s)", len(notes), t), Look: confLook("which requests does nginx answer, or ask for, by itself?"),
		}
	}
	note, hash := notes[0], sha256.Sum256(a.body)
	type part struct{ name, sent, got string }
	parts := []part{
		{"the method", a.method, note.Method}, {"the path and query", a.path, note.URI}, {"Host", host, note.Host},
		{"the body's SHA-256", hex.EncodeToString(hash[:]), note.BodyHash},
	}
	for name, value := range a.header {
		parts = append(parts, part{name, value, strings.Join(note.Header.Values(name), ", ")})
	}
	for _, part := range parts {
		if part.sent != part.got {
			return &lab.Failure{
				Expected: fmt.Sprintf("a replica to receive %s of %s as the browser sent it, %q", part.name, what, part.sent),
				Seen:     fmt.Sprintf("%q", part.got), Look: confLook("proxy_set_header and proxy_pass: what do they change?"),
			}
		}
	}
	return nil
}

// answersPass demands that each answer of a replica reaches its own client unchanged.
func (p *proxies) answersPass(ctx context.Context, header map[string]string) error {
	for _, status := range []int{200, 201, 204, 303, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := ask{method: method, path: "/orders", header: with(header, seen.DoHeader, fmt.Sprint(status))}
			t := p.send(ctx, p.nginx.URL(), a)
			if err := p.same(t, fmt.Sprintf("%s %s", method, a.path), status); err != nil {
				return err
			}
		}
	}
	// The same page for several visitors: an answer that nginx keeps is another visitor's.
	for range listReads / 10 {
		t := p.send(ctx, p.nginx.URL(), ask{method: http.MethodGet, path: "/me", header: map[string]string{"Cookie": httpapi.SessionCookie + "=" + rand.Text()}})
		if err := p.same(t, "GET /me", http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

// same compares an answer with what the servers send.
func (p *proxies) same(t told, what string, status int) error {
	fault := func(expected, got string) error {
		return &lab.Failure{
			Expected: fmt.Sprintf("the answer of a replica to %s to reach the client unchanged: %s", what, expected), Seen: got,
			Look: confLook("error_page, proxy_intercept_errors, proxy_cache and proxy_hide_header: which answer is not the replica's?"),
		}
	}
	if t.err != nil || t.status != status {
		return fault(fmt.Sprintf("status %d", status), t.String())
	}
	if got, want := t.header.Values("Set-Cookie"), seen.Cookies(); !slices.Equal(got, want) {
		return fault(fmt.Sprintf("Set-Cookie %q", want), fmt.Sprintf("%q", got))
	}
	if got := t.header.Get("Content-Type"); got != seen.ContentType {
		return fault("Content-Type "+seen.ContentType, fmt.Sprintf("%q", got))
	}
	if t.status == http.StatusNoContent {
		return nil
	}
	var note seen.Request
	if err := json.Unmarshal(t.body, &note); err != nil || note.ID != t.id {
		return fault("the body for this request", fmt.Sprintf("%.200q", t.body))
	}
	return nil
}
