package images

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bytebites.example/workshop/shared/progress"
)

// TestUmaskChangesNoImage is not parallel, because the umask is the process's.
func TestUmaskChangesNoImage(t *testing.T) {
	before := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(before) })
	dir := t.TempDir()
	h := host{goos: "linux", root: true, run: func(context.Context, *progress.Step, string, ...string) error { return nil }}
	if err := h.debootstrap(t.Context(), nil, dir); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range mustRootFS(baseRecipe) {
		info, err := os.Stat(filepath.Join(dir, f.name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != fs.FileMode(f.mode) {
			t.Errorf("%s has mode %v, want %v", f.name, got, fs.FileMode(f.mode))
		}
		seen++
	}
	if seen < 4 {
		t.Errorf("looked at only %d files", seen)
	}

	made := filepath.Join(dir, "made")
	if err := runTool(t.Context(), nil, "sh", "-c", `mkdir "$0"`, made); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("a tool makes folders with mode %v, %v", info.Mode(), err)
	}
	if err := runTool(t.Context(), nil, "no-such-tool"); err == nil || !strings.Contains(err.Error(), "no-such-tool") {
		t.Errorf("a tool that is missing: %v", err)
	}
}
