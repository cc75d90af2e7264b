package baseline_test

import (
	"testing"

	"bytebites.example/workshop/labs/00-baseline"
	"bytebites.example/workshop/labs/00-baseline/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files:   baseline.Files(),
		Answers: baseline.Answers(),
		Package: "./labs/00-baseline/service",
	}))
}
