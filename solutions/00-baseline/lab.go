// Package baseline is lab 00, finished: see WHY.md for the reasons, and the lab of
// the same name for the lesson.
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

// Files returns the files that a learner edits.
func Files() fs.FS { return files }

// Apply adds the index to a service.
func Apply(c *service.Composition) {
	c.SchemaChanges = append(c.SchemaChanges, service.SchemaChange{
		Name: "00-baseline/index.sql", Database: service.UserDataDatabase, SQL: indexSQL,
	})
}
