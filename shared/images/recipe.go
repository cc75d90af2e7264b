package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// recipes holds a folder for each image that is built from Debian packages, and "base".
//
//go:embed recipes
var recipes embed.FS

const (
	baseRecipe = "base"
	// debianRelease is what the base image is made of.
	debianRelease = "trixie"
)

// recipeKey is a short hash of all that decides what a local build becomes.
func recipeKey(n Name) string {
	sum := sha256.New()
	switch n {
	case Static:
		sum.Write(staticTar())
	case Toxiproxy:
		fmt.Fprintf(sum, "toxiproxy %s on %s", toxiproxyVersion, recipeKey(Static))
	case baseRecipe:
		fmt.Fprintf(sum, "%s %s\n", debianRelease, strings.Join(baseExcludes, " "))
		sum.Write(mustContext(baseRecipe))
	default:
		fmt.Fprintf(sum, "on %s\n", recipeKey(baseRecipe))
		sum.Write(mustContext(string(n)))
	}
	return hex.EncodeToString(sum.Sum(nil))[:10]
}

func baseRef() Ref { return localRef("debian", debianRelease, recipeKey(baseRecipe)) }

// mustContext returns a recipe's folder as a tar, the same bytes every time. It panics
// when there is none, which a test of the catalogue rules out.
func mustContext(name string) []byte {
	dir := path.Join("recipes", name)
	entries, err := fs.ReadDir(recipes, dir)
	if err != nil {
		panic(fmt.Sprintf("read recipe: %v", err))
	}
	files := make([]tarFile, 0, len(entries))
	for _, e := range entries {
		data, err := fs.ReadFile(recipes, path.Join(dir, e.Name()))
		if err != nil {
			panic(fmt.Sprintf("read recipe: %v", err))
		}
		mode := int64(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755 // embedded files have lost it
		}
		files = append(files, tarFile{name: e.Name(), mode: mode, data: data})
	}
	return makeTar(files)
}

// tarFile is a file, or a directory when its name ends in a slash.
type tarFile struct {
	name string
	mode int64
	data []byte
}

// makeTar makes a tar that depends on nothing but its files.
func makeTar(files []tarFile) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag, header.Size = tar.TypeDir, 0
		}
		// Writing to a buffer fails only on a malformed header, and these are ours.
		if err := w.WriteHeader(header); err != nil {
			panic(fmt.Sprintf("tar %s: %v", f.name, err))
		}
		if _, err := w.Write(f.data); err != nil {
			panic(fmt.Sprintf("tar %s: %v", f.name, err))
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("tar: %v", err))
	}
	return buf.Bytes()
}
