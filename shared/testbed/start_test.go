package testbed_test

import (
	"errors"
	"path/filepath"
	"testing"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/engine"
)

func TestStartWithoutAnEngineIsTheEnvironmentsFault(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	_, err := testbed.Start(t.Context(), testbed.Options{})
	var unavailable *engine.Unavailable
	if !errors.As(err, &unavailable) {
		t.Errorf("no engine: %v, want an engine.Unavailable", err)
	}
}
