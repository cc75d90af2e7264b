//go:build !mine

package rush_test

import (
	"testing"

	"bytebites.example/workshop/labs/07-dinner-rush/below"
	"bytebites.example/workshop/labs/07-dinner-rush/spec"
)

func subject(*testing.T) spec.Subject { return on(below.Solutions()) }
