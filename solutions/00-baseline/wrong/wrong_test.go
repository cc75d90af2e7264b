package wrong_test

import (
	"slices"
	"testing"

	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/00-baseline"
	"bytebites.example/workshop/solutions/00-baseline/wrong"
)

// A variant that changed nothing would be the solution, and a proof of nothing.
func TestVariantsReplaceTheIndex(t *testing.T) {
	solved := service.Baseline()
	baseline.Apply(&solved)
	for name, apply := range wrong.Variants() {
		c := service.Baseline()
		baseline.Apply(&c)
		apply(&c)
		if len(c.SchemaChanges) != 1 || slices.Equal(c.SchemaChanges, solved.SchemaChanges) {
			t.Errorf("%s: schema changes %+v, want one that is not the solution's", name, c.SchemaChanges)
		}
	}
}
