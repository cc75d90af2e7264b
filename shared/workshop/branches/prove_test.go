package branches

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

func TestCheckFindsPlantedDifference(t *testing.T) {
	tests := []struct {
		name  string
		plant func(*clone) // in the work tree of solution/00-first
		want  string
	}{
		{"file changed", func(c *clone) { c.write("README.md", "mine\n") }, "README.md is not README.md of commit "},
		{"file gone", func(c *clone) { c.git("rm", "-q", "README.md") }, "README.md is missing"},
		{"file added", func(c *clone) { c.write("extra.txt", "mine\n") }, "extra.txt is there, but not in commit "},
		{"mode changed", func(c *clone) { c.git("update-index", "--chmod=+x", "README.md") }, "README.md has mode 100755, and README.md of commit "},
		{"lab not solved", func(c *clone) { c.write("labs/00-first/answers.go", starters["labs/00-first/answers.go"]) },
			"labs/00-first/answers.go is not solutions/00-first/answers.go of commit "},
		{"lab above solved", func(c *clone) { c.write("labs/01-second/index.sql", starters["solutions/01-second/index.sql"]) },
			"labs/01-second/index.sql is not labs/01-second/index.sql of commit "},
		{"solution's lab.go taken over", func(c *clone) { c.write("labs/00-first/lab.go", starters["solutions/00-first/lab.go"]) },
			"labs/00-first/lab.go is not labs/00-first/lab.go of commit "},
		{"the first of two is named", func(c *clone) { c.write("extra.txt", "mine\n"); c.write("docs/a.txt", "mine\n") }, "docs/a.txt is there"},
	}
	c := newClone(t, starters)
	c.build()
	r := c.open()
	right := c.plan(r)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.git("switch", "-q", "-f", "--detach", "solution/00-first")
			tt.plant(c)
			if tt.name != "mode changed" { // staged by hand, because not every file system has modes
				c.git("add", "-A")
			}
			plan := slices.Clone(right)
			plan[1].Now = c.commit("Plant", "--amend")

			wrong, err := r.Check(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if len(wrong) != 1 || wrong[0].Branch.Name != "solution/00-first" || !strings.Contains(wrong[0].Detail, tt.want) {
				t.Errorf("found %+v, want %q of solution/00-first", wrong, tt.want)
			}
			err = r.proveTree(t.Context(), plan[1], plan[1].Now)
			var differs *TreeError
			if !errors.As(err, &differs) || !strings.Contains(err.Error(), "branch solution/00-first: ") {
				t.Errorf("proof of the planted tree: %v", err)
			}
		})
	}
}

func TestCheckNamesMissingAndOutdated(t *testing.T) {
	c := newClone(t, starters)
	old := c.git("rev-parse", "main")
	c.build()
	c.git("branch", "-q", "-D", "start/01-second")
	c.write("README.md", "# Better\n")
	c.git("commit", "-q", "-a", "-m", "Say it better")
	r := c.open()
	wrong, err := r.Check(t.Context(), c.plan(r))
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) != 4 {
		t.Fatalf("found %d, want all 4: %+v", len(wrong), wrong)
	}
	for _, d := range wrong {
		want := "built from " + Short(old) + ", not from "
		if d.Branch.Name == "start/01-second" {
			want = "no such branch"
		}
		if !strings.Contains(d.Detail, want) {
			t.Errorf("%s: %q, want %q", d.Branch.Name, d.Detail, want)
		}
	}
}

func TestProve(t *testing.T) {
	c := newClone(t, starters)
	if err := Prove(t.Context(), exercises, c.dir, c.env); err != nil {
		t.Error(err)
	}
	if branches := c.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); branches != "main" {
		t.Errorf("a proof made branches: %q", branches)
	}
}

// checkout opens the repository that the test is run in, and returns its top folder. Without one it skips the
// test.
func checkout(t *testing.T) (r *Repository, root string) {
	t.Helper()
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	r, err = Open(t.Context(), course.Labs(), root, os.Environ())
	if errors.Is(err, ErrNoRepository) || errors.Is(err, exec.ErrNotFound) {
		t.Skipf("not a checkout: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, root
}

// TestThisWorkshop builds the branches of the checkout that the test is run in, and has
// the compiler read the one in which every lab is solved.
func TestThisWorkshop(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the labs")
	}
	r, root := checkout(t)
	if err := Prove(t.Context(), course.Labs(), root, os.Environ()); err != nil {
		t.Fatal(err)
	}
	source, err := r.Source(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := r.Plan(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	all := plan[len(plan)-1]
	files := export(t, r, all.Commit)

	for _, name := range all.Solved {
		starter := os.DirFS(filepath.Join(files, "labs", name))
		todos, err := lab.Todos(starter, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, todo := range todos {
			if file, _, _ := strings.Cut(todo, ":"); mayBeLearners(name, labFolder(name)+file) {
				t.Errorf("lab %s is solved, but still says %s", name, todo)
			}
		}
	}
	// With -export and -test it compiles the packages and their tests, and links nothing. go vet would first
	// look at every package that they import.
	compile := exec.CommandContext(t.Context(), "go", "list", "-export", "-test", "-overlay="+overlay(t, r, root, files), "./labs/...")
	compile.Dir = root
	if said, err := compile.CombinedOutput(); err != nil {
		t.Errorf("compile %s: %v\n%s", all.Name, err, said)
	}
}

// TestStarterOfThisWorkshop finds the starter's version of every file that a learner edits: that of HEAD, for
// here nobody does the labs.
func TestStarterOfThisWorkshop(t *testing.T) {
	if testing.Short() {
		t.Skip("asks git for every file of every lab")
	}
	r, _ := checkout(t)
	for _, l := range course.Labs() {
		for _, file := range l.Editable() {
			text, commit, err := r.Starter(t.Context(), l, file)
			if err != nil {
				t.Error(err)
				continue
			}
			now, err := r.git.run(t.Context(), "", "cat-file", "blob", "HEAD:"+labFolder(l.Name)+file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, now) {
				t.Errorf("%s%s: the starter's version is that of %s, and HEAD has another: has each step of the file its mark?", labFolder(l.Name), file, Short(commit))
			}
		}
	}
}

// export writes the files of a commit to a new folder.
func export(t *testing.T, r *Repository, commit string) string {
	t.Helper()
	out, err := r.git.run(t.Context(), "", "archive", "--format=tar", commit)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for archive := tar.NewReader(bytes.NewReader(out)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(header.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// overlay writes the file that has the go command see the exported files, and no others,
// where the checkout lies. What it compiled of the checkout before serves again there,
// where a folder of its own would have it compile everything for half a minute.
func overlay(t *testing.T, r *Repository, root, files string) string {
	t.Helper()
	replace := make(map[string]string)
	out, err := r.git.run(t.Context(), "", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		replace[filepath.Join(root, filepath.FromSlash(file))] = "" // not there
	}
	err = filepath.WalkDir(files, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(files, path)
		replace[filepath.Join(root, inside)] = path
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
