// Package baseline is lab 00: measure first, and find where the time goes. The learner
// edits answers.go and index.sql; README.md is the lesson.
package baseline

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites/service"
)

//go:embed index.sql
var indexSQL string

//go:embed answers.go index.sql
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// Apply adds the learner's index to a service.
func Apply(c *service.Composition) {
	c.SchemaChanges = append(c.SchemaChanges, service.SchemaChange{
		Name: "00-baseline/index.sql", Database: service.UserDataDatabase, SQL: indexSQL,
	})
}
