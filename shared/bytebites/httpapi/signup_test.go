package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/contract"
	"bytebites.example/workshop/shared/bytebites/httpapi"
	"bytebites.example/workshop/shared/bytebites/httpapi/internal/fake"
)

const newPassword = "long enough by far"

func signUp(ctx context.Context, c *contract.Client, email string) (*contract.Answer, error) {
	return c.Post(ctx, "/accounts", map[string]string{"email": email, "name": "Ada", "password": newPassword})
}

func TestOneOfManySignsUpWithAnAddress(t *testing.T) {
	c := mustClient(t, mustServe(t, configOf(fake.NewWorld(users, meals, time.Now))))
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		email := []string{"ada@example.com", "ADA@example.com"}[i%2]
		wg.Go(func() {
			answer, err := signUp(t.Context(), c, email)
			if err != nil {
				t.Error(err)
				return
			}
			statuses[i] = answer.Status
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if want := append([]int{201}, slices.Repeat([]int{409}, 7)...); !slices.Equal(statuses, want) {
		t.Errorf("answered %v, want %v", statuses, want)
	}
}

func TestIDsOfNewSubscribersGrow(t *testing.T) {
	now := time.Date(2026, 1, 1, 18, 0, 0, 0, time.UTC)
	config := configOf(fake.NewWorld(users, meals, time.Now), func(c *httpapi.Config) { c.Now = func() time.Time { return now } })
	c := mustClient(t, mustServe(t, config))
	last := string(fake.User(users))
	for i := range 3 {
		var joined struct {
			User string `json:"user_id"`
		}
		answer := mustWant(t, http.StatusCreated)(signUp(t.Context(), c, fmt.Sprintf("ada%d@example.com", i)))
		if err := answer.Into(&joined); err != nil {
			t.Fatal(err)
		}
		if joined.User <= last {
			t.Errorf("%s comes after %s", joined.User, last)
		}
		last, now = joined.User, now.Add(time.Millisecond)
	}
}

// A failure leaves the address free, so that a second attempt succeeds.
func TestSigningUpFailsWhole(t *testing.T) {
	for call, status := range map[string]int{"Account": 503, "CreateProfile": 503, "Register": 503} {
		world := fake.NewWorld(users, meals, time.Now)
		url := mustServe(t, configOf(world))
		failing(world, call, fmt.Errorf("shard 3: %w", bytebites.ErrBusy))
		c := mustClient(t, url)
		mustWant(t, status)(signUp(t.Context(), c, "ada@example.com"))
		world.Fail = nil
		mustWant(t, http.StatusCreated)(signUp(t.Context(), c, "ada@example.com"))
		c.Password = newPassword
		one, err := c.As(t.Context(), "ada@example.com")
		if err != nil {
			t.Fatalf("%s failed before: %v", call, err)
		}
		mustWant(t, http.StatusOK)(one.Get(t.Context(), "/me"))
	}
}

// The profile is created first, so that an account always has a profile.
func TestNoAccountWithoutAProfile(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	var calls []string
	world.Fail = func(_ context.Context, call string) error { calls = append(calls, call); return nil }
	mustWant(t, http.StatusCreated)(signUp(t.Context(), mustClient(t, mustServe(t, configOf(world))), "ada@example.com"))
	if want := []string{"Account", "CreateProfile", "Register"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	calls = nil
	mustWant(t, http.StatusConflict)(signUp(t.Context(), mustClient(t, mustServe(t, configOf(world))), "Ada@example.com"))
	if want := []string{"Account"}; !slices.Equal(calls, want) {
		t.Errorf("a taken address: calls %v, want %v", calls, want)
	}
}

func TestSignUpsShareTheBoundOfSignIns(t *testing.T) {
	world := fake.NewWorld(users, meals, time.Now)
	url := mustServe(t, configOf(world, func(c *httpapi.Config) {
		c.MaxSignIns, c.RequestTimeout, c.PasswordCost = 1, 300*time.Millisecond, 12 // about 250 ms each
	}))
	c := mustClient(t, url)
	var wg sync.WaitGroup
	busy := make(chan error, 8)
	for i := range cap(busy) {
		wg.Go(func() {
			answer, err := signUp(t.Context(), c, fmt.Sprintf("ada%d@example.com", i))
			if err == nil {
				err = answer.Want(http.StatusServiceUnavailable)
			}
			busy <- err
		})
	}
	wg.Wait()
	close(busy)
	var others []error
	for err := range busy {
		if err != nil {
			others = append(others, err)
		}
	}
	if len(others) == cap(busy) {
		t.Errorf("eight hashes of 250 ms each were made one at a time within 300 ms: %v", errors.Join(others...))
	}
	for _, err := range others {
		if !strings.Contains(err.Error(), "saw 201") {
			t.Error(err)
		}
	}
}
