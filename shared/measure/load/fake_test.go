package load_test

import (
	"bytes"
	"encoding/json"
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
		PageStarts: map[string]bytebites.MealID{"": "m0001", "bTptMDAyMA": "m0021", "bTptMDA0MA": "m0041"},
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
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		wait(r)
		answer(w, r)
	}))
	tb.Cleanup(server.Close)
	return server
}

// answer answers as the API does: to what it was asked.
func answer(w http.ResponseWriter, r *http.Request) { answerOrder(w, r, http.StatusCreated) }

// answerOrder answers an order with that status.
func answerOrder(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Content-Type", "application/json")
	lines := struct {
		Lines json.RawMessage `json:"lines"`
	}{json.RawMessage("[]")}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	_ = json.Unmarshal(body, &lines) // other bodies have no lines
	_, meal, _ := strings.Cut(r.URL.Path, "/meals/")
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/orders":
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"id":"o-%s","lines":%s}`, r.Header.Get("Idempotency-Key"), lines.Lines)
	case strings.HasSuffix(r.URL.Path, "/ratings"):
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/meals/popular":
		fmt.Fprint(w, `{"meals":[{"id":"m0007"},{"id":"m0001"}]}`)
	case r.URL.Path == "/meals":
		diets, _ := json.Marshal([]string{q.Get("diet")})
		fmt.Fprintf(w, `{"meals":[{"id":%q,"cuisine":%q,"diets":%s}],"next":"c"}`, firstOf(q.Get("cursor")), q.Get("cuisine"), diets)
	case meal != "":
		fmt.Fprintf(w, `{"id":%q}`, meal)
	case r.URL.Path == "/me":
		fmt.Fprintf(w, `{"email":"user%s@bytebites.example"}`, strings.TrimPrefix(r.Header.Get("Cookie"), "session="))
	case r.URL.Path == "/cart":
		fmt.Fprintf(w, `{"lines":%s}`, lines.Lines)
	case r.Method == http.MethodPut: // preferences and addresses
		_, _ = w.Write(body)
	default:
		fmt.Fprint(w, `{}`)
	}
}

// firstOf returns the first meal of the page of a cursor.
func firstOf(cursor string) bytebites.MealID {
	if start, ok := population().PageStarts[cursor]; ok {
		return start
	}
	return "m0001"
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
