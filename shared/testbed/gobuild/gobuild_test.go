package gobuild_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
)

// inModule makes a module of these files and a working directory inside it.
func inModule(t *testing.T, files map[string]string) {
	t.Helper()
	root := t.TempDir()
	files["go.mod"] = "module example.test/m\n\ngo 1.26\n"
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sub := filepath.Join(root, "sub")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(sub)
}

func TestBinary(t *testing.T) {
	inModule(t, map[string]string{
		"good/main.go": "package main\n\nfunc main() {}\n",
		"bad/main.go":  "package main\n\nfunc main() { undefinedThing() }\n",
	})
	b := gobuild.NewBuilder(gobuild.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH})

	built, err := b.Binary(t.Context(), "./good")
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Binary(t.Context(), "./good")
	if err != nil || !bytes.Equal(built, again) {
		t.Errorf("built twice: %v", err)
	}

	_, err = b.Binary(t.Context(), "./bad")
	var compile *gobuild.CompileError
	if !errors.As(err, &compile) {
		t.Fatalf("code that does not compile: %v, want a CompileError", err)
	}
	if !strings.Contains(compile.Output, "undefinedThing") || compile.Package != "./bad" {
		t.Errorf("compile error of %s says %q, want the compiler's output", compile.Package, compile.Output)
	}
	var unavailable *engine.Unavailable
	if errors.As(err, &unavailable) {
		t.Error("code that does not compile is taken for a fault of the environment")
	}
	if _, err := b.Binary(t.Context(), "./missing"); !errors.As(err, &compile) {
		t.Errorf("a package that does not exist: %v, want a CompileError", err)
	}
}

func TestBinaryWithoutGoIsTheEnvironmentsFault(t *testing.T) {
	inModule(t, map[string]string{"good/main.go": "package main\n\nfunc main() {}\n"})
	t.Setenv("PATH", t.TempDir())
	b := gobuild.NewBuilder(gobuild.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH})
	_, err := b.Binary(t.Context(), "./good")
	var unavailable *engine.Unavailable
	if !errors.As(err, &unavailable) {
		t.Fatalf("no go command: %v, want an engine.Unavailable", err)
	}
	if unavailable.Remedy == "" {
		t.Error("no remedy")
	}
}

func TestBinaryCalledOffIsTriedAgain(t *testing.T) {
	inModule(t, map[string]string{"good/main.go": "package main\n\nfunc main() {}\n"})
	b := gobuild.NewBuilder(gobuild.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Binary(ctx, "./good")
	var compile *gobuild.CompileError
	if !errors.Is(err, context.Canceled) || errors.As(err, &compile) {
		t.Errorf("called off: %v, want context.Canceled", err)
	}
	if _, err := b.Binary(t.Context(), "./good"); err != nil {
		t.Errorf("after one that was called off: %v", err)
	}
}
