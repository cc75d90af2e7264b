package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/progress"
)

// kitchen answers browsing as ByteBites does, with one meal.
func kitchen(t *testing.T) *httptest.Server {
	t.Helper()
	const meal = `{"id":"m0001","cuisine":"thai","diets":["vegan"]}`
	mux := http.NewServeMux()
	answer := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	}
	answer("GET /meals", `{"meals":[`+meal+`]}`)
	answer("GET /meals/popular", `{"meals":[`+meal+`]}`)
	answer("GET /meals/{id}", meal)
	answer("GET /me", `{"email":"user0000001@bytebites.example"}`)
	mux.HandleFunc("POST /sessions", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"csrf_token":"t"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestRush(t *testing.T) {
	server := kitchen(t)
	var out bytes.Buffer
	args := []string{"-url", server.URL, "-mix", "browse", "-rate", "50", "-for", "1s", "-people", "1"}
	if err := run(t.Context(), &out, progress.New(io.Discard), args); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GET /meals/popular", "\nall ", "50.0 requests/s offered", "0.0 % failed", "late (p99)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRushRefuses(t *testing.T) {
	server := kitchen(t)
	for want, args := range map[string][]string{
		`mix "lunch": want dinner, orders, browse or writes`: {"-url", server.URL, "-mix", "lunch", "-rate", "5", "-for", "1s", "-people", "1"},
		"only attacks this machine's loopback addresses":     {"-url", "http://192.0.2.1:80", "-rate", "5", "-for", "1s", "-people", "1"},
		"rate 0 is not more than 0":                          {"-url", server.URL, "-rate", "0", "-for", "1s", "-people", "1"},
	} {
		err := run(t.Context(), io.Discard, progress.New(io.Discard), args)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", args, err, want)
		}
	}
}
