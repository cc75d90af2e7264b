package contract_test

import (
	"net/http"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/postgres"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
)

// abuseRequests is the number of hostile requests to the real service.
const abuseRequests = 10_000

// TestOnRealServers runs the contract on the slow monolith, then abuses it, and then checks its
// database.
func TestOnRealServers(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx := testbed.ContextForTest(t)
	size := seed.Small()
	database, err := bed.Postgres(ctx, testbed.PostgresOptions{Dataset: &size})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := bed.MailSink(ctx, testbed.MailSinkOptions{}) // no delay, because no times are checked
	if err != nil {
		t.Fatal(err)
	}
	service, err := bed.Service(ctx, testbed.ServiceOptions{
		Package: "./solutions/service", Args: []string{"--through", "00"}, Postgres: database, MailSink: mail,
	})
	if err != nil {
		t.Fatal(err)
	}
	target := contract.Target{
		URL: service.URL(), StaffToken: bed.StaffToken(), PaymentSecret: bed.PaymentSecret(), Password: seed.Password,
		Emails: []string{seed.Email(11), seed.Email(12), seed.Email(13)},
		Meals:  []bytebites.MealID{seed.Meal(41), seed.Meal(42), seed.Meal(43), seed.Meal(44)},
		Scarce: size.ScarceMeal(1),
	}
	contract.Test(t, target)

	start := time.Now()
	report, err := contract.Abuse(ctx, target, 1, abuseRequests)
	took := time.Since(start)
	t.Logf("%v in %v", report, took.Round(time.Millisecond))
	if err != nil {
		t.Errorf("abuse: %v", err)
	}
	for _, status := range []int{http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusBadRequest, http.StatusUnprocessableEntity} {
		if report.Statuses[status] == 0 {
			t.Errorf("no hostile request was answered %d: the suite does not reach the service", status)
		}
	}
	if err := contract.RunOrders(ctx, target); err != nil {
		t.Errorf("after the abuse: %v", err)
	}

	db, err := postgres.Open(ctx, database.URL(), postgres.PoolConfig{MaxOpen: 1, MaxIdle: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read from
	if err := postgres.Invariants(ctx, db, db); err != nil {
		t.Errorf("in the database: %v", err)
	}
}
