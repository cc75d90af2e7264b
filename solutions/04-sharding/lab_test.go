package sharding_test

import (
	"testing"

	"bytebites.example/workshop/labs/04-sharding/spec"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/labtest"
	"bytebites.example/workshop/solutions/04-sharding"
)

// solution returns the subject that passes.
func solution() spec.Subject {
	return spec.Subject{
		Files:    sharding.Files(),
		Router:   sharding.NewRouter(),
		Stores:   sharding.NewStores,
		HandOver: sharding.HandOver,
		Settle:   sharding.Parts(service.Resources{}).Settle,
		Apply:    sharding.Apply,
		Package:  "./solutions/service",
		Args:     []string{"--through", "04"},
	}
}

func TestLab(t *testing.T) { labtest.Run(t, spec.Lab(solution())) }

func TestFull(t *testing.T) { labtest.Full(t, spec.Full(solution())) }
