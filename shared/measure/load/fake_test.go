package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/measure/load"
)

// population is an invented population of 500 meals and 20 sessions.
func population() load.Population {
	p := load.Population{
		Cursors: []string{"bTptMDAyMA", "bTptMDA0MA"}, Cuisines: []string{"italian", "thai"}, Diets: []string{"vegan"},
	}
	for i := range 500 {
		p.Meals = append(p.Meals, bytebites.MealID(fmt.Sprintf("m%04d", i+1)))
	}
	for i := range 20 {
		p.Sessions = append(p.Sessions, load.Session{Email: fmt.Sprintf("user%d@bytebites.example", i), Cookie: fmt.Sprintf("session=%d", i)})
	}
	return p
}

// serve starts a server that answers as the API does. It calls wait before each answer.
func serve(tb testing.TB, wait func(*http.Request)) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// net/http notices a closed connection only after the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		wait(r)
		answer(w, r)
	}))
	tb.Cleanup(server.Close)
	return server
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/orders":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"o-%s"}`, r.Header.Get("Idempotency-Key"))
	case strings.HasSuffix(r.URL.Path, "/ratings"):
		w.WriteHeader(http.StatusNoContent)
	default:
		fmt.Fprint(w, `{}`)
	}
}

func only(kind load.Kind) load.Mix {
	return load.Mix{Name: "only", Skew: 1.1, Shares: []load.Share{{Kind: kind, Weight: 1}}}
}

func generator(target string, mix load.Mix) load.Generator {
	return load.Generator{Target: target, Mix: mix, Population: population(), Seed: 1}
}

// within fails the test unless got is within a share of want.
func within(tb testing.TB, what string, got, want, share float64) {
	tb.Helper()
	if diff := got - want; diff > share*want || diff < -share*want {
		tb.Errorf("%s: got %.4g, want %.4g within %.0f %%", what, got, want, 100*share)
	}
}
