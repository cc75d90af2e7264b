package stack

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A visitor reads pages with the cookie of the sign-in, and counts the failures.
func TestVisit(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var carts atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret"})
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"user_id": "u0000001"}`) // a broken connection shows in the visit
	})
	mux.HandleFunc("GET /cart", func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "secret" {
			t.Errorf("get /cart with cookie %v, %v", cookie, err)
		}
		if carts.Add(1) == warmAfter/4+1 {
			end()
		}
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	server := httptest.NewServer(mux) // without orders and addresses
	defer server.Close()
	warmed := 0
	seen, err := visit(ctx, server.URL, func() { warmed++ })
	if want := (visited{warmAfter / 4, 3 * warmAfter / 4}); err != nil || seen != want || warmed != 1 {
		t.Errorf("visited %+v, %v, and warm called %d times; want %+v and once, because every fourth page is a cart", seen, err, warmed, want)
	}
}

func TestVisitWithoutSignIn(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var tries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		if tries.Add(1) == 2 {
			end()
		}
	}))
	defer server.Close()
	if _, err := visit(ctx, server.URL, func() {}); err == nil {
		t.Error("no error although no sign-in succeeded")
	}
}
