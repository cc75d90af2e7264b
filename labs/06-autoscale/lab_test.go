package scaling_test

import (
	"testing"

	scaling "bytebites.example/workshop/labs/06-autoscale"
	"bytebites.example/workshop/labs/06-autoscale/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files: scaling.Files(), Answers: scaling.Answers(), Policy: scaling.Desired, Workers: scaling.Workers,
		Bill: scaling.InstanceHours, Steps: scaling.StepScaling, Ahead: scaling.Ahead,
	}))
}
