package images

import (
	"bytes"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

// A clone with the line ends of Windows has the same images: the same names and the same scripts.
func TestLineEndsChangeNoRecipe(t *testing.T) {
	t.Parallel()
	windows := fstest.MapFS{}
	err := fs.WalkDir(recipes, "recipes", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(recipes, file)
		windows[file] = &fstest.MapFile{Data: bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range append(debianNames(), baseRecipe) {
		dir := path.Join("recipes", string(n))
		if !bytes.Equal(makeTar(mustFiles(windows, dir)), makeTar(mustFiles(recipes, dir))) {
			t.Errorf("the recipe of %s depends on line ends", n)
		}
		for _, file := range mustFiles(windows, dir) {
			if strings.Contains(string(file.data), "\r") {
				t.Errorf("%s of %s has a carriage return", file.name, n)
			}
		}
	}
}
