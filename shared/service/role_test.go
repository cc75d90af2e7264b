package service

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// testRoles runs a role on databases that are there: it can use what is open, gets its
// arguments, and finds the schema as it was.
func testRoles(t *testing.T, config Config) {
	sorry, closed := errors.New("differences"), false
	c := Baseline()
	c.SchemaChanges = []SchemaChange{{Name: "not asked for", SQL: "CREATE TABLE parts_test_role (x int)"}}
	var got []string
	c.Roles["migrate"] = func(ctx context.Context, r Resources, args []string) error {
		got = args
		r.OnClose(func() error { closed = true; return nil })
		var there bool
		err := r.UserData.QueryRowContext(ctx, "SELECT to_regclass('parts_test_role') IS NOT NULL").Scan(&there)
		if err != nil || there {
			t.Errorf("a schema change was made: %v, %v", there, err)
		}
		return sorry
	}
	args := []string{"flipped", "--fast"}
	if err := RunRole(t.Context(), config, c, "migrate", args); !errors.Is(err, sorry) || !slices.Equal(got, args) || !closed {
		t.Errorf("got %v with arguments %q, closed %v", err, got, closed)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.Roles["migrate"] = func(ctx context.Context, _ Resources, _ []string) error {
		stop()
		<-ctx.Done()
		return ctx.Err()
	}
	if err := RunRole(ctx, config, c, "migrate", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: got %v", err)
	}
}
