// Package queue_test runs the stack of profile queue in real containers.
package queue_test

import (
	"testing"

	"bytebites.example/workshop/shared/workshop/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "stack queue", nil) }

func TestStack(t *testing.T) {
	t.Parallel()
	clitest.DockerScripts(t, "testdata")
}
