// Package docs_test holds the documents against what they speak of.
package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/lab"
	_ "bytebites.example/workshop/shared/workshop/labtest" // so that Go's test cache sees it change
	"bytebites.example/workshop/shared/workshop/verify"
)

// toy is the lab that authoring.md contains.
const toy = "90-lookup"

// TestAuthoring follows authoring.md to the letter: it takes the lab out of the document
// and verifies it as `verify` does every lab. Nothing is written into the module.
func TestAuthoring(t *testing.T) {
	files := toyFiles(t)
	runner := newOverlay(t, files)
	report, err := verify.Verifier{Root: tree(files), Course: withToy(), Runner: runner}.Run(t.Context(), []string{toy})
	if err != nil {
		t.Fatal(err)
	}
	var verified []string
	for _, row := range report.Rows {
		verified = append(verified, row.What)
		if row.Verdict != verify.Passed {
			t.Errorf("%s: %s: %s", row.What, row.Verdict, row.Detail)
		}
	}
	for _, what := range []string{"starter", "solution", "answers", "parity", "lesson"} {
		if !slices.Contains(verified, what) {
			t.Errorf("%s was not verified; %v were", what, verified)
		}
	}
	// What the document says of the lab, beyond what every lab must do.
	var starter lab.Result
	if err := json.Unmarshal(runner.results["labs/"+toy+" TestLab"], &starter); err != nil {
		t.Fatal(err)
	}
	if starter.Verdict != lab.NotYet || verdictOf(starter, "few comparisons") != lab.NotYet || len(starter.Todos) != 1 {
		t.Errorf("the starter's result is %+v, want not yet by %q and one TODO", starter, "few comparisons")
	}
	var solution lab.Result
	if err := json.Unmarshal(runner.results["solutions/"+toy+" TestLab"], &solution); err != nil {
		t.Fatal(err)
	}
	if solution.Verdict != lab.Pass || len(solution.Gains) != 1 || solution.Gains[0].Ratio < 40 || solution.Gains[0].Ratio > 60 {
		t.Errorf("the solution's result is %+v, want a pass and a gain of some 50", solution)
	}
	for _, check := range solution.Checks {
		if check.Step < 1 || check.Step > len(toyEntry().Steps) {
			t.Errorf("check %q is of step %d, the entry lists %d", check.Name, check.Step, len(toyEntry().Steps))
		}
	}
	var answers lab.AnswerResults
	if err := json.Unmarshal(runner.results["solutions/"+toy+" TestAnswers"], &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers.Wrong) != 3 || len(answers.Right) != 1 {
		t.Errorf("%d wrong and %d right answers, want 3 and 1", len(answers.Wrong), len(answers.Right))
	}
}

func verdictOf(r lab.Result, check string) lab.Verdict {
	for _, c := range r.Checks {
		if c.Name == check {
			return c.Verdict
		}
	}
	return ""
}

// TestToyIsFormatted: what is printed is what people copy.
func TestToyIsFormatted(t *testing.T) {
	for name, text := range toyFiles(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		formatted, err := format.Source(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(formatted, text) {
			t.Errorf("%s is not formatted; want:\n%s", name, formatted)
		}
	}
}

// TestPathsAreThere: a document that names a file names one that is there.
func TestPathsAreThere(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:labs|solutions|shared|docs|[.]ci|[.]github)/[a-z0-9_./-]*[a-z0-9])`")
	files := tree(toyFiles(t))
	documents := []string{"architecture.md", "authoring.md", "concepts.md", "reading-a-report.md"}
	found := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range named.FindAllStringSubmatch(string(text), -1) {
			found++
			_, inToy := fs.Stat(files, match[1])
			_, inTree := os.Stat(filepath.Join(root, filepath.FromSlash(match[1])))
			if inToy != nil && inTree != nil {
				t.Errorf("%s speaks of %s, which is not there", document, match[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d paths in %v", found, documents)
	}
}

// blockPath is the line above a block that is a file.
var blockPath = regexp.MustCompile("^`((?:labs|solutions)/[^`]+)`$")

// blocks returns the fenced code blocks of a document that stand under the path of a file,
// by path.
func blocks(document string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	var name, fence string
	var body strings.Builder
	for i, line := range strings.Split(document, "\n") {
		switch {
		case fence != "" && line == fence:
			if name != "" {
				files[name] = []byte(body.String())
			}
			name, fence = "", ""
		case fence != "":
			body.WriteString(line + "\n")
		case strings.HasPrefix(line, "```"):
			fence = "```"
			body.Reset()
		case line != "":
			name = ""
			if match := blockPath.FindStringSubmatch(line); match != nil {
				if name = match[1]; files[name] != nil {
					return nil, fmt.Errorf("line %d: %s is there twice", i+1, name)
				}
			}
		}
	}
	if fence != "" {
		return nil, errors.New("a code block does not end")
	}
	return files, nil
}

func TestBlocks(t *testing.T) {
	got, err := blocks("# T\n\n```\nnone\n```\n\n`labs/a.go`\n\n```go\npackage a\n\n```\n\n`labs/b.go`\n\nText.\n\n```\nnone\n```\n")
	if err != nil || len(got) != 1 || string(got["labs/a.go"]) != "package a\n\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, document := range []string{"```\n", "`labs/a.go`\n```\na\n```\n`labs/a.go`\n```\nb\n```\n"} {
		if got, err := blocks(document); err == nil {
			t.Errorf("%q is read as %q", document, got)
		}
	}
}

// toyFiles returns the lab in authoring.md, by paths from the module's root.
func toyFiles(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("authoring.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := blocks(strings.ReplaceAll(string(text), "\r\n", "\n"))
	if err != nil {
		t.Fatalf("authoring.md: %v", err)
	}
	if len(files) < 10 {
		t.Fatalf("authoring.md has only %d files", len(files))
	}
	return files
}

func tree(files map[string][]byte) fs.FS {
	tree := make(fstest.MapFS)
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: text}
	}
	return tree
}

// overlay is a verify.Runner for tests of packages that are not on disk: the go command
// takes them for part of the module, by its flag -overlay.
type overlay struct {
	root, scratch string
	file          string // the overlay, as the go command reads it
	results       map[string][]byte
}

func newOverlay(t *testing.T, files map[string][]byte) *overlay {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	o := &overlay{root: root, scratch: t.TempDir(), results: make(map[string][]byte)}
	o.file = filepath.Join(o.scratch, "overlay.json")
	replace := make(map[string]string)
	for name, text := range files {
		at := filepath.Join(root, filepath.FromSlash(name))
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s is there already (%v): the lab in the document needs another number", name, err)
		}
		copied := filepath.Join(o.scratch, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			t.Fatal(err)
		}
		replace[at] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return o
}

// Run implements verify.Runner.
func (o *overlay) Run(ctx context.Context, test verify.Test) (verify.Outcome, error) {
	binary := filepath.Join(o.scratch, strings.ReplaceAll(test.Dir, "/", "-")+".test")
	// Vet would change into the package's folder, which is not on disk.
	compile := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", o.file, "-o", binary, "./"+test.Dir)
	compile.Dir = o.root
	if said, err := compile.CombinedOutput(); err != nil {
		return verify.Outcome{Output: string(said)}, nil
	}
	result := filepath.Join(o.scratch, "result.json")
	run := exec.CommandContext(ctx, binary, "-test.run=^"+test.Name+"$", "-test.timeout="+test.Timeout.String())
	run.Dir = o.scratch // the package's own folder is not on disk
	run.Env = append(os.Environ(), lab.EnvResult+"="+result, lab.EnvMode+"="+string(test.Mode))
	said, err := run.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return verify.Outcome{}, fmt.Errorf("run %s: %w", test.Name, err)
	}
	written, readErr := os.ReadFile(result)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		return verify.Outcome{}, readErr
	}
	o.results[test.Dir+" "+test.Name] = written
	if err := os.Remove(result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return verify.Outcome{}, err
	}
	return verify.Outcome{Compiled: true, Passed: err == nil, Result: written, Output: string(said)}, nil
}
