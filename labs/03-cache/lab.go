// Package cache is lab 03: Redis in front of the database. The learner edits catalogue.go,
// redis.conf, redis.go, sessions.go and through.go; README.md is the lesson.
package cache

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites/service"
)

//go:embed redis.conf
var redisConf string

//go:embed catalogue.go redis.conf redis.go sessions.go through.go stretch_*.go
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// RedisConf returns the learner's redis.conf.
func RedisConf() string { return redisConf }

// Apply puts the learner's cache in front of a service's stores.
func Apply(c *service.Composition) {
	c.Cache = func(r service.Resources) (service.Cache, error) { return Open(r) }
}
