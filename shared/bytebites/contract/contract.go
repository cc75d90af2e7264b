package contract

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
)

// Target is a running ByteBites service.
type Target struct {
	URL           string // such as http://127.0.0.1:8080
	StaffToken    string
	PaymentSecret []byte
	// Emails are the addresses of at least three subscribers that no other client uses at the same
	// time.
	Emails   []string
	Password string // of all subscribers
	// Meals are at least four meals with plenty of stock. The checks change the price of the last
	// one, and change it back.
	Meals []bytebites.MealID
	// Scarce is a meal with at most 49 portions left. The checks leave its stock unchanged.
	Scarce bytebites.MealID
	// SessionTTL is the lifetime of sessions. If it is at most 5 s, the checks wait for a session
	// to expire.
	SessionTTL time.Duration
}

func (t Target) validate() error {
	switch {
	case t.URL == "":
		return errors.New("target: no URL")
	case t.StaffToken == "" || len(t.PaymentSecret) == 0 || t.Password == "":
		return errors.New("target: a secret is missing")
	case len(t.Emails) < 3:
		return errors.New("target: fewer than three subscribers")
	case len(t.Meals) < 4 || t.Scarce == "":
		return errors.New("target: fewer than four meals, or no scarce one")
	}
	return nil
}

// Check checks one promise of the contract.
type Check struct {
	Name   string
	Proves string
	// Run returns an error with the expected and the seen result. The client has no session.
	Run func(ctx context.Context, c *Client) error
}

// Checks returns all checks. They are independent of each other. They leave only orders, carts,
// ratings and preferences of the target's subscribers behind, and one new subscriber.
func Checks() []Check {
	var all []Check
	for _, part := range [][]Check{operationChecks(), accountChecks(), sessionChecks(), mealChecks(), subscriberChecks(), orderChecks(), paymentChecks(), inputChecks(), textChecks()} {
		all = append(all, part...)
	}
	return all
}

// checkTimeout bounds one check.
const checkTimeout = 60 * time.Second

// Run runs every check and returns the failures, joined.
func Run(ctx context.Context, target Target) error { return run(ctx, target, Checks()) }

// RunSessions runs only the checks of signing in and out.
func RunSessions(ctx context.Context, target Target) error {
	return run(ctx, target, sessionChecks())
}

// RunOrders runs only the checks of carts and orders.
func RunOrders(ctx context.Context, target Target) error { return run(ctx, target, orderChecks()) }

func run(ctx context.Context, target Target, checks []Check) error {
	c, err := NewClient(target)
	if err != nil {
		return err
	}
	var failures []error
	for _, check := range checks {
		if err := runCheck(ctx, c, check); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", check.Name, err))
		}
	}
	return errors.Join(failures...)
}

// Test runs every check as a subtest.
func Test(t *testing.T, target Target) {
	t.Helper()
	c, err := NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) {
			if err := runCheck(t.Context(), c, check); err != nil {
				t.Errorf("%s\n%v", check.Proves, err)
			}
		})
	}
}

func runCheck(ctx context.Context, c *Client, check Check) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return check.Run(ctx, c)
}
