package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/userenv"
)

// settings returns the names of the settings of `go env` that say where modules, tools and caches
// are, and who may be asked for them. The user's values count. All other settings may change
// what is compiled.
func settings() []string {
	return []string{
		"GOAUTH", "GOCACHE", "GOCACHEPROG", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH", "GOPRIVATE", "GOPROXY",
		"GOSUMDB", "GOTMPDIR", "GOTOOLCHAIN", "GOVCS",
	}
}

// Env returns the environment of a go command that compiles, for a user's environment in the form
// of os.Environ. The user's GOFLAGS, GOWORK, GOEXPERIMENT and the like have no effect, wherever
// they are set: in the shell or by `go env -w`. Every program of the workshop is compiled without
// cgo, for this machine unless the caller adds GOOS and GOARCH. The error is an
// *engine.Unavailable.
func Env(ctx context.Context, env []string) ([]string, error) {
	env = append(userenv.Clean(env), "GO111MODULE=on", "GOWORK=off")
	var out, diagnosis bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"env", "-json"}, settings())...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &diagnosis
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.As(err, &exit):
			return nil, noGo(err)
		}
		return nil, unusable(diagnosis.String())
	}
	values := map[string]string{}
	if err := json.Unmarshal(out.Bytes(), &values); err != nil {
		return nil, unusable(fmt.Sprintf("go env -json: %v", err))
	}
	// The file of `go env -w` has been read. It must not add other settings.
	env = append(env, "CGO_ENABLED=0", "GOENV=off")
	for _, name := range settings() {
		if value := values[name]; value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env, nil
}

// unusable is a go command that runs and cannot compile.
func unusable(output string) *engine.Unavailable {
	return &engine.Unavailable{
		Problem: "the go command cannot compile here",
		Remedy:  "correct what the go command names; `go env` shows its settings, and docs/environment.md those that count",
		Err:     errors.New(strings.TrimSpace(output)),
	}
}

// Failure returns the error of a go command that has failed with that output: a *CompileError when
// the code is at fault, and an *engine.Unavailable when the machine is.
func Failure(ctx context.Context, pkg, output string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", pkg, context.Cause(ctx))
	}
	var exit *exec.ExitError
	switch {
	case !errors.As(err, &exit):
		return noGo(err)
	case strings.Contains(output, "no space left on device"):
		return fmt.Errorf("build %s: %w", pkg, &engine.Unavailable{
			Problem: "no disk space left to build Go programs",
			Remedy:  "free some space, for example with: go clean -cache",
		})
	case exit.ExitCode() < 0: // ended by a signal, such as the kernel's when memory is full
		return fmt.Errorf("build %s: %w", pkg, &engine.Unavailable{
			Problem: fmt.Sprintf("go build was ended by the system: %v", err),
			Remedy:  "close other programs, so that the compiler has 2 GB of memory",
		})
	case unreachable(output):
		return fmt.Errorf("build %s: %w", pkg, &engine.Unavailable{
			Problem: "the Go modules of the workshop cannot be downloaded",
			Remedy:  "make a module proxy reachable (GOPROXY names it) and run once: go mod download",
			Err:     errors.New(strings.TrimSpace(output)),
		})
	case ofGoItself(output):
		return fmt.Errorf("build %s: %w", pkg, unusable(output))
	}
	return &CompileError{Package: pkg, Output: output}
}

// unreachable reports whether the output is about a module that could not be downloaded.
func unreachable(output string) bool {
	return slices.ContainsFunc([]string{
		"dial tcp", "module lookup disabled by GOPROXY", "proxyconnect", "TLS handshake timeout", "x509: ", "i/o timeout",
	}, func(words string) bool { return strings.Contains(output, words) })
}

// ofGoItself reports whether the output is only about the go command, its caches and its tools.
// Messages about code name a package or a file.
func ofGoItself(output string) bool {
	for line := range strings.SplitSeq(strings.TrimSpace(output), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "go: ") || strings.HasPrefix(line, "go.mod:") || strings.HasPrefix(line, "build cache is") ||
			strings.HasPrefix(line, "failed to initialize build cache") || strings.HasPrefix(line, "could not create module cache") ||
			strings.Contains(line, "does not match go tool version") {
			continue
		}
		return false
	}
	return true
}

func noGo(err error) *engine.Unavailable {
	return &engine.Unavailable{
		Problem: fmt.Sprintf("the go command cannot be run: %v", err),
		Remedy:  "install Go as the README says and put its bin folder on the PATH",
	}
}
