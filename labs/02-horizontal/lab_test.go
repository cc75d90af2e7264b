package horizontal_test

import (
	"testing"

	"bytebites.example/workshop/labs/02-horizontal"
	"bytebites.example/workshop/labs/02-horizontal/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files:   horizontal.Files(),
		Answers: horizontal.Answers(),
		Nginx:   horizontal.NginxConf(),
		Package: "./labs/02-horizontal/service",
		Apply:   horizontal.Apply,
	}))
}
