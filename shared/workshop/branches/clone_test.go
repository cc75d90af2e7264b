package branches

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/course"
)

// clone is a git repository of a test, in a folder of its own.
type clone struct {
	t   *testing.T
	dir string
	env []string
}

// starters is a workshop of two labs, with every kind of file that carries a mark.
var starters = map[string]string{
	"README.md":                        "# Workshop\n",
	"docs/crème brûlée.md":             "TODO(lab 00)\n",
	"labs/00-first/README.md":          "You change what carries TODO(lab 00).\n",
	"labs/00-first/answers.go":         "package first\n\nconst Answer = 0 // TODO(lab 00): say it.\n",
	"labs/00-first/conf/my policy.txt": "# TODO(lab 00)\n",
	"labs/00-first/lab.go":             "// Package first is the lab.\npackage first\n",
	"labs/00-first/lab_test.go":        "package first // TODO(lab 00) is what it looks for\n",
	"labs/00-first/service/main.go":    "package main // TODO(lab 01): of another lab\n",
	"labs/00-first/spec/spec.go":       "package spec // TODO(lab 00) is what it looks for\n",
	"labs/01-second/README.md":         "# Second\n",
	"labs/01-second/index.sql":         "-- TODO(lab 01)\n",
	"labs/02-draft/notes.txt":          "TODO(lab 02)\n",
	"solutions/00-first/WHY.md":        "Because.\n",
	"solutions/00-first/answers.go":    "package first\n\nconst Answer = 42\n",
	"solutions/00-first/conf/my policy.txt": "right\r\n" +
		"even with Windows' line ends\r\n",
	"solutions/00-first/lab.go":     "// Package first is the lab, finished: see WHY.md.\npackage first\n",
	"solutions/01-second/index.sql": "CREATE INDEX second;\n",
}

// exercises is the course of these labs.
var exercises = course.Course{
	{Number: 0, Name: "00-first", Files: []string{"answers.go", "conf/my policy.txt"}},
	{Number: 1, Name: "01-second", Files: []string{"index.sql"}},
}

// newClone makes a repository with one commit of the files on main. The commit has the same id
// on every machine.
func newClone(t *testing.T, files map[string]string) *clone {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git to test with")
	}
	c := &clone{t: t, dir: t.TempDir()}
	c.env = append(harmless(os.Environ()),
		"HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(c.dir))
	c.git("init", "-q", "-b", "main", "--object-format=sha1")
	c.configure("[core]\nautocrlf = false\n[user]\nname = Zoë Maintainer\nemail = zoe@example.com\n")
	for file, text := range files {
		c.write(file, text)
	}
	c.git("add", "-A")
	c.commit("Start")
	return c
}

// configure adds lines to the clone's configuration. They override the lines before them.
func (c *clone) configure(lines string) { c.write(".git/config", c.read(".git/config")+lines) }

func (c *clone) git(args ...string) string {
	c.t.Helper()
	return c.gitWith(nil, args...)
}

// gitWith runs git in the clone, with variables added to the environment.
func (c *clone) gitWith(env []string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = c.dir, append(slices.Clone(c.env), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(out.String())
}

// commit commits the staged files at a fixed time, and returns the id.
func (c *clone) commit(message string, args ...string) string {
	c.t.Helper()
	c.gitWith([]string{"GIT_AUTHOR_DATE=1700000000 +0130", "GIT_COMMITTER_DATE=1700000060 -0200"},
		append([]string{"commit", "-q", "--allow-empty", "-m", message}, args...)...)
	return c.git("rev-parse", "HEAD")
}

func (c *clone) write(file, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clone) read(file string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(file)))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// at returns the text of a file on a branch.
func (c *clone) at(branch, file string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", "cat-file", "blob", branch+":"+file)
	cmd.Dir, cmd.Env = c.dir, c.env
	text, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s of %s: %v", file, branch, err)
	}
	return string(text)
}

// open opens the clone with variables of the environment added.
func (c *clone) open(env ...string) *Repository {
	c.t.Helper()
	r, err := Open(c.t.Context(), exercises, c.dir, append(slices.Clone(c.env), env...))
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// plan plans from HEAD.
func (c *clone) plan(r *Repository) []Branch {
	c.t.Helper()
	source, err := r.Source(c.t.Context(), "")
	if err != nil {
		c.t.Fatal(err)
	}
	plan, err := r.Plan(c.t.Context(), source)
	if err != nil {
		c.t.Fatal(err)
	}
	return plan
}

// build builds the branches that are planned from HEAD.
func (c *clone) build() {
	c.t.Helper()
	r := c.open()
	if err := r.Build(c.t.Context(), c.plan(r), false); err != nil {
		c.t.Fatal(err)
	}
}

// states returns the branches' states, by name.
func states(plan []Branch) map[string]State {
	found := make(map[string]State)
	for _, b := range plan {
		found[b.Name] = b.State()
	}
	return found
}

func ids(plan []Branch) []string {
	var all []string
	for _, b := range plan {
		all = append(all, b.Commit)
	}
	return all
}
