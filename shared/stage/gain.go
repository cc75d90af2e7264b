package stage

import (
	"strings"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/spec"
)

// Gain returns what a spec judges of a comparison. The error is a *spec.Doubt when
// nothing follows from it.
func Gain(r measure.PairedResult) (spec.Measured, error) {
	if !r.Validity.OK {
		return spec.Measured{}, &spec.Doubt{
			Reason: "the rounds cannot be trusted: " + strings.Join(r.Validity.Reasons, "; "),
			Remedy: "close what else runs on this machine, and check again",
		}
	}
	used := 0
	for _, p := range r.Pairs {
		if !p.WarmUp && !p.Discarded {
			used++
		}
	}
	return spec.Measured{Before: r.Before, After: r.After, Ratio: r.Ratio, Low: r.Low, High: r.High, Pairs: used}, nil
}
