package testbed_test

import (
	"testing"

	"bytebites.example/workshop/shared/testbed"
)

func TestContextForTestEndsBeforeTheTestProgram(t *testing.T) {
	whole, limited := t.Deadline()
	deadline, ends := testbed.ContextForTest(t).Deadline()
	if ends != limited || limited && !deadline.Before(whole) {
		t.Errorf("the context ends at %v (%t), the test program at %v (%t)", deadline, ends, whole, limited)
	}
}
