package bytebites_test

import (
	"context"
	"testing"

	"bytebites.example/workshop/shared/bytebites"
)

func TestApproximate(t *testing.T) {
	bytebites.MarkApproximate(t.Context()) // nobody asked
	ctx, approximate := bytebites.WithApproximate(t.Context())
	other, otherApproximate := bytebites.WithApproximate(t.Context())
	if approximate() {
		t.Error("an answer is approximate before a store said so")
	}
	below, cancel := context.WithCancel(ctx)
	defer cancel()
	bytebites.MarkApproximate(below)
	if !approximate() || otherApproximate() || other.Err() != nil {
		t.Errorf("approximate: %v, want true; another question's: %v, want false", approximate(), otherApproximate())
	}
}
