package spec

import (
	"fmt"
	"io"
	"math"
	"slices"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/usl"
	"bytebites.example/workshop/shared/workshop/evidence"
)

const (
	// peakFactor is the peak of the example, in multiples of the untuned goodput.
	peakFactor = 3
	// worth is the least yield at which the next size pays: the throughput grows by half as much
	// as the price.
	worth = 0.5
	// confidence is that of the curve's intervals.
	confidence = 0.9
	// nextCPU is the size after the largest that was measured, in cores.
	nextCPU = 2
)

// report adds the figures that are shown and not judged to the result, and writes sizes.txt.
func (s *scale) report(size func([]instance.Capacity, float64) (instance.Type, bool)) error {
	low, high := slices.Min(s.alone), slices.Max(s.alone)
	s.run.Report("untuned with 4 times the CPU, at least", low/s.paired.Before, "times")
	s.run.Report("untuned with 4 times the CPU, at most", high/s.paired.Before, "times")
	s.run.Report("tuned, database "+small().Name+" for "+database().Name, s.smallDatabase/s.paired.After, "times")
	curve, err := usl.Fit(s.curve)
	if err != nil {
		return err
	}
	doubt, err := usl.Bootstrap(s.curve, confidence)
	if err != nil {
		return err
	}
	s.run.Chart(s.scalabilityChart(curve))
	s.run.Report("scalability: contention σ", curve.Sigma, "")
	s.run.Report("scalability: coherency κ", curve.Kappa, "")
	measured := s.capacities()
	for _, c := range measured {
		s.run.Report("a million orders on "+c.Type.Name, c.PerMillion(), "$")
	}
	text := s.stepsText()
	text = append(text, s.sizesText(measured, size)...)
	curveText, err := s.curveText(curve, doubt)
	if err != nil {
		return err
	}
	if err := evidence.Keep(Name, "sizes.txt", append(text, curveText...)); err != nil {
		return err
	}
	s.run.Evidence(evidenceFolder)
	return nil
}

// scalabilityChart is the measured goodput of each size, and the curve through it. The line of equal
// returns is what the smallest size would do if twice the CPU were worth twice the orders.
func (s *scale) scalabilityChart(curve usl.Curve) chart.Chart {
	measured, fitted, equal := chart.Series{Name: "measured"}, chart.Series{Name: "curve"}, chart.Series{Name: "equal returns"}
	for _, p := range s.curve {
		cpu := p.N * small().CPU
		measured.Points = append(measured.Points, chart.Point{X: cpu, Y: p.X})
		fitted.Points = append(fitted.Points, chart.Point{X: cpu, Y: curve.At(p.N)})
		equal.Points = append(equal.Points, chart.Point{X: cpu, Y: curve.Lambda * p.N})
	}
	return chart.Chart{
		Name: "Scalability of the tuned service", Says: "The Universal Scalability Law through the measured sizes. The further the curve is below the line of equal returns, the less a larger size is worth.",
		X: chart.Axis{Name: "CPU quota", Unit: "cores"}, Y: chart.Axis{Name: "right answers", Unit: "orders/s"},
		Series: []chart.Series{measured, fitted, equal},
	}
}

// stepsText is the table of the gains by tuning and by CPU.
func (s *scale) stepsText() []byte {
	rows := []struct {
		what    string
		service instance.Type
		goodput float64
		db      instance.Type
	}{
		{"untuned", small(), s.paired.Before, database()},
		{"untuned, 4 times the CPU", large(), s.untunedAlone(), database()},
		{"tuned, 4 times the CPU", large(), s.paired.After, database()},
		{"the same, half the database", large(), s.smallDatabase, small()},
	}
	head := fmt.Sprintf("What each step buys: orders a second under overload, while the mail server takes %s for each.\n"+
		"The first and third are medians of %d rounds, the second is the mean of %d, the fourth is one round.\n\n", mailDelay, pairs, aloneRounds)
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "orders/s\ttimes\tservice\tdatabase\t$/hour\t  what\t")
		for _, r := range rows {
			price := float64(r.service.PriceMicros+r.db.PriceMicros) / 1e6
			fmt.Fprintf(w, "%.1f\t%.2f\t%s\t%s\t%.3f\t  %s\t\n", r.goodput, r.goodput/s.paired.Before, r.service.Name, r.db.Name, price, r.what)
		}
	})
}

// untunedAlone is the mean goodput of the untuned service on the large type.
func (s *scale) untunedAlone() float64 {
	sum := 0.0
	for _, seen := range s.alone {
		sum += seen
	}
	return sum / float64(len(s.alone))
}

// sizesText is what each rented size does, and which one the subject's rule takes.
func (s *scale) sizesText(measured []instance.Capacity, size func([]instance.Capacity, float64) (instance.Type, bool)) []byte {
	// An order that is half done when the round ends does not count, and the tuned service works on
	// all orders at once. So a short round on a small size shows less than the size can do.
	head := fmt.Sprintf("\nThe tuned service on each size: one round of %s each; %s as in the table above.\n"+
		"Compare these rows with each other, and not with 'untuned' above. The tuned service works on all orders at once.\n"+
		"So on a small size many orders are half done when the round ends, and do not count.\n\n", sideLength, large().Name)
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "size\tCPU\torders/s\t$/hour\t$/million orders\t")
		for _, c := range measured {
			fmt.Fprintf(w, "%s\t%.2f\t%.1f\t%.3f\t%.2f\t\n", c.Type.Name, c.Type.CPU, c.Goodput, float64(c.Type.PriceMicros)/1e6, c.PerMillion())
		}
	})
	peak := peakFactor * s.paired.Before
	chosen, ok := size(measured, peak)
	return fmt.Appendf(text, "\nFor a peak of %.1f orders/s, %d times the untuned goodput, your Size returns: %s.\n", peak, peakFactor, sizeAnswer(chosen.Name, ok))
}

// curveText is the scalability curve, and from which size on the next one does not pay.
func (s *scale) curveText(curve usl.Curve, doubt usl.Uncertainty) ([]byte, error) {
	head := fmt.Sprintf("\nThe Universal Scalability Law through %d sizes: X(N) = λN / (1 + σ(N-1) + κN(N-1)), N in units of %s.\n"+
		"In brackets, what %.0f %% of refits to resampled residuals say; few points make them a hint, not a proof.\n\n"+
		"λ %.1f/s [%.1f to %.1f], contention σ %.3f [%.3f to %.3f], coherency κ %.3f [%.3f to %.3f]\n\n",
		len(s.curve), small().Name, 100*confidence,
		curve.Lambda, doubt.Lambda.Low, doubt.Lambda.High, curve.Sigma, doubt.Sigma.Low, doubt.Sigma.High, curve.Kappa, doubt.Kappa.Low, doubt.Kappa.High)
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "CPU\tmeasured/s\tcurve/s\t  interval\t")
		for _, p := range s.curve {
			at := doubt.At(p.N)
			fmt.Fprintf(w, "%.2f\t%.1f\t%.1f\t  [%.1f to %.1f]\t\n", p.N*small().CPU, p.X, curve.At(p.N), at.Low, at.High)
		}
	})
	next := instance.Type{Name: fmt.Sprintf("%d CPU (not measured)", nextCPU), CPU: nextCPU, PriceMicros: nextCPU * large().PriceMicros}
	var sizes []usl.Size
	for _, t := range append(instance.Types(), next) {
		if t.CPU >= small().CPU {
			sizes = append(sizes, usl.Size{Name: t.Name, N: t.CPU / small().CPU, Price: float64(t.PriceMicros)})
		}
	}
	steps, err := curve.Steps(sizes)
	if err != nil {
		return nil, err
	}
	paying, err := curve.Paying(sizes, worth)
	if err != nil {
		return nil, err
	}
	untuned := (s.untunedAlone()/s.paired.Before - 1) / (large().CPU/small().CPU - 1)
	text = append(text, evidence.Table("\nWhat a step to a larger size yields: the growth of throughput over the growth of the price\n\n", func(w io.Writer) {
		fmt.Fprintln(w, "\tfrom\tto\tyield\t")
		fmt.Fprintf(w, "untuned\t%s\t%s\t%.2f\t\n", small().Name, large().Name, untuned)
		for _, step := range steps {
			fmt.Fprintf(w, "tuned\t%s\t%s\t%.2f\t\n", step.From.Name, step.To.Name, step.Yield)
		}
	})...)
	if peak := curve.Peak(); math.IsInf(peak, 1) {
		text = fmt.Appendf(text, "\nThe tuned curve has no peak.")
	} else {
		text = fmt.Appendf(text, "\nThe tuned curve peaks at %.2f CPU.", peak*small().CPU)
	}
	if paying == sizes[len(sizes)-1] {
		return fmt.Appendf(text, " Every step of the table yields %.1f or more: each pays.\n", worth), nil
	}
	return fmt.Appendf(text, " From %s on the next size yields less than %.1f: it does not pay.\n", paying.Name, worth), nil
}
