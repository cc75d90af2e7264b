package spec

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"bytebites.example/workshop/labs/02-horizontal/spec/echo/seen"
)

// An answer that does not come is told from a connection that is closed: the first ends a check,
// because the others would wait as long.
func TestLate(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(seen.DoHeader) {
		case seen.HangUp:
			panic(http.ErrAbortHandler)
		case "half":
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			<-over
		case "nothing":
			<-over
		}
	}))
	defer server.Close()
	defer close(over)
	p := &proxies{client: &http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}}
	for do, want := range map[string]bool{"": false, seen.HangUp: false, "half": true, "nothing": true} {
		got := p.send(t.Context(), server.URL, ask{method: http.MethodPost, path: "/orders", header: map[string]string{seen.DoHeader: do}})
		if late(got) != want {
			t.Errorf("%q: got %s, late: %t; want %t", do, got, late(got), want)
		}
	}
}
