package httpapi

import (
	"io/fs"
	"strings"
	"testing"
)

// signs are the characters outside of Latin-1 that the page uses. The fonts of every system have
// them. No font is needed for emoji and dingbats, because the page uses none: without a font for
// them a reader sees empty boxes.
const signs = "–—‘’“”…−○●€"

func TestPageNeedsNoEmojiFont(t *testing.T) {
	t.Parallel()
	files := 0
	err := fs.WalkDir(webFiles, "web", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := fs.ReadFile(webFiles, path)
		for n, line := range strings.Split(string(text), "\n") {
			for _, r := range line {
				if r > 0xff && !strings.ContainsRune(signs, r) {
					t.Errorf("%s:%d: %q (%U) needs a font that not every machine has", path, n+1, r, r)
				}
			}
		}
		return err
	})
	if err != nil || files < 4 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
}
