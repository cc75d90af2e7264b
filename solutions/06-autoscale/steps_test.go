package scaling_test

import (
	"fmt"
	"testing"

	"bytebites.example/workshop/labs/06-autoscale/spec"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/solutions/06-autoscale/wrong"
)

// TestStepByStep follows a learner: with the policy's steps up to one done, and the later ones still the
// starter's, the checks of that step pass.
func TestStepByStep(t *testing.T) {
	for last := 2; last <= 4; last++ {
		t.Run(fmt.Sprintf("step %d", last), func(t *testing.T) {
			s := solution()
			s.Policy = wrong.But(func(r *wrong.Rules) {
				if last < 3 {
					r.Settle = wrong.AtOnce
				}
				if last < 4 {
					r.Load, r.Cooling = wrong.OfAll, wrong.Never
				}
			})
			result, err := spec.Lab(s).Do(t.Context(), &lab.Run{Mode: lab.ModeVerify, Selection: lab.Selection{Step: last}})
			if err != nil {
				t.Fatal(err)
			}
			if err := result.Err(); err != nil {
				t.Error(err)
			}
			if len(result.Checks) < 3 {
				t.Errorf("only %d checks ran", len(result.Checks))
			}
		})
	}
}
