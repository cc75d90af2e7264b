package images_test

import (
	"strings"
	"testing"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/images"
)

// TestQuotaIsTriedOut is in this package because the probe needs an image with a shell.
func TestQuotaIsTriedOut(t *testing.T) {
	_, ref := imageFor(t, images.Redis)
	for _, f := range engine.Diagnose(t.Context(), engine.Checkup{Shell: string(ref)}) {
		if f.Name != "CPU quota" {
			continue
		}
		t.Logf("%s: %s", f.Status, f.Detail)
		if f.Status != engine.OK || !strings.Contains(f.Detail, "used 0.") {
			t.Errorf("the quota is %s: %s", f.Status, f.Detail)
		}
		return
	}
	t.Error("the quota is not in the findings")
}
