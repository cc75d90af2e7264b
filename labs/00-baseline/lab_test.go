package baseline_test

import (
	"testing"

	"bytebites.example/workshop/labs/00-baseline"
	"bytebites.example/workshop/labs/00-baseline/spec"
	"bytebites.example/workshop/shared/spec/spectest"
)

func TestLab(t *testing.T) {
	spectest.Run(t, spec.Lab(spec.Subject{
		Files:   baseline.Files(),
		Answers: baseline.Answers(),
		Package: "./labs/00-baseline/service",
	}))
}
