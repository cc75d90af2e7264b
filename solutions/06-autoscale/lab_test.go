package scaling_test

import (
	"testing"

	"bytebites.example/workshop/labs/06-autoscale/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
	scaling "bytebites.example/workshop/solutions/06-autoscale"
)

// solution is the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files: scaling.Files(), Answers: scaling.Answers(), Policy: scaling.Desired, Workers: scaling.Workers,
		Bill: scaling.InstanceHours, Steps: scaling.StepScaling, Ahead: scaling.Ahead,
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }
