package rush_test

import (
	"testing"

	rush "bytebites.example/workshop/labs/07-dinner-rush"
	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(subject(t))) }

// on returns the learner's plan and calculations, on these labs.
func on(labs below.Labs) spec.Subject {
	return spec.Subject{
		Files: rush.Files(), Plan: rush.Plan(), Below: labs,
		Capacity: spec.Capacity{
			InFlight: rush.InFlight, Connections: rush.Connections, Replicas: rush.Replicas, Fleet: rush.Fleet,
			Workers: rush.Workers, Memory: rush.Memory, Bill: rush.Bill, PerMillion: rush.PerMillion,
		},
	}
}
