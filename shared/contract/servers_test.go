package contract_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/contract"
	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/postgres"
	"bytebites.example/workshop/shared/testbed"
)

// abuseRequests is how many requests of ill will the real service has to bear.
const abuseRequests = 10_000

// TestOnRealServers holds the slow monolith, as learners meet it, to the contract,
// then abuses it, and then looks into its database.
func TestOnRealServers(t *testing.T) {
	bed := testbed.ForTest(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	size := dataset.Small()
	database, err := bed.Postgres(ctx, testbed.PostgresOptions{Dataset: &size})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := bed.MailSink(ctx, testbed.MailSinkOptions{}) // no delay: promises, not times
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
		URL: service.URL(), StaffToken: bed.StaffToken(), PaymentSecret: bed.PaymentSecret(), Password: dataset.Password,
		Emails: []string{dataset.Email(11), dataset.Email(12), dataset.Email(13)},
		Meals:  []bytebites.MealID{dataset.Meal(41), dataset.Meal(42), dataset.Meal(43), dataset.Meal(44)},
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
			t.Errorf("no request of ill will was answered %d: the suite has lost its teeth", status)
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
