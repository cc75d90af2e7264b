package sharding_test

import (
	"testing"

	"bytebites.example/workshop/labs/04-sharding"
	"bytebites.example/workshop/labs/04-sharding/spec"
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files:    sharding.Files(),
		Router:   sharding.NewRouter(),
		Stores:   sharding.NewStores,
		HandOver: sharding.HandOver,
		Settle:   sharding.Parts(service.Resources{}).Settle,
		Apply:    sharding.Apply,
		Package:  "./labs/04-sharding/service",
	}))
}
