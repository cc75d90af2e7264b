package userenv_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/userenv"
)

func TestTreat(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]userenv.Treatment{
		"GOFLAGS": userenv.Ignored, "GOWORK": userenv.Ignored, "GOPROXY": userenv.Honoured, "GOPHER": userenv.Honoured,
		"PGHOSTADDR": userenv.Ignored, "PGGSSENCMODE": userenv.Ignored, "pgoptions": userenv.Ignored,
		"DOCKER_HOST": userenv.Honoured, "DOCKER_API_VERSION": userenv.Ignored, "DOCKER_DEFAULT_PLATFORM": userenv.Ignored,
		"COMPOSE_PROJECT_NAME": userenv.Ignored, "TESTCONTAINERS_HOST_OVERRIDE": userenv.Ignored,
		"GIT_DIR": userenv.Ignored, "GIT_CONFIG_COUNT": userenv.Honoured, "GIT_SSH_COMMAND": userenv.Honoured,
		"HTTP_PROXY": userenv.Honoured, "PATH": userenv.Honoured, "": userenv.Honoured,
	} {
		if got := userenv.Treat(name); got != want {
			t.Errorf("Treat(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	env := []string{"PATH=/bin", "PGHOST=db", "GOFLAGS=-race", "odd", "DOCKER_HOST=unix:///d", "COMPOSE_FILE=a=b", "=C:=C:\\"}
	kept := slices.Clone(env)
	if got, want := userenv.Clean(env), []string{"PATH=/bin", "odd", "DOCKER_HOST=unix:///d", "=C:=C:\\"}; !slices.Equal(got, want) {
		t.Errorf("Clean keeps %q, want %q", got, want)
	}
	if !slices.Equal(env, kept) {
		t.Errorf("Clean has changed its argument: %q", env)
	}
	if got, want := userenv.Without(env, "PATH", "PGHOST", "odd"), env[2:]; len(got) != 4 || got[0] != want[0] {
		t.Errorf("Without keeps %q", got)
	}
}

// TestForget sets each ignored variable. It is not parallel, because it changes the environment.
func TestForget(t *testing.T) {
	for _, rule := range userenv.Rules() {
		for _, pattern := range rule.Names {
			t.Setenv(strings.ReplaceAll(pattern, "*", "X"), "1") // restores it
		}
	}
	if err := userenv.Forget(); err != nil {
		t.Fatal(err)
	}
	for _, rule := range userenv.Rules() {
		for _, pattern := range rule.Names {
			name := strings.ReplaceAll(pattern, "*", "X")
			if _, set := os.LookupEnv(name); set != (rule.Treatment == userenv.Honoured) {
				t.Errorf("%s, which is %s, is set: %t", name, rule.Treatment, set)
			}
		}
	}
}
