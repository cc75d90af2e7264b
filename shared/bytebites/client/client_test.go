package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites/client"
)

func TestSignIn(t *testing.T) {
	const created = `{"user_id":"u0000001"}`
	cookie := "bytebites_session=token; Path=/; HttpOnly"
	for _, test := range []struct {
		name    string
		status  int
		cookies []string
		body    string
		want    string // in the error; none if empty
	}{
		{"signed in", http.StatusCreated, []string{cookie}, created, ""},
		{"refused", http.StatusUnauthorized, nil, `{"title":"wrong password"}`, `sign in: POST /base/sessions: expected status 201, saw 401: {"title":"wrong password"}`},
		{"another success", http.StatusOK, []string{cookie}, created, "expected status 201, saw 200"},
		{"long refusal", http.StatusInternalServerError, nil, strings.Repeat("x", 5000), "saw 500: " + strings.Repeat("x", 300)},
		{"no cookie", http.StatusCreated, nil, created, "sign in: expected one cookie, saw 0"},
		{"two cookies", http.StatusCreated, []string{cookie, "other=1"}, created, "expected one cookie, saw 2"},
		{"no JSON", http.StatusCreated, []string{cookie}, "welcome", "sign in: decode answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var given map[string]string
				if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
					t.Error(err)
				}
				if r.Method != http.MethodPost || r.URL.Path != "/base/sessions" || r.Header.Get("Content-Type") != "application/json" ||
					len(given) != 2 || given["email"] != "a@example.com" || given["password"] != "secret" {
					t.Errorf("%s %s %v %v", r.Method, r.URL.Path, r.Header, given)
				}
				for _, c := range test.cookies {
					w.Header().Add("Set-Cookie", c)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			session, err := client.SignIn(t.Context(), server.Client(), server.URL+"/base", "a@example.com", "secret")
			if test.want == "" {
				if err != nil || session.User != "u0000001" || session.Cookie.String() != "bytebites_session=token" {
					t.Errorf("got %+v, %v", session, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 400 {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := client.Probe(t.Context(), server.Client(), server.URL+"/readyz"); err != nil {
		t.Error(err)
	}
	addr := strings.TrimPrefix(server.URL, "http://127.0.0.1") // as in :8080
	if err := client.ProbeLocal(t.Context(), addr, "/readyz"); err != nil {
		t.Error(err)
	}
	var status *client.StatusError
	err := client.ProbeLocal(t.Context(), addr, "/other")
	if !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v, want status 503", err)
	}
	if err := client.ProbeLocal(t.Context(), "8080", "/readyz"); err == nil {
		t.Error("no error for an address without a colon")
	}
	server.Close()
	if err := client.Probe(t.Context(), http.DefaultClient, server.URL+"/readyz"); err == nil {
		t.Error("no error after the server has closed")
	}
}
