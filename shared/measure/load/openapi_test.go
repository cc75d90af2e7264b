package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/measure/load"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// documented is a server that checks every request against the API's document. Its answers
// rotate through the successful answers of the document.
type documented struct {
	router routers.Router

	mu     sync.Mutex
	served map[string]int // by operation
	faults []string
}

func newDocumented(tb testing.TB) *documented {
	tb.Helper()
	document, err := openapi3.NewLoader().LoadFromData(httpapi.OpenAPI())
	if err != nil {
		tb.Fatal(err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		tb.Fatal(err)
	}
	return &documented{router: router, served: map[string]int{}}
}

func (d *documented) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, parameters, err := d.router.FindRoute(r)
	if err == nil {
		err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
			Request: r, PathParams: parameters, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: func(context.Context, *openapi3filter.AuthenticationInput) error {
				if len(r.Cookies()) != 1 {
					return fmt.Errorf("%d cookies", len(r.Cookies()))
				}
				return nil
			}},
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.faults = append(d.faults, fmt.Sprintf("%s %s: %v", r.Method, r.URL, err))
		http.Error(w, "not in the document", http.StatusTeapot)
		return
	}
	var successes []int
	for status := range route.Operation.Responses.Map() {
		if n, err := strconv.Atoi(status); err == nil && n/100 == 2 {
			successes = append(successes, n)
		}
	}
	id := route.Operation.OperationID
	status := successes[d.served[id]%len(successes)]
	d.served[id]++
	answerOrder(w, r, status)
}

// The mixes send requests that the API's document describes, and accept every successful
// answer of the document.
func TestMixesKeepToTheDocument(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	server := httptest.NewServer(d)
	defer server.Close()
	for _, mix := range load.Mixes() {
		g := generator(server.URL, mix)
		g.Timeout = 10 * time.Second
		r, err := g.Hit(t.Context(), 600, 500*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed > 0 || r.Completed == 0 {
			t.Errorf("%s: %d of %d failed: %v", mix.Name, r.Failed, r.Sent, r.Failures)
		}
	}
	server.Close()
	for i, fault := range d.faults {
		if i == 5 {
			t.Fatalf("and %d more", len(d.faults)-i)
		}
		t.Error(fault)
	}
	for _, id := range []string{"getProfile", "setPreferences", "setAddresses", "listMeals", "popularMeals", "getMeal",
		"rateMeal", "getCart", "setCart", "placeOrder", "listOrders", "getRecommendations"} {
		if d.served[id] == 0 {
			t.Errorf("no mix asks for %s", id)
		}
	}
}
