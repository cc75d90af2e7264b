// Package baseline_test runs the stack of profile baseline in real containers.
package baseline_test

import (
	"testing"

	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "stack baseline", nil) }

func TestStack(t *testing.T) {
	t.Parallel()
	clitest.DockerScripts(t, "testdata")
}
