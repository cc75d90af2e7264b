package vertical_test

import (
	"testing"

	"bytebites.example/workshop/labs/01-vertical"
	"bytebites.example/workshop/labs/01-vertical/spec"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/workshop/labtest"
)

func TestLab(t *testing.T) {
	labtest.Run(t, spec.Lab(spec.Subject{
		Files:    vertical.Files(),
		Checkout: func(steps *checkout.Steps) bytebites.Checkout { return vertical.NewCheckout(steps) },
		Pool:     vertical.Pool,
		Size:     vertical.Size,
		Package:  "./labs/01-vertical/service",
	}))
}
