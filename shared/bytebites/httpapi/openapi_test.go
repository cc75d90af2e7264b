package httpapi_test

import (
	"testing"

	"bytebites.example/workshop/shared/bytebites/httpapi"
	"github.com/getkin/kin-openapi/openapi3"
)

// The examples are validated too, because people copy them.
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

type operation struct{ method, path string }

// mustOperations lists the operations of the document.
func mustOperations(tb testing.TB) []operation {
	tb.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.OpenAPI())
	if err != nil {
		tb.Fatal(err)
	}
	var operations []operation
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			operations = append(operations, operation{method, path})
		}
	}
	return operations
}
