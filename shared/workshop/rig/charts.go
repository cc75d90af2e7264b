package rig

import (
	"cmp"
	"slices"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// The names of the series that are compared.
const (
	seriesBefore = "before"
	seriesAfter  = "after"
)

// LatencyCurves returns the percentile curves of two variants' latencies, failed requests included.
// The name is the chart's, such as "Latency in the rush".
func LatencyCurves(name string, before, after []load.Result) chart.Chart {
	series := func(name string, results []load.Result) chart.Series {
		s := chart.Series{Name: name}
		for _, p := range load.Merge(results...).Latency.Curve() {
			s.Points = append(s.Points, chart.Point{X: p.Percentile, Y: milliseconds(p.Value)})
		}
		return s
	}
	return chart.Chart{
		Name:   name,
		Says:   "Each line shows the latency that a share of the requests does not exceed. A request that failed by a timeout counts with the timeout.",
		X:      chart.Axis{Name: "percentile", Unit: "%", Scale: chart.Nines},
		Y:      chart.Axis{Name: "latency", Unit: "ms", Scale: chart.Log},
		Series: []chart.Series{series(seriesBefore, before), series(seriesAfter, after)},
	}
}

// PairsChart returns the values of the pairs that count. Quantity is what they measure, such as the
// goodput in answers/s.
func PairsChart(quantity chart.Axis, paired measure.PairedResult) chart.Chart {
	before, after := chart.Series{Name: seriesBefore}, chart.Series{Name: seriesAfter}
	for _, p := range paired.Pairs {
		if p.WarmUp || p.Discarded || !p.Validity.OK {
			continue
		}
		n := float64(len(before.Points) + 1)
		before.Points = append(before.Points, chart.Point{X: n, Y: p.Before})
		after.Points = append(after.Points, chart.Point{X: n, Y: p.After})
	}
	return chart.Chart{
		Name: "Each pair of rounds", Says: "The gain is the median of the ratios of the pairs. On this axis an equal ratio has an equal distance between the two lines.",
		X: chart.Axis{Name: "pair"}, Y: chart.Axis{Name: quantity.Name, Unit: quantity.Unit, Scale: chart.Log},
		Series: []chart.Series{before, after},
	}
}

// ChartRates adds the results of a variant at several rates to two charts. One shows the right answers
// a second against the rate, the other the 95th percentile of latency. The goodput is a method of
// load.Result. A band marks the knee: the variant met the service level objective at its lower end, and missed it at the
// upper one. Of several results at one rate the one with the most goodput counts, because the speed of a
// shared machine varies.
func ChartRates(run *lab.Run, variant string, results []load.Result, goodput func(load.Result) float64) {
	results = slices.Clone(results)
	slices.SortFunc(results, func(a, b load.Result) int {
		return cmp.Or(cmp.Compare(a.OfferedRate(), b.OfferedRate()), cmp.Compare(goodput(b), goodput(a)))
	})
	results = slices.CompactFunc(results, func(a, b load.Result) bool { return a.OfferedRate() == b.OfferedRate() })
	answered, latency := chart.Series{Name: variant}, chart.Series{Name: variant}
	slo := measure.DefaultSLO()
	for _, r := range results {
		answered.Points = append(answered.Points, chart.Point{X: r.OfferedRate(), Y: goodput(r)})
		latency.Points = append(latency.Points, chart.Point{X: r.OfferedRate(), Y: milliseconds(r.Latency.Quantile(0.95))})
	}
	marks := knee(variant, results, slo)
	rate := chart.Axis{Name: "offered rate", Unit: "requests/s"}
	run.AddToChart(chart.Chart{
		Name: "Throughput against rate", Says: "Right answers a second follow the rate up to the limit. The knee is where the service level begins to be missed.",
		X: rate, Y: chart.Axis{Name: "right answers", Unit: "answers/s"}, Series: []chart.Series{answered}, Marks: marks,
	})
	limit := milliseconds(slo.P95)
	run.AddToChart(chart.Chart{
		Name: "Latency against rate", Says: "The 95th percentile rises steeply at the knee, because requests begin to wait for one another.",
		X: rate, Y: chart.Axis{Name: "p95 of latency", Unit: "ms", Scale: chart.Log}, Series: []chart.Series{latency}, Marks: marks, Limit: &limit,
	})
}

// knee marks the rates between which the objective begins to be missed. Results are sorted by rate.
// There is no knee if all results meet the objective, or none.
func knee(variant string, results []load.Result, slo measure.SLO) []chart.Mark {
	missed := slices.IndexFunc(results, func(r load.Result) bool { return !slo.Met(r) })
	if missed <= 0 {
		return nil
	}
	return []chart.Mark{{Name: "knee, " + variant, From: results[missed-1].OfferedRate(), To: results[missed].OfferedRate()}}
}

// ChartRamp is ChartRates for the levels of a ramp. A level that was repeated is left out.
func ChartRamp(run *lab.Run, variant string, ramp measure.RampResult) {
	var results []load.Result
	for _, level := range ramp.Levels {
		if !level.Discarded {
			results = append(results, level.Result)
		}
	}
	ChartRates(run, variant, results, load.Result.Goodput)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
