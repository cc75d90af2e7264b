package modroot_test

import (
	"os"
	"path/filepath"
	"testing"

	"bytebites.example/workshop/shared/modroot"
)

func TestRoot(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if _, err := modroot.Root(); err == nil {
		t.Error("no error where there is no go.mod")
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := modroot.Root()
	if err != nil || got != root {
		t.Errorf("got %q, %v; want %q", got, err, root)
	}
}
