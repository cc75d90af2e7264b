package load_test

import (
	"net/http"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// A server that stalls for a second makes the requests of that second wait, and no others.
func TestRequestsTellWhenTheyWaited(t *testing.T) {
	const rate, length, from, to = 50, 3 * time.Second, time.Second, 2 * time.Second
	r := virtual(t, only(load.ShowMeal), load.Constant(rate), length, func(began time.Time, _ *http.Request) {
		if now := time.Since(began); now >= from && now < to {
			time.Sleep(to - now)
		}
	})
	if len(r.Requests) != r.Sent || r.Sent != rate*3 {
		t.Fatalf("%d outcomes of %d requests, want %d", len(r.Requests), r.Sent, rate*3)
	}
	const slack = 100 * time.Millisecond // the attack begins a little after the test's clock
	for i, one := range r.Requests {
		if one.Kind != load.ShowMeal || one.Cause != "" || one.Intended != load.Constant(rate).At(uint64(i)) {
			t.Fatalf("request %d: %+v", i, one)
		}
		inside := one.Intended >= from+slack && one.Intended < to-slack
		outside := one.Intended < from-slack || one.Intended > to+slack
		if waited := one.Latency > slack/2; inside && !waited || outside && waited {
			t.Errorf("request at %v took %v", one.Intended, one.Latency)
		}
	}
	if merged := load.Merge(r, r); len(merged.Requests) != 0 {
		t.Errorf("%d outcomes in a merged result, want none", len(merged.Requests))
	}
}
