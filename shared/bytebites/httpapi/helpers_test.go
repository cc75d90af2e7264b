package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
	"golang.org/x/crypto/bcrypt"
)

const (
	staffToken = "staff-token-of-tests"
	users      = 10
	meals      = 60
)

var paymentSecret = []byte("payment-secret-of-tests")

// configOf returns a config that serves a world. The changes are applied last.
func configOf(world *fake.World, changes ...func(*httpapi.Config)) httpapi.Config {
	config := httpapi.Config{
		Catalogue: world, Stock: world, Directory: world, Sessions: world, Profiles: world.Profiles(), Carts: world,
		Ratings: world, Orders: world, Weeks: world, Recommender: world, Checkout: world, Payments: world,
		Instance: "test-1", StaffToken: staffToken, PaymentSecret: paymentSecret,
		PasswordCost: bcrypt.MinCost,
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, change := range changes {
		change(&config)
	}
	return config
}

// mustServe starts a server in the same way as the service.
func mustServe(tb testing.TB, config httpapi.Config) string {
	tb.Helper()
	handler, err := httpapi.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config = httpapi.NewServer(handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	tb.Cleanup(server.Close)
	return server.URL
}

func targetOf(url string) contract.Target {
	return contract.Target{
		URL: url, StaffToken: staffToken, PaymentSecret: paymentSecret, Password: fake.Password,
		Emails: []string{fake.Email(1), fake.Email(2), fake.Email(3)},
		Meals:  []bytebites.MealID{fake.Meal(1), fake.Meal(2), fake.Meal(3), fake.Meal(4)},
		Scarce: fake.Meal(meals),
	}
}

// mustSignIn returns a client of subscriber 1.
func mustSignIn(tb testing.TB, url string) *contract.Client {
	tb.Helper()
	c := mustClient(tb, url)
	one, err := c.As(context.Background(), fake.Email(1))
	if err != nil {
		tb.Fatal(err)
	}
	return one
}

func mustClient(tb testing.TB, url string) *contract.Client {
	tb.Helper()
	c, err := contract.NewClient(targetOf(url))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func mustWant(tb testing.TB, status int) func(*contract.Answer, error) *contract.Answer {
	tb.Helper()
	return func(answer *contract.Answer, err error) *contract.Answer {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		if err := answer.Want(status); err != nil {
			tb.Fatal(err)
		}
		return answer
	}
}
