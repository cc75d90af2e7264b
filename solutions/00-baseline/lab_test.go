package baseline_test

import (
	"testing"

	"bytebites.example/workshop/labs/00-baseline/spec"
	"bytebites.example/workshop/shared/spec/spectest"
	"bytebites.example/workshop/solutions/00-baseline"
)

func TestLab(t *testing.T) {
	spectest.Run(t, spec.Lab(spec.Subject{
		Files:   baseline.Files(),
		Answers: baseline.Answers(),
		Package: "./solutions/service",
		Args:    []string{"--through", "00"},
	}))
}
