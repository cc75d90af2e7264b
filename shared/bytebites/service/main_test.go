package service_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/bytebites/service"
)

func TestMainExitCodes(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		want   int
		stderr string
	}{
		{"help", []string{"-h"}, 0, "-healthcheck"},
		{"unknown flag", []string{"--nonsense"}, 2, "nonsense"},
		{"argument", []string{"nonsense"}, 2, `unexpected argument "nonsense"`},
		{"cannot compose", nil, 1, "no such lab"},
		{"cannot compose a role's", []string{"--role", "migrate"}, 1, "no such lab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stderr strings.Builder
			flags := flag.NewFlagSet("service", flag.ContinueOnError)
			code := service.Main(flags, test.args, &stderr, func() (service.Composition, error) {
				return service.Composition{}, errors.New("no such lab")
			})
			if code != test.want || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q in it", code, test.want, stderr.String(), test.stderr)
			}
		})
	}
}

func TestMainWantsItsConfiguration(t *testing.T) {
	t.Setenv("BYTEBITES_CATALOGUE_DB", "")
	var stderr strings.Builder
	code := service.Main(flag.NewFlagSet("service", flag.ContinueOnError), nil, &stderr, func() (service.Composition, error) {
		return service.Baseline(), nil
	})
	if code != 1 || !strings.Contains(stderr.String(), "BYTEBITES_CATALOGUE_DB: required") {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}

// withRoles returns a baseline that has two roles.
func withRoles() (service.Composition, error) {
	c := service.Baseline()
	for _, name := range []string{"sort", "count"} {
		c.Roles[name] = service.Job(func(context.Context, service.Resources, []string) error { return nil })
	}
	return c, nil
}

func TestUnknownRole(t *testing.T) {
	for name, test := range map[string]struct {
		compose func() (service.Composition, error)
		want    string
	}{
		"some": {withRoles, "service: --role migrate: unknown role; known roles: count, sort\n"},
		"none": {func() (service.Composition, error) { return service.Baseline(), nil }, "service: --role migrate: unknown role; known roles: none\n"},
	} {
		var stderr strings.Builder
		args := []string{"--role", "migrate", "done"}
		code := service.Main(flag.NewFlagSet("service", flag.ContinueOnError), args, &stderr, test.compose)
		if code != 2 || stderr.String() != test.want {
			t.Errorf("%s: exit code %d, %q; want 2, %q", name, code, stderr.String(), test.want)
		}
	}
}

func TestRoleWantsItsConfiguration(t *testing.T) {
	t.Setenv("BYTEBITES_CATALOGUE_DB", "")
	var stderr strings.Builder
	args := []string{"--role", "count", "everything", "--twice"} // the role's arguments, not flags of Main
	code := service.Main(flag.NewFlagSet("service", flag.ContinueOnError), args, &stderr, withRoles)
	if code != 1 || !strings.Contains(stderr.String(), "BYTEBITES_CATALOGUE_DB: required") {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}

func TestHealthCheck(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	addr := strings.TrimPrefix(server.URL, "http://127.0.0.1")
	t.Setenv("BYTEBITES_ADDR", addr)
	check := func() int {
		return service.Main(flag.NewFlagSet("service", flag.ContinueOnError), []string{"-healthcheck"}, io.Discard, nil)
	}
	if code := check(); code != 0 {
		t.Errorf("ready: exit code %d", code)
	}
	status = http.StatusServiceUnavailable
	if code := check(); code != 1 {
		t.Errorf("not ready: exit code %d", code)
	}
	server.Close()
	if err := service.CheckHealth(context.Background(), addr); err == nil {
		t.Error("no server: no error")
	}
}
