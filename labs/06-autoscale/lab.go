// Package scaling is lab 06: replicas follow the load, and the bill follows the replicas. The learner
// edits answers.go, policy.go, workers.go and bill.go; README.md is the lesson.
package scaling

import (
	"embed"
	"io/fs"
)

//go:embed answers.go bill.go policy.go stretch_predict.go stretch_steps.go workers.go
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }
