// Package vertical is lab 01, finished: see WHY.md for the reasons, and the lab of the same
// name for the lesson.
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

// Files returns the files that a learner edits.
func Files() fs.FS { return files }

// Apply gives a service the finished checkout and connection pool.
func Apply(c *service.Composition) {
	c.Pool = Pool()
	c.Checkout = func(_ service.Resources, steps *checkout.Steps) (bytebites.Checkout, error) {
		return NewCheckout(steps), nil
	}
}
