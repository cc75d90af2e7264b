package httpapi

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPIDocument []byte

// OpenAPI returns the document that describes every operation of the API.
func OpenAPI() []byte { return slices.Clone(openAPIDocument) }
