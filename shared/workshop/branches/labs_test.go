package branches

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMayBeLearners(t *testing.T) {
	for file, want := range map[string]bool{
		"labs/00-first/answers.go":        true,
		"labs/00-first/nginx.conf":        true,
		"labs/00-first/migrations/01.sql": true,
		"labs/00-first/service/main.go":   true,
		"labs/00-first/specs/x.go":        true,
		"labs/00-first/README.md":         false,
		"labs/00-first/docs/more.md":      false,
		"labs/00-first/lab_test.go":       false,
		"labs/00-first/spec/lab.go":       false,
		"labs/00-first-two/answers.go":    false,
		"labs/01-second/answers.go":       false,
		"solutions/00-first/answers.go":   false,
		"answers.go":                      false,
	} {
		if got := mayBeLearners("00-first", file); got != want {
			t.Errorf("mayBeLearners(%q) = %t, want %t", file, got, want)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change map[string]string // an empty text deletes the file
		want   string
	}{
		{"no lab", map[string]string{"labs/00-first/README.md": "", "labs/01-second/README.md": ""}, "no lab with a README.md"},
		{"worked on", map[string]string{"labs/01-second/index.sql": "CREATE INDEX mine;\n"}, "no file of labs/01-second carries TODO(lab 01)"},
		{"no solution", map[string]string{"solutions/01-second/index.sql": ""}, "labs/01-second/index.sql carries TODO(lab 01), but there is no solutions/01-second/index.sql"},
		{"marked below, without a solution", map[string]string{"labs/00-first/service/main.go": "// TODO(lab 00)\n"}, "there is no solutions/00-first/service/main.go"},
		{"marked, and not in the course", map[string]string{"labs/00-first/lab.go": "package first // TODO(lab 00)\n"}, "labs/00-first/lab.go carries TODO(lab 00), but the course does not list it"},
		{"in the course, and not there", map[string]string{"labs/00-first/answers.go": ""}, "the course lists labs/00-first/answers.go, but there is no such file"},
		{"not in the course", map[string]string{"labs/02-draft/README.md": "# Draft\n"}, "labs/02-draft has no entry in the course"},
		{"unfinished solution", map[string]string{"solutions/00-first/answers.go": "// TODO(lab 00)\n"}, "solutions/00-first/answers.go is the solution, but still carries TODO(lab 00)"},
		{"one number twice", map[string]string{"labs/01-other/README.md": "# Other\n"}, "two labs with one number: 01-other and 01-second"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(starters)
			maps.Copy(files, tt.change)
			maps.DeleteFunc(files, func(_, text string) bool { return text == "" })
			c := newClone(t, files)
			plan, err := c.open().Plan(t.Context(), c.git("rev-parse", "HEAD"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("planned %+v, %v; want an error with %q", plan, err, tt.want)
			}
		})
	}
}

func TestParseBatch(t *testing.T) {
	tests := []struct {
		name, out string
		want      map[string]string // nil: an error
	}{
		{"none", "", map[string]string{}},
		{"two", "a1 blob 3\nx\ny\nb2 blob 0\n\n", map[string]string{"a1": "x\ny", "b2": ""}},
		{"missing", "a1 missing\n", nil},
		{"short", "a1 blob 9\nx\n", nil},
		{"long", "a1 blob 1\nxyz\n", nil},
		{"negative", "a1 blob -1\n\n", nil},
		{"cut", "a1 blob 1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseBatch([]byte(tt.out))
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("%q, %v; want %q", got, err, tt.want)
			}
			texts := make(map[string]string)
			for id, text := range got {
				texts[id] = string(text)
			}
			if err == nil && !maps.Equal(texts, tt.want) {
				t.Errorf("%q, want %q", texts, tt.want)
			}
		})
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add([]byte("a1 blob 3\nx\ny\nb2 blob 0\n\n"))
	f.Add([]byte("a1 missing\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		contents, err := parseBatch(out)
		if err != nil {
			return
		}
		total := 0
		for _, text := range contents {
			total += len(text)
		}
		if total > len(out) {
			t.Errorf("%d bytes of content in %d bytes", total, len(out))
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add("tree 1\nparent 2\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\nencoding X\n\nHello\n")
	f.Add("tree 1\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\ngpgsig -----BEGIN\n parent 3\n -----END\n\nHello\n\nMore\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCommit(text)
		if again := parseCommit(c.String()); again.String() != c.String() {
			t.Errorf("%q reads back as %q", c.String(), again.String())
		}
	})
}

func TestParseCommitSkipsSignature(t *testing.T) {
	c := parseCommit("tree 1\nparent 2\nauthor A\ncommitter C\ngpgsig -----BEGIN\n parent 3\n -----END\n\nHello\n\nMore\n")
	if len(c.parents) != 1 || c.parents[0] != "2" || c.message != "Hello\n\nMore\n" {
		t.Errorf("parsed %+v", c)
	}
}

// A learner's file without a mark, such as one that is worked on already, is replaced by its
// solution all the same.
func TestCourseSaysWhatIsReplaced(t *testing.T) {
	files := maps.Clone(starters)
	files["labs/00-first/answers.go"] = "package first\n\nconst Answer = 41\n\nvar s = \"TODO(lab 00)\"\n"
	c := newClone(t, files)
	c.build()
	if err := Prove(t.Context(), exercises, c.dir, c.env); err != nil {
		t.Error(err)
	}
	if got := c.at("solution/00-first", "labs/00-first/answers.go"); got != starters["solutions/00-first/answers.go"] {
		t.Errorf("the solved lab has %q", got)
	}
	if got := c.at("start/00-first", "labs/00-first/answers.go"); got != files["labs/00-first/answers.go"] {
		t.Errorf("the starter is %q", got)
	}
}

// A link that leads to a marked file is no file of the learner's.
func TestLinkIsNoLearnersFile(t *testing.T) {
	c := newClone(t, starters)
	if err := os.Symlink("answers.go", filepath.Join(c.dir, "labs", "00-first", "link.go")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	c.git("add", "-A")
	c.commit("Link")
	c.build()
	if err := Prove(t.Context(), exercises, c.dir, c.env); err != nil {
		t.Error(err)
	}
	if got := c.at("solution/00-first", "labs/00-first/link.go"); got != "answers.go" {
		t.Errorf("the link leads to %q", got)
	}
}

// A Go file that only the solution has comes with the solved lab, and its loss is found.
func TestSupportingFiles(t *testing.T) {
	const extra, text = "labs/00-first/more.go", "package first\n\nconst more = 1\n"
	files := maps.Clone(starters)
	files["solutions/00-first/more.go"] = text
	files["solutions/00-first/more_test.go"] = text
	files["solutions/00-first/wrong/wrong.go"] = "package wrong\n"
	c := newClone(t, files)
	c.build()
	for branch, want := range map[string]string{
		"start/00-first": "", "solution/00-first": text, "start/01-second": text, "solution/01-second": text,
	} {
		if got := c.git("ls-tree", "-r", "--name-only", branch, "labs/00-first/"); strings.Contains(got, extra) != (want != "") ||
			strings.Contains(got, "more_test.go") || strings.Contains(got, "wrong.go") {
			t.Errorf("%s has the files\n%s", branch, got)
		}
		if want != "" && c.at(branch, extra) != want {
			t.Errorf("%s has %q in %s", branch, c.at(branch, extra), extra)
		}
	}
	r := c.open()
	plan := c.plan(r)
	for _, b := range plan {
		if err := r.proveTree(t.Context(), b, b.Commit); err != nil {
			t.Error(err)
		}
	}
	c.git("switch", "-q", "-f", "--detach", "solution/00-first")
	c.git("rm", "-q", extra)
	err := r.proveTree(t.Context(), plan[1], c.commit("Lose it", "--amend"))
	if err == nil || !strings.Contains(err.Error(), extra+" is missing") {
		t.Errorf("the loss of %s: %v", extra, err)
	}
}
