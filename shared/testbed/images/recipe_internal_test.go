package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

func debianNames() []Name {
	var names []Name
	for _, c := range catalogue {
		if c.origin == fromDebian {
			names = append(names, c.name)
		}
	}
	return names
}

func TestNamesOfImages(t *testing.T) {
	local := regexp.MustCompile(`^bytebites-local/[a-z]+(-exporter)?:[a-z0-9.]+(-management)?-[0-9a-f]{10}$`)
	seen := make(map[Ref]bool)
	for _, n := range Names() {
		if got := n.Local(); !local.MatchString(string(got)) || seen[got] {
			t.Errorf("the local name of %s is %q", n, got)
		}
		seen[n.Local()] = true
		if got := n.Official(); strings.HasSuffix(string(got), "latest") || (got != "" && !strings.Contains(string(got), ":")) {
			t.Errorf("the official name of %s is %q", n, got)
		}
	}
	if got := Name("oracle"); got.Local() != "" || got.Official() != "" {
		t.Errorf("an unknown image is called %q and %q", got.Local(), got.Official())
	}
}

func TestRecipes(t *testing.T) {
	for _, n := range debianNames() {
		config, err := readConfig(string(n))
		if err != nil {
			t.Error(err)
			continue
		}
		has := func(instruction string) bool {
			return slices.ContainsFunc(config.changes, func(line string) bool { return strings.HasPrefix(line, instruction+" ") })
		}
		// Without these instructions, the image would get the build container's values.
		for _, instruction := range []string{"ENTRYPOINT", "CMD", "EXPOSE"} {
			if !has(instruction) {
				t.Errorf("%s: no %s", n, instruction)
			}
		}
		files := make(map[string]int64)
		for _, f := range mustRootFS(string(n)) {
			files[f.name] = f.mode
		}
		if files["install.sh"] != 0o755 {
			t.Errorf("%s: install.sh has mode %o", n, files["install.sh"])
		}
	}
	if _, err := readConfig(baseRecipe); err == nil {
		t.Error("a folder without a Dockerfile is a recipe")
	}
}

func TestKeyFollowsTheRecipe(t *testing.T) {
	keys := make(map[string]Name)
	for _, n := range Names() {
		key := recipeKey(n)
		if other, taken := keys[key]; taken {
			t.Errorf("%s and %s have the same key", n, other)
		}
		keys[key] = n
		if again := recipeKey(n); again != key {
			t.Errorf("the key of %s is %s, then %s", n, key, again)
		}
	}
}

func TestStaticFileSystem(t *testing.T) {
	modes := make(map[string]int64)
	r := tar.NewReader(bytes.NewReader(makeTar(staticFiles())))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
	}
	if modes["tmp/"] != 0o1777 {
		t.Errorf("/tmp has mode %o", modes["tmp/"])
	}
	if _, there := modes["etc/passwd"]; !there {
		t.Error("there is no /etc/passwd")
	}
}

func TestToxiproxyVersionIsThatOfTheModule(t *testing.T) {
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "github.com/Shopify/toxiproxy/v2 v" + toxiproxyVersion; !strings.Contains(string(mod), want) {
		t.Errorf("go.mod does not have %q", want)
	}
}

func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		answer, want string // of the error; empty for none
	}{
		"well":       {`{"stream":"Step 1"}{"status":"Extracting","id":"abc","progress":"[=>]"}{"aux":{"ID":"x"}}`, ""},
		"empty":      {``, ""},
		"error":      {`{"stream":"Unpacking libpq5\n"}{"errorDetail":{"code":100},"error":"no space left"}`, "no space left, after:\nUnpacking libpq5"},
		"bare error": {`{"error":"denied"}`, "denied"},
		"cut off":    {`{"stream":"Ste`, "unexpected EOF"},
		"not JSON":   {`<html>`, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			err := follow(io.NopCloser(strings.NewReader(c.answer)), nil)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzFollow(f *testing.F) {
	f.Add([]byte(`{"stream":"Step 1"}{"error":"x"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		err := follow(io.NopCloser(bytes.NewReader(answer)), nil)
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}

func TestCanBuild(t *testing.T) {
	broken := errors.New("broken")
	const install = "apt-get install -y --no-install-recommends debootstrap debian-archive-keyring"
	for name, c := range map[string]struct {
		goos     string
		root     bool
		programs string
		fails    map[string][]error
		want     []string // commands
		problem  string
	}{
		"all there":        {goos: "linux", root: true, programs: "unshare chroot tar debootstrap"},
		"installed":        {goos: "linux", root: true, programs: "unshare chroot tar apt-get", want: []string{install}},
		"no package lists": {goos: "linux", root: true, programs: "unshare chroot tar apt-get", fails: map[string][]error{install: {broken}}, want: []string{install, "apt-get update", install}},
		"no mirror":        {goos: "linux", root: true, programs: "unshare chroot tar apt-get", fails: map[string][]error{install: {broken}, "apt-get update": {broken}}, want: []string{install, "apt-get update"}, problem: "apt-get update fails"},
		"no package":       {goos: "linux", root: true, programs: "unshare chroot tar apt-get", fails: map[string][]error{install: {broken, broken}}, want: []string{install, "apt-get update", install}, problem: "cannot be installed"},
		"not Debian":       {goos: "linux", root: true, programs: "unshare chroot tar", problem: "debootstrap is not installed"},
		"not root":         {goos: "linux", programs: "unshare chroot tar debootstrap", problem: "needs root"},
		"mac":              {goos: "darwin", root: true, problem: "for Linux"},
		"no unshare":       {goos: "linux", root: true, programs: "chroot tar debootstrap", problem: "no unshare"},
	} {
		t.Run(name, func(t *testing.T) {
			var ran []string
			h := host{
				goos: c.goos, root: c.root,
				look: func(program string) (string, error) {
					if slices.Contains(strings.Fields(c.programs), program) {
						return "/bin/" + program, nil
					}
					return "", errors.New("not found")
				},
				run: func(_ context.Context, _ *progress.Step, program string, arguments ...string) error {
					line := strings.Join(append([]string{program}, arguments...), " ")
					ran = append(ran, line)
					if errs := c.fails[line]; len(errs) > 0 {
						c.fails[line] = errs[1:]
						return errs[0]
					}
					return nil
				},
			}
			err := h.canBuild(t.Context(), nil)
			if !slices.Equal(ran, c.want) {
				t.Errorf("it ran %q, want %q", ran, c.want)
			}
			if c.problem == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var missing *engine.Unavailable
			if !errors.As(err, &missing) || missing.Remedy == "" || !strings.Contains(missing.Problem, c.problem) {
				t.Errorf("the error is %v, want %q and a remedy", err, c.problem)
			}
		})
	}
}

func TestWriteBundle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := writeBundle(path, strings.NewReader("layers"), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "layers" {
		t.Errorf("the bundle holds %q, %v", got, err)
	}
	failing := io.MultiReader(strings.NewReader("half"), &failingReader{})
	if err := writeBundle(path, failing, nil); err == nil {
		t.Error("a bundle that is cut off is written")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "layers" {
		t.Errorf("a failed write leaves %q, %v of the earlier bundle", got, err)
	}
	if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
		t.Errorf("a failed write leaves %v, %v", left, err)
	}
}

type failingReader struct{}

func (*failingReader) Read([]byte) (int, error) { return 0, errors.New("engine gone") }
