// Package rush is lab 07: the dinner rush, with all labs together. The learner edits capacity.go and
// plan.yaml; README.md is the lesson.
package rush

import (
	"embed"
	"io/fs"
)

//go:embed plan.yaml
var planYAML []byte

//go:embed capacity.go plan.yaml
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// Plan returns the learner's plan.yaml.
func Plan() []byte { return append([]byte(nil), planYAML...) }
