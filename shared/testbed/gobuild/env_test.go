package gobuild_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
)

// TestBinaryIgnoresTheUsersGo builds with settings that would make the go command fail or build
// another program.
func TestBinaryIgnoresTheUsersGo(t *testing.T) {
	inModule(t, map[string]string{
		"good/main.go": "package main\n\nimport \"encoding/json\"\n\nfunc main() { _ = json.Valid(nil) }\n",
		"go.work":      "go 1.26\n\nuse ./elsewhere\n",
	})
	platform := gobuild.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	want, err := gobuild.NewBuilder(platform).Binary(t.Context(), "./good")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("GOEXPERIMENT=jsonv2\nGOFLAGS=-tags=mine\nGOARCH=wasm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{
		"GOFLAGS=-race", "GOFLAGS=-mod=vendor", "GOFLAGS=-bogus", "GOWORK=" + filepath.Join(t.TempDir(), "none.work"), "GO111MODULE=off",
		"GOEXPERIMENT=jsonv2", "GOEXPERIMENT=nonsense", "GOAMD64=v4", "GOARM64=nonsense", "GOFIPS140=latest", "CGO_ENABLED=1", "GOENV=" + file,
		"GODEBUG=nonsense=1", "GOMAXPROCS=1",
	} {
		t.Run(setting, func(t *testing.T) {
			name, value, _ := strings.Cut(setting, "=")
			t.Setenv(name, value)
			got, err := gobuild.NewBuilder(platform).Binary(t.Context(), "./good")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Error("another program is built")
			}
		})
	}
}

func TestFaultsOfTheMachine(t *testing.T) {
	inModule(t, map[string]string{"good/main.go": "package main\n\nfunc main() {}\n"})
	missing := filepath.Join(t.TempDir(), "none")
	for _, setting := range []string{"TMPDIR=" + missing, "GOCACHE=relative", "GOTMPDIR=" + missing} {
		if runtime.GOOS == "windows" && strings.HasPrefix(setting, "TMPDIR") {
			continue // Windows reads another variable
		}
		t.Run(setting, func(t *testing.T) {
			name, value, _ := strings.Cut(setting, "=")
			t.Setenv(name, value)
			_, err := gobuild.NewBuilder(gobuild.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}).Binary(t.Context(), "./good")
			var unavailable *engine.Unavailable
			var compile *gobuild.CompileError
			if !errors.As(err, &unavailable) || errors.As(err, &compile) || unavailable.Remedy == "" {
				t.Errorf("%v, want an engine.Unavailable with a remedy", err)
			}
		})
	}
}

func TestFailureNamesTheCode(t *testing.T) {
	t.Parallel()
	failed := exitError(t)
	for _, output := range []string{
		"# m/labs/00-x\nlabs/00-x/x.go:3:5: undefined: y",
		"# m/labs/00-x\nfound packages x (x.go) and main (y.go) in /clone/labs/00-x",
		"package m/a\n\timports m/b from a.go\n\timports m/a from b.go: import cycle not allowed",
		"labs/00-x/x.go:2:8: no required module provides package github.com/foo/bar; to add it:\n\tgo get github.com/foo/bar",
		"m/labs/00-x: no non-test Go files in /clone/labs/00-x",
	} {
		var compile *gobuild.CompileError
		if err := gobuild.Failure(t.Context(), "./x", output, failed); !errors.As(err, &compile) {
			t.Errorf("%q: %v, want a CompileError", output, err)
		}
	}
	for _, output := range []string{
		"go: creating work dir: stat /none: no such file or directory",
		"go: errors parsing go.mod:\ngo.mod:4: repeated go statement",
		"failed to initialize build cache at /none: mkdir /none: permission denied",
		"# internal/abi\ncompile: version \"go1.26.1\" does not match go tool version \"go1.26.2\"",
		"shared/x/y.go:7:2: github.com/lib/pq@v1.12.3: Get \"https://proxy.golang.org/...\": dial tcp: lookup proxy.golang.org: no such host",
		"shared/x/y.go:7:2: github.com/lib/pq@v1.12.3: module lookup disabled by GOPROXY=off",
	} {
		var unavailable *engine.Unavailable
		if err := gobuild.Failure(t.Context(), "./x", output, failed); !errors.As(err, &unavailable) {
			t.Errorf("%q: %v, want an engine.Unavailable", output, err)
		}
	}
}

// exitError returns the error of a program that ended with an exit code.
func exitError(t *testing.T) error {
	t.Helper()
	err := exec.CommandContext(t.Context(), "go", "nonsense").Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("go nonsense: %v", err)
	}
	return err
}
