package images_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/images"
)

func TestProgramImageAndBundle(t *testing.T) {
	t.Parallel()
	eng, _ := imageFor(t, images.Static)
	program := make([]byte, 4096) // the image is saved and loaded, and never run
	if _, err := rand.Read(program); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	ref, err := images.Service(t.Context(), eng, progress.Stderr(), program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the service image took %s", time.Since(start))
	remove := func() {
		t.Helper()
		if _, err := eng.ImageRemove(t.Context(), string(ref), client.ImageRemoveOptions{PruneChildren: true}); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := images.Service(t.Context(), eng, progress.Stderr(), program); err != nil || again != ref {
		t.Errorf("the same program makes %s, %v, want %s", again, err, ref)
	}
	listed := func() bool {
		t.Helper()
		list, err := images.List(t.Context(), eng)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list, func(e images.Entry) bool { return e.Ref == ref && e.Origin == images.Program })
	}
	if !listed() {
		t.Error("the image is not in the list")
	}
	inspected, err := eng.ImageInspect(t.Context(), string(ref))
	if err != nil {
		t.Fatal(err)
	}
	if got := inspected.Config.User; got != "65532:65532" {
		t.Errorf("the image runs as %q", got)
	}

	for _, name := range []string{"images.tar", "images.tar.gz"} {
		bundle := filepath.Join(t.TempDir(), name)
		if _, err := images.Save(t.Context(), eng, progress.Stderr(), bundle, ref); err != nil {
			t.Fatal(err)
		}
		remove()
		if listed() {
			t.Fatal("a removed image is in the list")
		}
		if err := images.Load(t.Context(), eng, progress.Stderr(), bundle); err != nil {
			t.Fatal(err)
		}
		if !listed() {
			t.Errorf("%s does not bring the image back", name)
		}
	}
	remove()
	noBundle := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(noBundle, program, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := images.Load(t.Context(), eng, progress.Stderr(), noBundle); err == nil {
		t.Error("a file that is no bundle is loaded")
	}
}

func TestListShowsTheCatalogue(t *testing.T) {
	eng, ref := imageFor(t, images.Static)
	list, err := images.List(t.Context(), eng)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[images.Name]images.Entry)
	for _, e := range list {
		if e.Ref == ref || seen[e.Name].Ref == "" {
			seen[e.Name] = e
		}
	}
	for _, n := range images.Names() {
		if seen[n].Ref == "" {
			t.Errorf("%s is not in the list", n)
		}
	}
	if got := seen[images.Static]; got.Origin != images.Local || got.Ref != ref || got.Stale {
		t.Errorf("the static image is listed as %+v", got)
	}
}
