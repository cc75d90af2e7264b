package rig

import (
	"context"
	"fmt"
	"strings"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// ReportHost adds to a run what a round of load saw of the machine.
func ReportHost(run *lab.Run, r load.Result) {
	run.ReportHost(r.Lateness.Quantile(0.99), r.Host.IdleShare)
}

// Saturation finds a variant's saturation goodput, in right answers a second, by a short
// ramp; what names the variant, also in the charts of rates. The config's OnLevel and SaturationOnly are set here. The
// error is a *lab.Doubt when the ramp ended below the limit, or no valid level shows it.
func Saturation(ctx context.Context, run *lab.Run, what string, config measure.RampConfig, hit measure.Hit) (float64, error) {
	config.SaturationOnly = true
	config.OnLevel = func(level measure.Level) { ReportHost(run, level.Result) }
	ramp, err := measure.Ramp(ctx, config, hit)
	if err != nil {
		return 0, err
	}
	ChartRamp(run, what, ramp)
	switch {
	case !ramp.Saturated && !ramp.Validity.OK:
		return 0, untrusted(what, ramp.Validity)
	case !ramp.Saturated:
		return 0, &lab.Doubt{
			Reason: fmt.Sprintf("%s answered all of %.1f requests/s: the ramp ended below its limit", what, ramp.Goodput),
			Remedy: "please report it, with the type of this machine",
		}
	}
	return ramp.Goodput, nil
}

// Limit finds a variant's saturation goodput, in right answers a second, by bursts; what names
// the variant, also in the charts of rates. The config's OnBurst is set here. The error is a *lab.Doubt when the limit was
// not found, or nothing follows from the bursts.
func Limit(ctx context.Context, run *lab.Run, what string, config measure.BurstConfig, hit measure.Hit) (float64, error) {
	var bursts []load.Result
	config.OnBurst = func(result load.Result) {
		ReportHost(run, result)
		bursts = append(bursts, result)
	}
	found, err := measure.Bursts(ctx, config, hit)
	if err != nil {
		return 0, err
	}
	ChartRates(run, what, bursts, load.Result.SustainedGoodput)
	switch {
	case !found.Validity.OK:
		return 0, untrusted(what, found.Validity)
	case !found.Saturated:
		return 0, &lab.Doubt{
			Reason: fmt.Sprintf("%s answered all of %.1f requests/s at once: its limit was not found", what, found.Goodput),
			Remedy: "please report it, with the type of this machine",
		}
	}
	return found.Goodput, nil
}

// untrusted is the doubt about a limit that no valid level or burst has shown.
func untrusted(what string, validity measure.Validity) error {
	return &lab.Doubt{
		Reason: "what " + what + " saturates at could not be measured: " + strings.Join(validity.Reasons, "; "),
		Remedy: "close what else runs on this machine, and check again",
	}
}

// Gain returns what a spec judges of a comparison. The error is a *lab.Doubt when
// nothing follows from it.
func Gain(r measure.PairedResult) (lab.Measured, error) {
	if !r.Validity.OK {
		return lab.Measured{}, &lab.Doubt{
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
	return lab.Measured{Before: r.Before, After: r.After, Ratio: r.Ratio, Low: r.Low, High: r.High, Pairs: used}, nil
}
