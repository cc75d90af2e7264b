package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/progress"
)

const (
	toxiproxyVersion = "2.5.0" // as in go.mod
	toxiproxyPackage = "github.com/Shopify/toxiproxy/v2/cmd/server"
)

// buildToxiproxy compiles the server, whose source is a module of ours anyway, and puts
// it into an image like Static.
func buildToxiproxy(ctx context.Context, eng *engine.Engine, ref Ref, step *progress.Step) error {
	dir, err := os.MkdirTemp("", "bytebites-toxiproxy-")
	if err != nil {
		return fmt.Errorf("make build folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "toxiproxy")
	if err := goBuild(ctx, eng, toxiproxyPackage, path, step); err != nil {
		return err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read toxiproxy: %w", err)
	}
	return importProgram(ctx, eng, binary, string(Toxiproxy), ref, []string{"EXPOSE 8474", `CMD ["-host=0.0.0.0"]`}, step)
}

// goBuild compiles a main package to a static program for the engine's platform.
func goBuild(ctx context.Context, eng *engine.Engine, pkg, output string, step *progress.Step) error {
	version, err := eng.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("ask for the engine's platform: %w", err)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+version.Os, "GOARCH="+version.Arch, "GOFLAGS=-buildvcs=false")
	out := &tail{step: step}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return &engine.Unavailable{Problem: "there is no go command", Remedy: "install Go and put it on the PATH", Err: err}
		}
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// moduleRoot is the folder of go.mod: the working folder or one above it. A test's
// working folder is that of its package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for start := dir; ; {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the module: no go.mod in %s or above", start)
		}
		dir = parent
	}
}
