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
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}

	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"meals":[{"id":"m1"}],"next":"c"}`)
	}))
	defer endless.Close()
	if _, err := load.Discover(t.Context(), endless.URL); err == nil || !strings.Contains(err.Error(), "pages") {
		t.Errorf("a catalogue without end: error %v", err)
	}
}
