package clitest_test

import (
	"os/exec"
	"testing"

	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "clitest", nil) }

// The commands of scripts that need no Docker.
func TestCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	clitest.Scripts(t, "testdata")
}
