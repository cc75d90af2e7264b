package httpapi_test

import (
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
)

func TestContract(t *testing.T) {
	contract.Test(t, targetOf(mustServe(t, configOf(fake.NewWorld(users, meals, time.Now)))))
}

func TestContractWithShortSessions(t *testing.T) {
	url := mustServe(t, configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.SessionTTL = time.Second }))
	target := targetOf(url)
	target.SessionTTL = time.Second
	mustCheck(t, target, "expired-sessions")
}

// TestHistoryOfOneInstant places all orders at one instant, so that only their ids separate the
// pages of the history.
func TestHistoryOfOneInstant(t *testing.T) {
	instant := time.Now()
	stopped := func() time.Time { return instant }
	mustCheck(t, targetOf(mustServe(t, configOf(fake.NewWorld(users, meals, stopped)))), "order-pages")
}

// mustCheck runs one check of the contract.
func mustCheck(t *testing.T, target contract.Target, name string) {
	t.Helper()
	client, err := contract.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range contract.Checks() {
		if check.Name == name {
			if err := check.Run(t.Context(), client); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Fatalf("no check %s", name)
}

// TestAbuse runs without a database. The contract package sends 10,000 requests to the service with
// a database, and checks the sums there. The requests here have another seed.
func TestAbuse(t *testing.T) {
	const seed, n = 2, 2_000
	target := targetOf(mustServe(t, configOf(fake.NewWorld(users, meals, time.Now))))
	start := time.Now()
	report, err := contract.Abuse(t.Context(), target, seed, n)
	t.Logf("%v in %v", report, time.Since(start).Round(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	// The requests must get past the sign-in: a suite that only gets 401 and 404 proves nothing.
	for _, status := range []int{200, 204, 400, 401, 404, 405, 413, 415, 422} {
		if report.Statuses[status] == 0 {
			t.Errorf("no request was answered %d", status)
		}
	}
	if err := contract.Run(t.Context(), target); err != nil {
		t.Errorf("after the abuse: %v", err)
	}
}
