// Package sharding_test runs the stack of profile sharding in real containers.
package sharding_test

import (
	"testing"

	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "stack sharding", nil) }

func TestStack(t *testing.T) {
	t.Parallel()
	clitest.DockerScripts(t, "testdata")
}
