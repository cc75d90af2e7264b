package rush_test

import (
	"testing"

	"bytebites.example/workshop/labs/07-dinner-rush/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
	rush "bytebites.example/workshop/solutions/07-dinner-rush"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files: rush.Files(), Plan: rush.Plan(),
		Capacity: spec.Capacity{
			InFlight: rush.InFlight, Connections: rush.Connections, Replicas: rush.Replicas, Fleet: rush.Fleet,
			Workers: rush.Workers, Memory: rush.Memory, Bill: rush.Bill, PerMillion: rush.PerMillion,
		},
	}))
}
