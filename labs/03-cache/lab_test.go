package cache_test

import (
	"testing"

	"bytebites.example/workshop/labs/03-cache"
	"bytebites.example/workshop/labs/03-cache/spec"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files:     cache.Files(),
		RedisConf: cache.RedisConf(),
		Package:   "./labs/03-cache/service",
		Apply:     cache.Apply,
	}))
}
