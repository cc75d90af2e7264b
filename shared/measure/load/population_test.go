package load_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/client"
	"bytebites.example/workshop/shared/measure/load"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, most := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		var given struct{ Email, Password string }
		err := json.NewDecoder(r.Body).Decode(&given)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/sessions" || given.Password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "bytebites_session", Value: "of-" + given.Email, HttpOnly: true, Path: "/"})
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"user_id":%q}`, given.Email)
	}))
	defer server.Close()
	var emails []string
	for i := range 30 {
		emails = append(emails, fmt.Sprintf("u%d", i))
	}
	sessions, err := load.Login(t.Context(), server.URL, "secret", emails)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sessions {
		if want := (load.Session{Email: emails[i], Cookie: "bytebites_session=of-" + emails[i]}); s != want {
			t.Fatalf("session %d: %+v, want %+v", i, s, want)
		}
	}
	if len(sessions) != 30 || most > 2*runtime.NumCPU() {
		t.Errorf("%d sessions, %d at a time", len(sessions), most)
	}
	var status *client.StatusError
	if _, err := load.Login(t.Context(), server.URL, "wrong", emails); !errors.As(err, &status) || status.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "subscriber u") {
		t.Errorf("wrong password: error %v, want status 401 and the subscriber", err)
	}
	if _, err := load.Login(t.Context(), "http://10.0.0.1", "secret", emails); !errors.Is(err, load.ErrNotLoopback) {
		t.Errorf("another machine: error %v", err)
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"":   `{"meals":[{"id":"m1","cuisine":"thai","diets":["vegan","halal"]},{"id":"m2","cuisine":"thai","diets":[]}],"next":"c1"}`,
		"c1": `{"meals":[{"id":"m3","cuisine":"greek","diets":["vegan"]}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, pages[r.URL.Query().Get("cursor")])
	}))
	defer server.Close()
	got, err := load.Discover(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	want := load.Population{
		Meals: []bytebites.MealID{"m1", "m2", "m3"}, Cursors: []string{"c1"},
		Cuisines: []string{"greek", "thai"}, Diets: []string{"halal", "vegan"},
		PageStarts: map[string]bytebites.MealID{"": "m1", "c1": "m3"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The answers of a service that breaks the catalogue are wrong answers: not the machine's fault.
func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	page := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	var pages atomic.Int64
	tests := []struct {
		name    string
		handler http.HandlerFunc
		seen    string // empty: not a wrong answer
	}{
		{"the first page again", page(`{"meals":[{"id":"m1"}],"next":"c"}`), "m1 again"},
		{"empty pages without end", page(`{"meals":[],"next":"c"}`), "0 meals"},
		{"pages without end", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"meals":[{"id":"m%04d"}],"next":"c"}`, pages.Add(1))
		}, "page 1001"},
		{"a list", page(`[]`), "[]"},
		{"an error", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "redis: nil", http.StatusInternalServerError)
		}, "status 500: redis: nil"},
		{"busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			_, err := load.Discover(t.Context(), server.URL)
			var wrong *load.AnswerError
			if errors.As(err, &wrong) != (test.seen != "") || err == nil {
				t.Fatalf("error %v, want a wrong answer: %v", err, test.seen != "")
			}
			if wrong != nil && !strings.Contains(wrong.Seen, test.seen) {
				t.Errorf("saw %q, want %q", wrong.Seen, test.seen)
			}
		})
	}
}
