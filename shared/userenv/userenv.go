// Package userenv says which of the user's environment variables the workshop honours and which
// it ignores. The variables are meant for the user's own programs: PGHOST names the user's
// database, COMPOSE_PROJECT_NAME the user's stack, GOFLAGS the flags of the user's builds. None of
// them may change a verdict. The table for readers is docs/environment.md.
package userenv

import (
	"os"
	"slices"
	"strings"
)

// Treatment is what the workshop does with a variable.
type Treatment string

const (
	// Ignored variables do not reach the programs that the workshop starts, and the workshop
	// does not read them.
	Ignored Treatment = "ignored"
	// Honoured variables have their usual meaning.
	Honoured Treatment = "honoured"
)

// Rule is the treatment of some variables.
type Rule struct {
	// Names are the variables. A star at the end of a name stands for any rest.
	Names []string
	// Reader is the program that gives the variables their meaning.
	Reader string
	Treatment
}

// Rules returns all rules. The first rule with a variable's name counts. A variable without a rule
// is passed on.
func Rules() []Rule {
	return []Rule{
		{[]string{
			"GOAUTH", "GOCACHE", "GOCACHEPROG", "GOENV", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH", "GOPRIVATE",
			"GOPROXY", "GOROOT", "GOSUMDB", "GOTMPDIR", "GOTOOLCHAIN", "GOVCS",
		}, "go", Honoured},
		{[]string{
			"CGO_*", "GO111MODULE", "GO386", "GOAMD64", "GOARCH", "GOARM", "GOARM64", "GOBIN", "GOCOVERDIR", "GODEBUG", "GOEXPERIMENT",
			"GOFIPS140", "GOFLAGS", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOMIPS", "GOMIPS64", "GOOS", "GOPPC64", "GORACE", "GORISCV64",
			"GOTRACEBACK", "GOWASM", "GOWORK", "GO_EXTLINK_ENABLED",
		}, "go", Ignored},
		{[]string{"PG*", "PQGO*", "SSLPG*"}, "libpq", Ignored},
		{[]string{"DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"}, "docker", Honoured},
		{[]string{"BUILDKIT_*", "BUILDX_*", "DOCKER_*"}, "docker", Ignored},
		{[]string{"COMPOSE_*"}, "compose", Ignored},
		{[]string{"RYUK_*", "TESTCONTAINERS_*"}, "testcontainers", Ignored},
		{[]string{
			"GIT_ASKPASS", "GIT_CEILING_DIRECTORIES", "GIT_CONFIG_*", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH", "GIT_SSH*", "GIT_SSL_*",
			"GIT_TERMINAL_PROMPT",
		}, "git", Honoured},
		{[]string{"GIT_*"}, "git", Ignored},
	}
}

// Treat returns the treatment of a variable.
func Treat(name string) Treatment {
	name = strings.ToUpper(name) // Windows does not distinguish cases
	for _, rule := range Rules() {
		if rule.has(name) {
			return rule.Treatment
		}
	}
	return Honoured
}

func (r Rule) has(name string) bool {
	return slices.ContainsFunc(r.Names, func(pattern string) bool {
		if start, any := strings.CutSuffix(pattern, "*"); any {
			return strings.HasPrefix(name, start)
		}
		return name == pattern
	})
}

// Clean returns an environment, in the form of os.Environ, without the ignored variables.
func Clean(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return Treat(name) == Ignored
	})
}

// Without returns an environment without the named variables.
func Without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(names, name)
	})
}

// Forget removes the ignored variables from the environment of this process, because libraries
// read them too. Call it first in a program.
func Forget() error {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name == "" || Treat(name) != Ignored {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return nil
}
