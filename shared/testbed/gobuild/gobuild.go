// Package gobuild builds the workshop's Go programs for the engine: static, so that they
// run in an image that holds nothing else.
package gobuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// buildTimeout bounds one go build; the first on a fresh machine compiles everything.
const buildTimeout = 10 * time.Minute

// CompileFlags returns the flags of the go command, and CompileEnv what it needs in its environment,
// for whatever the workshop compiles: services, and what runs on this machine as well. Go compiles
// a package anew for each set of them, and all that is below it.
//
// Without cgo a program is static. nomsgpack leaves out of gin a codec that nothing here uses and
// that takes as long to compile as all the rest.
func CompileFlags() []string { return []string{"-buildvcs=false", "-tags=nomsgpack"} }

// CompileEnv returns environment variables; see CompileFlags.
func CompileEnv() []string { return []string{"CGO_ENABLED=0"} }

// CompileError is Go code that does not build: the fault of whoever wrote it, never of
// the environment.
type CompileError struct {
	Package string
	Output  string // what the compiler said
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s does not compile:\n%s", e.Package, strings.TrimSpace(e.Output))
}

// Platform is what a program is built for, in Go's terms.
type Platform struct{ OS, Arch string }

// PlatformOf returns the platform that an engine's containers run on.
func PlatformOf(ctx context.Context, eng *engine.Engine) (Platform, error) {
	version, err := eng.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Platform{}, fmt.Errorf("ask the engine for its platform: %w", err)
	}
	arch := strings.ToLower(version.Arch)
	switch arch { // some engines answer in the kernel's terms
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	return Platform{OS: strings.ToLower(version.Os), Arch: arch}, nil
}

// Builder builds Go programs for one platform.
type Builder struct {
	platform Platform

	mu     sync.Mutex
	builds map[string]*build
}

type build struct {
	done    chan struct{}
	program []byte
	err     error
}

// NewBuilder returns a builder for a platform. Programs are kept in the workshop's folder
// of the machine, so that the next process need not link an unchanged one again.
func NewBuilder(platform Platform) *Builder {
	return &Builder{platform: platform, builds: make(map[string]*build)}
}

// Binary returns the static program of the main package pkg: an import path or a path
// relative to the module's root, such as ./solutions/service. Each package is built
// once for each Builder, however many ask. The error is a *CompileError when the code
// does not build, and an engine.Unavailable when there is no Go or no disk space.
func (b *Builder) Binary(ctx context.Context, pkg string) ([]byte, error) {
	b.mu.Lock()
	running, found := b.builds[pkg]
	if !found {
		running = &build{done: make(chan struct{})}
		b.builds[pkg] = running
	}
	b.mu.Unlock()
	if found {
		select {
		case <-running.done:
			return running.program, running.err
		case <-ctx.Done():
			return nil, fmt.Errorf("build %s: %w", pkg, context.Cause(ctx))
		}
	}
	running.program, running.err = b.build(ctx, pkg)
	if running.err != nil && ctx.Err() != nil {
		// Called off, so this says nothing about the code: let the next caller try.
		b.mu.Lock()
		delete(b.builds, pkg)
		b.mu.Unlock()
	}
	close(running.done)
	return running.program, running.err
}

// Asked reports whether the package is built or being built.
func (b *Builder) Asked(pkg string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.builds[pkg] != nil
}

func (b *Builder) build(ctx context.Context, pkg string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(buildTimeout))
	defer cancel()
	root, err := modroot.Root()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	key := sha256.Sum256([]byte(strings.Join([]string{root, pkg, b.platform.OS, b.platform.Arch}, "\x00")))
	name := hex.EncodeToString(key[:8])
	// Two processes that build the same package would write the same file.
	release, err := hostlock.Lock(ctx, "build-"+name, nil)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	defer release()
	dir, err := hostlock.Dir()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	dir = filepath.Join(dir, "programs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	out := filepath.Join(dir, name)
	// Without symbol tables a program is a third smaller, and so is the copy in every
	// container; profiles name functions all the same.
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, CompileFlags(), []string{"-ldflags=-s -w", "-o", out, pkg})...)
	cmd.Dir = root
	cmd.Env = slices.Concat(os.Environ(), CompileEnv(), []string{"GOOS=" + b.platform.OS, "GOARCH=" + b.platform.Arch})
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return nil, buildFailure(ctx, pkg, output.String(), err)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	return program, nil
}

// buildFailure tells code that does not compile from a machine that cannot compile.
func buildFailure(ctx context.Context, pkg, output string, err error) error {
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
	case exit.ExitCode() < 0: // ended by a signal, as the kernel does when memory runs out
		return fmt.Errorf("build %s: %w", pkg, &engine.Unavailable{
			Problem: fmt.Sprintf("go build was ended by the system: %v", err),
			Remedy:  "close other programs, so that the compiler has 2 GB of memory",
		})
	}
	return &CompileError{Package: pkg, Output: output}
}

func noGo(err error) error {
	return &engine.Unavailable{
		Problem: fmt.Sprintf("the go command cannot be run: %v", err),
		Remedy:  "install Go as the README says and put its bin folder on the PATH",
	}
}
