// Package horizontal is lab 02: replicas behind nginx. The learner edits answers.go,
// nginx.conf, sessions.go and shutdown.go; README.md is the lesson.
package horizontal

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/service"
)

//go:embed nginx.conf
var nginxConf []byte

//go:embed sessions.sql
var sessionsSQL string

//go:embed answers.go nginx.conf sessions.go shutdown.go
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// NginxConf returns the learner's nginx.conf.
func NginxConf() []byte { return append([]byte(nil), nginxConf...) }

// Apply gives a service the learner's sessions and lifecycle.
func Apply(c *service.Composition) {
	c.SchemaChanges = append(c.SchemaChanges, service.SchemaChange{
		Name: "02-horizontal/sessions.sql", Database: service.CatalogueDatabase, SQL: sessionsSQL,
	})
	c.Sessions = func(r service.Resources) (bytebites.Sessions, error) { return NewSessions(r.Catalogue), nil }
	c.Lifecycle = func() service.Lifecycle { return NewLifecycle() }
}
