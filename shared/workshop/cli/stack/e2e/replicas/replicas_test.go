// Package replicas_test runs the stack of profile cache in real containers.
package replicas_test

import (
	"testing"

	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "stack replicas", nil) }

func TestStack(t *testing.T) {
	t.Parallel()
	clitest.DockerScripts(t, "testdata")
}
