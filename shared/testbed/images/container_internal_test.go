package images

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
)

func TestWithoutURL(t *testing.T) {
	late := &url.Error{Op: "Post", URL: "http://engine/commit?changes=LABEL", Err: context.DeadlineExceeded}
	for _, err := range []error{late, fmt.Errorf("ask the engine: %w", late)} {
		if got := withoutURL(err); got.Error() != "context deadline exceeded" || !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("withoutURL(%v) = %v, want the cause alone", err, got)
		}
	}
	if other := errors.New("no space left on device"); !errors.Is(withoutURL(other), other) {
		t.Errorf("withoutURL(%v) = %v, want the same error", other, withoutURL(other))
	}
}
