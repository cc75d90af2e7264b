package docs_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/branches"
	"bytebites.example/workshop/shared/workshop/cli"
	"bytebites.example/workshop/shared/workshop/course"
)

// toyEntry is the entry that authoring.md prints.
func toyEntry() course.Lab {
	return course.Lab{
		Number: 90, Name: "90-lookup", Title: "lookup", Minutes: 20,
		Summary: "find a meal without reading the menu",
		Steps:   []course.Step{{Number: 1, Name: "halve the menu", Minutes: 15, Places: []string{"find.go: Find"}}},
		Files:   []string{"find.go"},
	}
}

// withToy is the course with one more entry.
func withToy() course.Course { return append(course.Labs(), toyEntry()) }

func TestToyEntryIsPrinted(t *testing.T) {
	const this = "entry_test.go"
	source, err := os.ReadFile(this)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, this, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	entry := ""
	for _, declaration := range parsed.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Name.Name == "toyEntry" {
			value := f.Body.List[0].(*ast.ReturnStmt).Results[0]
			entry = string(source[files.Position(value.Pos()).Offset:files.Position(value.End()).Offset])
		}
	}
	entry = strings.ReplaceAll(strings.ReplaceAll(entry, "\r\n", "\n"), "\n\t", "\n")
	document, err := os.ReadFile("authoring.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(document), "\r\n", "\n"), "\n```go\n"+entry+"\n```\n") {
		t.Errorf("authoring.md does not print the entry that the test adds:\n%s", entry)
	}
	if err := withToy().Validate(); err != nil {
		t.Error(err)
	}
}

// TestToyIsOneEntry: an entry and two folders are all that `list` and `branches` need of a lab.
// TestAuthoring shows the same of `verify`.
func TestToyIsOneEntry(t *testing.T) {
	dir := t.TempDir()
	files := toyFiles(t)
	files["go.mod"] = []byte("module bytebites.example/workshop\n")
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out, said bytes.Buffer
	if code := cli.RunCourse(t.Context(), withToy(), []string{"list"}, nil, &out, &said, os.Environ()); code != 0 {
		t.Fatalf("list ends with %d:\n%s%s", code, out.String(), said.String())
	}
	line := ""
	for row := range strings.Lines(out.String()) {
		if strings.HasPrefix(row, "  90 ") {
			line = strings.Join(strings.Fields(row), " ")
		}
	}
	if line != "90 1 TODO 0 of 1 none yet 20 min Lab 90: lookup" {
		t.Errorf("list shows %q:\n%s", line, out.String())
	}

	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git to test the branches with")
	}
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	env = append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	for _, words := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A"},
		{"-c", "user.name=Zoe", "-c", "user.email=zoe@example.com", "-c", "commit.gpgSign=false", "commit", "-q", "-m", "Start"},
	} {
		git := exec.CommandContext(t.Context(), "git", words...)
		git.Dir, git.Env = dir, env
		if said, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", words, err, said)
		}
	}
	if err := branches.Prove(t.Context(), withToy(), dir, env); err != nil {
		t.Error(err)
	}
	if err := branches.Prove(t.Context(), course.Labs(), dir, env); err == nil || !strings.Contains(err.Error(), "90-lookup has no entry") {
		t.Errorf("without the entry: %v", err)
	}
}
