package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The next row of a lab replaces the files of one that did not pass.
func TestKeepFiles(t *testing.T) {
	w := workshop{root: t.TempDir()}
	began := time.Now()
	if kept, err := w.keepFiles("00-toy", "answers", began); kept != "" || err != nil {
		t.Errorf("without a folder: %q, %v", kept, err)
	}
	folder := w.path(stateDir, "00-toy")
	if err := os.MkdirAll(filepath.Join(folder, "older-row"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rush.txt", "older.txt"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(folder, "older.txt"), time.Time{}, began.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(folder, "rush.txt"), time.Time{}, began.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	kept, err := w.keepFiles("00-toy", "core path", began)
	if want := filepath.Join(stateDir, "00-toy", "verify-core-path"); err != nil || kept != want {
		t.Fatalf("%q, %v, want %q", kept, err, want)
	}
	copies, err := os.ReadDir(w.path(kept))
	if err != nil || len(copies) != 1 || copies[0].Name() != "rush.txt" {
		t.Errorf("copies %v, %v, want rush.txt alone", copies, err)
	}
}
