package httpapi_test

import (
	"testing"

	"bytebites.example/workshop/shared/httpapi"
	"github.com/getkin/kin-openapi/openapi3"
)

// The examples are validated too, as people copy them.
func TestOpenAPIDocumentIsValid(t *testing.T) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(httpapi.OpenAPI())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if err := doc.Validate(loader.Context, openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Fatalf("validate: %v", err)
	}
}
