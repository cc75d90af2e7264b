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
	"slices"
	"strings"
	"time"
)

// recipes holds a folder for each image that is built from Debian packages, and "base".
//
//go:embed recipes
var recipes embed.FS

const (
	baseRecipe = "base"
	// debianRelease is the Debian release of the base image.
	debianRelease = "trixie"
)

// recipeKey is a short hash of all inputs of a local build.
func recipeKey(n Name) string {
	sum := sha256.New()
	switch n {
	case Static:
		sum.Write(makeTar(staticFiles()))
		fmt.Fprint(sum, staticConfig(string(Static)))
	case Toxiproxy:
		fmt.Fprintf(sum, "toxiproxy %s in %s", toxiproxyVersion, recipeKey(Static))
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

// mustContext returns a recipe's folder as a tar. The bytes are the same every time.
func mustContext(name string) []byte { return makeTar(mustFiles(recipes, path.Join("recipes", name))) }

// mustRootFS returns the files that a recipe adds to the image's file system.
func mustRootFS(name string) []tarFile {
	return mustFiles(recipes, path.Join("recipes", name, "rootfs"))
}

// mustFiles returns the content of a folder, each folder before its files. All of them are texts. A
// clone on Windows may have other line ends; a script that has them does not run in a container.
// mustFiles panics when there is no such folder; a test of the catalogue makes that impossible.
func mustFiles(from fs.FS, dir string) []tarFile {
	var files []tarFile
	err := fs.WalkDir(from, dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name := strings.TrimPrefix(file, dir+"/")
		if entry.IsDir() {
			files = append(files, tarFile{name: name + "/", mode: 0o755})
			return nil
		}
		data, err := fs.ReadFile(from, file)
		if err != nil {
			return err
		}
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		mode := int64(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755 // go:embed does not keep the mode
		}
		files = append(files, tarFile{name: name, mode: mode, data: data})
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("read recipe: %v", err))
	}
	return files
}

// imageConfig is the configuration of the image in a recipe's Dockerfile.
type imageConfig struct {
	changes []string // instructions that a commit supports
	// stopSignal is separate, because a commit does not support STOPSIGNAL.
	stopSignal string
}

// readConfig reads a recipe's Dockerfile. The other instructions must be recipeSteps, which
// buildFromRecipe performs.
func readConfig(name string) (imageConfig, error) {
	data, err := fs.ReadFile(recipes, path.Join("recipes", name, "Dockerfile"))
	if err != nil {
		return imageConfig{}, fmt.Errorf("read recipe: %w", err)
	}
	var config imageConfig
	var steps []string
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		instruction, argument, _ := strings.Cut(line, " ")
		switch instruction {
		case "ENV", "EXPOSE", "VOLUME", "USER", "WORKDIR", "ENTRYPOINT", "CMD":
			config.changes = append(config.changes, line)
		case "STOPSIGNAL":
			config.stopSignal = argument
		default:
			steps = append(steps, line)
		}
	}
	if !slices.Equal(steps, recipeSteps[:]) {
		return imageConfig{}, fmt.Errorf("recipe %s: steps are %q, must be %q", name, steps, recipeSteps)
	}
	return config, nil
}

// recipeSteps are the instructions of every recipe's Dockerfile that change the file system.
var recipeSteps = [...]string{"ARG BASE", "FROM ${BASE}", "COPY rootfs/ /", "RUN /install.sh"}

// tarFile is a file, or a directory when its name ends in a slash.
type tarFile struct {
	name string
	mode int64
	data []byte
}

// makeTar makes a tar whose bytes depend only on its files.
func makeTar(files []tarFile) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if strings.HasSuffix(f.name, "/") {
			header.Typeflag, header.Size = tar.TypeDir, 0
		}
		// A write to a buffer fails only on a malformed header, which would be a bug here.
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
