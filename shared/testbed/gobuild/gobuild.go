// Package gobuild builds the workshop's Go programs for the engine's platform. They are
// static, so that they run in an image without libraries.
package gobuild

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// buildTimeout bounds one go build on the reference machine. The first build on a fresh
// machine compiles every package.
const buildTimeout = 10 * time.Minute

// CompileFlags returns the flags of the go command, and Env the environment, for every program
// that the workshop compiles: for containers and for this machine. All use the same set, because
// for another set Go compiles every package again.
//
// A program without cgo is static. The tag nomsgpack removes an unused codec from gin, which
// takes as long to compile as everything else. With -trimpath the result does not depend on the
// folder of the clone, so that a second clone finds in Go's cache what the first has compiled.
func CompileFlags() []string { return []string{"-buildvcs=false", "-trimpath", TagsFlag()} }

// TagsFlag returns the flag with the tags of CompileFlags and further ones.
func TagsFlag(more ...string) string {
	return "-tags=" + strings.Join(append([]string{"nomsgpack"}, more...), ",")
}

// CompileError says that Go code does not compile. The environment is not at fault.
type CompileError struct {
	Package string
	Output  string // of the compiler
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s does not compile:\n%s", e.Package, strings.TrimSpace(e.Output))
}

// Platform is the operating system and architecture of a program, in Go's terms.
type Platform struct{ OS, Arch string }

// PlatformOf returns the platform of an engine's containers.
func PlatformOf(ctx context.Context, eng *engine.Engine) (Platform, error) {
	version, err := eng.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Platform{}, fmt.Errorf("read the engine's platform: %w", err)
	}
	arch := strings.ToLower(version.Arch)
	switch arch { // some engines use the kernel's names
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

// NewBuilder returns a builder for a platform. It keeps programs in the workshop's cache
// folder, so that the next process does not link an unchanged program again.
func NewBuilder(platform Platform) *Builder {
	return &Builder{platform: platform, builds: make(map[string]*build)}
}

// Binary returns the static program of the main package pkg: an import path or a path
// relative to the module's root, such as ./solutions/service. A Builder builds each package
// once; parallel callers share the build. The error is a *CompileError when the code does
// not compile, and an engine.Unavailable when there is no Go or no disk space.
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
		// The build was cancelled and says nothing about the code, so the next caller tries.
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
	// The lock below may be held by another process that builds the same package.
	ctx, cancel := hostlock.WithTimeout(ctx, hostspeed.Wait(buildTimeout))
	defer cancel()
	root, err := modroot.Root()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	key := sha256.Sum256([]byte(strings.Join([]string{root, pkg, b.platform.OS, b.platform.Arch}, "\x00")))
	name := hex.EncodeToString(key[:8])
	// Without the lock, two processes that build the same package write the same file.
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
	// Without symbol tables a program is a third smaller, and so are its copies. Profiles still name
	// functions.
	env, err := Env(ctx, os.Environ())
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, CompileFlags(), []string{"-ldflags=-s -w", "-o", out, pkg})...)
	cmd.Dir = root
	cmd.Env = append(env, "GOOS="+b.platform.OS, "GOARCH="+b.platform.Arch)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return nil, Failure(ctx, pkg, output.String(), err)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	return program, nil
}
