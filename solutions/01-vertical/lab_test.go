package vertical_test

import (
	"testing"

	"bytebites.example/workshop/labs/01-vertical/spec"
	"bytebites.example/workshop/shared/spec/spectest"
	"bytebites.example/workshop/solutions/01-vertical"
)

func TestLab(t *testing.T) {
	spectest.Run(t, spec.Lab(spec.Subject{
		Files:   vertical.Files(),
		Size:    vertical.Size,
		Package: "./solutions/service",
		Args:    []string{"--through", "01"},
	}))
}
