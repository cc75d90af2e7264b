package branches

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	c := newClone(t, starters)
	c.build()
	plan := c.plan(c.open())
	main := c.git("rev-parse", "main")

	answer := func(exercise string) (starter, solution string) {
		return starters["labs/"+exercise], starters["solutions/"+exercise]
	}
	answers0, answers1 := answer("00-first/answers.go")
	policy0, policy1 := answer("00-first/conf/my policy.txt")
	index0, index1 := answer("01-second/index.sql")
	tests := []struct {
		name                   string
		solved                 []string
		answers, policy, index string
	}{
		{"start/00-first", nil, answers0, policy0, index0},
		{"solution/00-first", []string{"00-first"}, answers1, policy1, index0},
		{"start/01-second", []string{"00-first"}, answers1, policy1, index0},
		{"solution/01-second", []string{"00-first", "01-second"}, answers1, policy1, index1},
	}
	if len(plan) != len(tests) {
		t.Fatalf("%d branches, want %d: %+v", len(plan), len(tests), plan)
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := plan[i]
			if b.Name != tt.name || b.Source != main || !slices.Equal(b.Solved, tt.solved) {
				t.Errorf("branch %d is %+v", i, b)
			}
			if now := c.git("rev-parse", tt.name); now != b.Commit {
				t.Errorf("built at %s, planned at %s", now, b.Commit)
			}
			want := map[string]string{
				"labs/00-first/answers.go":         tt.answers,
				"labs/00-first/conf/my policy.txt": tt.policy,
				"labs/01-second/index.sql":         tt.index,
			}
			for file, text := range starters {
				if changed, ok := want[file]; ok {
					text = changed
				}
				if got := c.at(tt.name, file); got != text {
					t.Errorf("%s is %q, want %q", file, got, text)
				}
			}
			if files := c.git("ls-tree", "-r", "--name-only", tt.name); strings.Count(files, "\n")+1 != len(starters) {
				t.Errorf("the branch has other files than main:\n%s", files)
			}
			if got := c.git("log", "-1", "--format=%P %an %ae %ad %cn %ce %cd", "--date=raw", tt.name); got !=
				main+" Zoë Maintainer zoe@example.com 1700000000 +0130 Zoë Maintainer zoe@example.com 1700000060 -0200" {
				t.Errorf("the commit is %s", got)
			}
			if got := c.git("log", "-1", "--format=%(trailers:key=Workshop-Source,valueonly)", tt.name); got != main {
				t.Errorf("the trailer names %q, want %s", got, main)
			}
		})
	}
	c.git("fsck", "--strict")
}

// The ids are a promise to everybody who has fetched the branches: what changes them,
// the message among it, moves every branch once.
func TestIDsAreTheSameEverywhere(t *testing.T) {
	want := []string{
		"c50b48ac65e2dfdd6d02d1b93e09c865f34ced9b",
		"a64a56ee3d864257a56c4a5e6956146eec28ba2b",
		"982ae391bdd9b5d4fde35f58b02bd33da7dabd14",
		"a1401cc0b1291c59092cc2486a278c42e74152b9",
	}
	c := newClone(t, starters)
	if got := ids(c.plan(c.open())); !slices.Equal(got, want) {
		t.Errorf("ids %q, want %q", got, want)
	}

	other := newClone(t, starters)
	other.git("config", "--remove-section", "user")
	other.configure(`
[core]
	autocrlf = true
	eol = crlf
	splitIndex = true
	sparseCheckout = true
	quotePath = false
	hooksPath = hooks
[commit]
	gpgSign = true
	template = no-such-file
[gpg]
	program = no-such-program
[i18n]
	commitEncoding = ISO-8859-1
	logOutputEncoding = UTF-16
[user]
	useConfigOnly = true
[color]
	ui = always
[grep]
	patternType = perl
	lineNumber = true
[log]
	showSignature = true
`)
	for _, hook := range []string{"reference-transaction", "post-index-change", "pre-commit"} {
		other.write("hooks/"+hook, "#!/bin/sh\necho no >&2\nexit 1\n")
		if err := os.Chmod(filepath.Join(other.dir, "hooks", hook), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	r := other.open(
		"GIT_DIR="+elsewhere, "GIT_WORK_TREE="+elsewhere, "GIT_INDEX_FILE="+filepath.Join(elsewhere, "index"),
		"GIT_OBJECT_DIRECTORY="+elsewhere, "GIT_NAMESPACE=x", "GIT_AUTHOR_NAME=Somebody", "GIT_COMMITTER_DATE=1 +0000",
		"GIT_LITERAL_PATHSPECS=1", "GIT_PREFIX=labs/",
	)
	plan := other.plan(r)
	if got := ids(plan); !slices.Equal(got, want) {
		t.Errorf("with an odd configuration: ids %q, want %q", got, want)
	}
	if err := r.Build(t.Context(), plan, false); err != nil {
		t.Fatal(err)
	}
	wrong, err := r.Check(t.Context(), other.plan(r))
	if err != nil || len(wrong) != 0 {
		t.Errorf("check: %+v, %v", wrong, err)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
		t.Errorf("written where GIT_DIR points: %v, %v", left, err)
	}
}

func TestLeavesWorkTreeAndIndexAlone(t *testing.T) {
	c := newClone(t, starters)
	want := ids(c.plan(c.open()))

	c.write("labs/00-first/answers.go", "package first // half-ty")
	c.write("labs/01-second/index.sql", "CREATE INDEX mine;\n")
	c.git("add", "labs/01-second/index.sql")
	c.write("labs/03-mine/README.md", "not committed\n")
	if err := os.Remove(filepath.Join(c.dir, "solutions", "00-first", "answers.go")); err != nil {
		t.Fatal(err)
	}
	before := c.git("status", "--porcelain", "-uall")
	index := c.read(".git/index")

	c.build()
	r := c.open()
	plan := c.plan(r)
	if got := ids(plan); !slices.Equal(got, want) {
		t.Errorf("ids %q, want those of the clean work tree, %q", got, want)
	}
	if wrong, err := r.Check(t.Context(), plan); err != nil || len(wrong) != 0 {
		t.Errorf("check: %+v, %v", wrong, err)
	}
	if err := Prove(t.Context(), exercises, c.dir, c.env); err != nil {
		t.Error(err)
	}

	if c.read(".git/index") != index {
		t.Error("the index was written")
	}
	if after := c.git("status", "--porcelain", "-uall"); after != before || before == "" {
		t.Errorf("status before:\n%s\nafter:\n%s", before, after)
	}
	if head := c.git("symbolic-ref", "HEAD"); head != "refs/heads/main" {
		t.Errorf("HEAD is at %s", head)
	}
}

func TestBuildAgain(t *testing.T) {
	c := newClone(t, starters)
	r := c.open()
	all := func(s State) map[string]State {
		return map[string]State{"start/00-first": s, "solution/00-first": s, "start/01-second": s, "solution/01-second": s}
	}
	for _, want := range []State{New, Unchanged, Moved, Unchanged} {
		if want == Moved {
			c.write("README.md", "# Better\n")
			c.git("add", "-A")
			c.commit("Say it better")
		}
		plan := c.plan(r)
		if got := states(plan); !maps.Equal(got, all(want)) {
			t.Errorf("states %v, want all %q", got, want)
		}
		if err := r.Build(t.Context(), plan, false); err != nil {
			t.Fatal(err)
		}
		for _, b := range plan {
			if now := c.git("rev-parse", b.Name); now != b.Commit {
				t.Errorf("%s is at %s, want %s", b.Name, now, b.Commit)
			}
		}
	}
}

func TestKeepsWhatIsSomebodys(t *testing.T) {
	tests := []struct {
		name string
		do   func(*clone) // to solution/00-first, from main
		why  string
	}{
		{"checked out here", func(c *clone) {
			c.git("switch", "-q", "solution/00-first")
		}, "checked out in "},
		{"checked out in another work tree", func(c *clone) {
			c.git("worktree", "add", "-q", filepath.Join(c.t.TempDir(), "other tree"), "solution/00-first")
		}, "other tree"},
		{"a commit on top", func(c *clone) {
			c.git("switch", "-q", "solution/00-first")
			c.commit("My work")
			c.git("switch", "-q", "main")
		}, "commits of its own"},
		{"amended, message kept", func(c *clone) {
			c.git("switch", "-q", "solution/00-first")
			c.write("README.md", "mine")
			c.gitWith([]string{"GIT_COMMITTER_DATE=1700009999 +0000"}, "commit", "-q", "-a", "--amend", "--no-edit")
			c.git("switch", "-q", "main")
		}, "commits of its own"},
		{"of the same name by chance", func(c *clone) {
			c.git("branch", "-f", "solution/00-first", "main")
		}, "commits of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClone(t, starters)
			c.build()
			c.write("README.md", "# Better\n")
			c.git("commit", "-q", "-a", "-m", "Say it better")
			source := c.git("rev-parse", "main")
			tt.do(c)
			was := c.git("rev-parse", "solution/00-first")

			r := c.open()
			plan, err := r.Plan(t.Context(), source)
			if err != nil {
				t.Fatal(err)
			}
			err = r.Build(t.Context(), plan, false)
			var left *KeptError
			if !errors.As(err, &left) || len(left.Branches) != 1 || left.Branches[0].Name != "solution/00-first" || !strings.Contains(err.Error(), tt.why) {
				t.Fatalf("error %v, want one that keeps solution/00-first for %q", err, tt.why)
			}
			if now := c.git("rev-parse", "solution/00-first"); now != was {
				t.Errorf("moved from %s to %s all the same", was, now)
			}
			if now := c.git("rev-parse", "start/01-second"); now != plan[2].Commit {
				t.Error("the other branches were not built")
			}

			if plan, err = r.Plan(t.Context(), source); err != nil {
				t.Fatal(err)
			}
			if err := r.Build(t.Context(), plan, true); err != nil {
				t.Fatalf("forced: %v", err)
			}
			if now := c.git("rev-parse", "solution/00-first"); now != plan[1].Commit {
				t.Errorf("forced, it is at %s, want %s", now, plan[1].Commit)
			}
		})
	}
}

func TestBuildRefusesWhatMovedMeanwhile(t *testing.T) {
	c := newClone(t, starters)
	r := c.open()
	plan := c.plan(r)
	c.git("branch", "solution/01-second", "main")
	var left *KeptError
	if err := r.Build(t.Context(), plan, true); err == nil || errors.As(err, &left) {
		t.Errorf("error %v, want git's", err)
	}
	if branches := c.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); branches != "main\nsolution/01-second" {
		t.Errorf("branches are %q: some were built", branches)
	}
}

func TestSource(t *testing.T) {
	c := newClone(t, starters)
	c.build()
	main := c.git("rev-parse", "main")
	r := c.open()
	want := func(revision, id string) {
		t.Helper()
		if got, err := r.Source(t.Context(), revision); err != nil || got != id {
			t.Errorf("source of %q is %s, %v; want %s", revision, got, err, id)
		}
	}
	want("", main)
	want("start/01-second", main)
	c.git("switch", "-q", "start/01-second")
	want("", main)
	c.commit("My work")
	want("", main)
	c.git("switch", "-q", "main")
	quoting := c.commit("Explain\n\n" + sourceTrailer + "is the trailer")
	want("", quoting)
	want("main~1", main)

	for _, revision := range []string{"nope", "-h", "main:README.md"} {
		if got, err := r.Source(t.Context(), revision); !errors.Is(err, ErrNoCommit) {
			t.Errorf("source of %q is %s, %v; want ErrNoCommit", revision, got, err)
		}
	}
	c.git("switch", "-q", "--orphan", "unborn")
	if got, err := r.Source(t.Context(), ""); !errors.Is(err, ErrNoCommit) {
		t.Errorf("source of an unborn branch is %s, %v; want ErrNoCommit", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	c := newClone(t, starters)
	outside := t.TempDir()
	for dir, want := range map[string]string{
		filepath.Join(c.dir, "labs"): "inside another one",
		outside:                      "git rev-parse",
	} {
		if _, err := Open(t.Context(), exercises, dir, append(c.env, "GIT_CEILING_DIRECTORIES="+filepath.Dir(outside))); !errors.Is(err, ErrNoRepository) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s): %v, want ErrNoRepository with %q", dir, err, want)
		}
	}
	if err := Prove(t.Context(), exercises, outside, c.env); !errors.Is(err, ErrNoRepository) {
		t.Errorf("Prove: %v, want ErrNoRepository", err)
	}
	t.Setenv("PATH", "")
	if _, err := Open(t.Context(), exercises, c.dir, c.env); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("Open without git: %v, want exec.ErrNotFound", err)
	}
}
