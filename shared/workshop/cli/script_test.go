package cli_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/workshop/cli"
	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, "cli", map[string]clitest.Runner{
		"workshop": cli.RunScript,
		// On a computer whose engine and images are ready.
		"workshop-ready": cli.RunWhereAllIsReady,
		// On a computer that needs no full-size database.
		"workshop-untimed": cli.RunWhereNothingIsTimed,
	})
}

// TestScripts runs the scripts that need no Docker.
func TestScripts(t *testing.T) {
	t.Parallel()
	clitest.Scripts(t, "testdata/script")
}

// TestScriptsWithDocker runs the scripts that need an engine but no stack. Those that start the
// stack are in stack/e2e.
func TestScriptsWithDocker(t *testing.T) {
	t.Parallel()
	clitest.DockerScripts(t, "testdata/docker")
}

// TestImportsNoLab keeps the command quick to build and safe from half-typed labs.
func TestImportsNoLab(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../cmd/workshop")
	var diagnosis bytes.Buffer
	list.Stderr = &diagnosis
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, diagnosis.String())
	}
	packages := strings.Fields(string(out))
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages: %v", len(packages), packages)
	}
	for _, p := range packages {
		for _, banned := range []string{"workshop/labs/", "workshop/solutions/", "testcontainers"} {
			if strings.Contains(p, banned) {
				t.Errorf("the command imports %s", p)
			}
		}
	}
}
