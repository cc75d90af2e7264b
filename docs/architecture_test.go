package docs_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/modroot"
)

// TestArchitecture: architecture.md has a row, and its drawing a word, for each folder of
// shared that is at most two levels deep. TestPathsAreThere holds the reverse.
func TestArchitecture(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	drawing, err := os.ReadFile("layers.svg")
	if err != nil {
		t.Fatal(err)
	}
	words := wordsOf(t, string(drawing))
	groups := []string{"shared/bytebites", "shared/cmd", "shared/measure", "shared/testbed", "shared/workshop"}
	folders := 0
	for _, pattern := range []string{"shared/*", "shared/*/*"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range found {
			name, err := filepath.Rel(root, folder)
			if err != nil {
				t.Fatal(err)
			}
			name = filepath.ToSlash(name)
			group := slices.Contains(groups, name)
			if !group && !holdsPackage(t, folder) && name != "shared/deploy" {
				continue
			}
			folders++
			// A group without a package of its own needs no row: its packages have theirs.
			if holdsGo(t, folder) && !strings.Contains(string(page), "\n| `"+name+"` | ") {
				t.Errorf("architecture.md has no row for `%s`", name)
			}
			word := name[strings.LastIndex(name, "/")+1:]
			if group {
				word = name
			}
			if !slices.Contains(words, word) {
				t.Errorf("layers.svg does not name %s", word)
			}
		}
	}
	if folders < 30 {
		t.Errorf("found only %d folders in shared", folders)
	}
}

// holdsGo reports whether a folder has Go files of its own.
func holdsGo(t *testing.T, folder string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files) > 0
}

// holdsPackage reports whether a folder, or a folder directly in it, has Go files.
func holdsPackage(t *testing.T, folder string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	inTestdata := func(file string) bool { return strings.Contains(filepath.ToSlash(file), "/testdata/") }
	return holdsGo(t, folder) || len(slices.DeleteFunc(files, inTestdata)) > 0
}

// wordsOf returns the words of a drawing's text elements.
func wordsOf(t *testing.T, drawing string) []string {
	t.Helper()
	var words []string
	separators := regexp.MustCompile(`[^a-z0-9/]+`)
	inText := false
	for decoder := xml.NewDecoder(strings.NewReader(drawing)); ; {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return words
		case err != nil:
			t.Fatalf("layers.svg: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				words = append(words, separators.Split(string(token), -1)...)
			}
		}
	}
}
