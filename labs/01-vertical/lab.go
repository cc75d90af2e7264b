// Package vertical is lab 01: make a machine's size count, and choose it. The learner
// edits checkout.go and sizing.go; README.md is the lesson.
package vertical

import (
	"embed"
	"io/fs"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/bytebites/service"
)

//go:embed checkout.go sizing.go
var files embed.FS

// Files returns the files that the learner edits.
func Files() fs.FS { return files }

// Apply gives a service the learner's checkout and connection pool.
func Apply(c *service.Composition) {
	c.Pool = Pool()
	c.Checkout = func(_ service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		return NewCheckout(steps), nil
	}
}
