package spec

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	// evidenceFolder is where a learner finds the files.
	evidenceFolder = ".workshop/" + Name
	// holds is the utilisation, as a share of the quota, up to which a smaller size would still hold.
	holds = 0.70
	// tableStep is the step of the table and of the charts.
	tableStep = time.Second
)

// report adds the figures that are shown and not judged to the result, the charts, and the files.
func (l *trial) report(_ context.Context, run *lab.Run, seen rushSeen, p plan.Plan) error {
	all, failed := seen.outside()
	run.Report("requests of the rush", float64(seen.Result.Sent), "")
	run.Report("failed, in announced windows", float64(seen.Result.Failed-len(failed)), "")
	run.Report("failed, outside of them", float64(len(failed)), "")
	run.Report("requests outside of the windows", float64(all), "")
	run.Report("mean of the rush", milliseconds(seen.Result.Latency.Mean()), "ms")
	run.Report("p99 of the rush", milliseconds(seen.Result.Latency.Quantile(0.99)), "ms")
	run.Report("orders accepted", float64(seen.books.Accepted), "")
	run.Report("orders out of stock", float64(seen.books.OutOfStock), "")
	run.Report("orders without an answer", float64(seen.books.Unknown), "")
	run.Report("mails sent again because a worker was killed", float64(seen.books.Again), "")
	run.Report("last effect after the last answer", seen.books.Drained.Seconds(), "s")
	run.Report("CPU of all servers at the peak", seen.peakCores(), "cores")
	run.Report("replicas of the evening", seen.ReplicaHours(), "instance-hours")
	run.Report("price of the evening", seen.price, "$")
	run.Report("price of a million requests, at the rates of a whole evening", seen.perMillion(), "$")
	for _, part := range dinner.Parts() {
		run.Report("utilisation of "+string(part)+" at the peak", 100*seen.busiest(part), "%")
	}
	for _, c := range seen.charts(p) {
		run.Chart(c)
	}
	run.Evidence(evidenceFolder)
	for _, file := range []struct {
		name string
		text []byte
	}{{"rush.txt", seen.table()}, {"parts.txt", seen.parts(p)}, {"measurements.txt", seen.measurements(p)}} {
		if err := evidence.Keep(Name, file.name, file.text); err != nil {
			return err
		}
	}
	return nil
}

// busiest returns the utilisation of the busiest server of a part in its busiest sample, as a share of
// its quota.
func (s rushSeen) busiest(part dinner.Part) float64 {
	most := 0.0
	for _, sample := range s.Usage {
		most = max(most, sample.Share[part])
	}
	return most
}

// usual returns the median utilisation of a part's busiest server, as a share of its quota.
func (s rushSeen) usual(part dinner.Part) float64 {
	shares := make([]float64, 0, len(s.Usage))
	for _, sample := range s.Usage {
		shares = append(shares, sample.Share[part])
	}
	if len(shares) == 0 {
		return 0
	}
	slices.Sort(shares)
	return shares[len(shares)/2]
}

// peakCores returns the CPU use of all servers in the busiest sample, in cores.
func (s rushSeen) peakCores() float64 {
	most := 0.0
	for _, sample := range s.Usage {
		sum := 0.0
		for _, cores := range sample.Used {
			sum += cores
		}
		most = max(most, sum)
	}
	return most
}

// perMillion returns the price of a million requests, in dollars. The run stands for an evening with the
// same rates.
func (s rushSeen) perMillion() float64 {
	const million = 1e6
	requests := float64(s.Result.Sent) * dinner.Evening.Seconds() / s.Length.Seconds()
	return s.price / requests * million
}

// smaller returns the smallest type on which the busiest server of a part would have been used less than
// holds. It is false when that is the type that the plan has.
func smaller(now instance.Type, busiest float64) (instance.Type, bool) {
	for _, t := range instance.Types() {
		if t.CPU < now.CPU && busiest*now.CPU/t.CPU < holds {
			return t, true
		}
	}
	return instance.Type{}, false
}

// parts tells how much of each part was used, and which smaller size would have been enough.
func (s rushSeen) parts(p plan.Plan) []byte {
	head := fmt.Sprintf("How busy each part was. Usual: the median over the rush. Busiest: the busiest server in its busiest %d s.\n"+
		"Smaller: the smallest type that would be used less than %.0f %% in these seconds. RabbitMQ needs half a core to start, whatever it uses.\n"+
		"The evening cost $%.2f: $%.2f for a million requests.\n", s.sampleSeconds(), 100*holds, s.price, s.perMillion())
	held := s.fewFailures() == nil
	if !held {
		head += "Too many requests failed, so some parts had less to do than they must hold: no smaller type is named.\n"
	}
	head += "\n"
	const micros = 1e6 // in a dollar
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "part\ttype\tusual %\tbusiest %\tsmaller\t$ an evening\t")
		for i, item := range p.Items(dinner.Evening, s.ReplicaHours()) {
			part := dinner.Parts()[i]
			less := "none"
			t, ok := smaller(item.Type, s.busiest(part))
			switch {
			case !held:
				less = "not told"
			case ok && part != dinner.Broker:
				less = t.Name
			}
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%s\t%.3f\t\n", item.Part, item.Type.Name, 100*s.usual(part), 100*s.busiest(part), less, item.Hours*float64(item.Type.PriceMicros)/micros)
		}
	})
}

func (s rushSeen) sampleSeconds() int {
	if len(s.Usage) < 2 {
		return 0
	}
	return int((s.Usage[1].At - s.Usage[0].At).Seconds())
}

// second is one second of the rush.
type second struct {
	sent, failed int
	mean, worst  time.Duration
	ready        int
	backlog      map[bytebites.Effect]int
}

// seconds sums the rush up by the second.
func (s rushSeen) seconds() []second {
	all := make([]second, int(s.Length/tableStep))
	for i := range all {
		from := time.Duration(i) * tableStep
		all[i].mean, all[i].backlog = load.MeanBetween(s.Result.Requests, from, from+tableStep), s.backlog(from)
	}
	for _, r := range s.Result.Requests {
		at := &all[min(int(r.Intended/tableStep), len(all)-1)]
		at.sent++
		at.worst = max(at.worst, r.Latency)
		if r.Cause != "" {
			at.failed++
		}
	}
	for _, c := range s.Counts {
		all[min(int(c.At/tableStep), len(all))-1].ready = c.Ready
	}
	return all
}

// backlog returns how many orders lack each effect at a time of the run.
func (s rushSeen) backlog(at time.Duration) map[bytebites.Effect]int {
	return s.books.Waiting(s.Began.Add(at))
}

// table lists the seconds of the rush.
func (s rushSeen) table() []byte {
	var head strings.Builder
	fmt.Fprintf(&head, "The dinner rush, second by second. %.0f s stand for 4 to 7 PM. Waiting: orders that lack an effect.\n", s.Length.Seconds())
	for _, e := range s.Events {
		fmt.Fprintf(&head, "%5.1f s: %s (%s), over after %.1f s", e.From.Seconds(), e.Kind, e.Detail, (e.To - e.From).Seconds())
		if window := e.Kind.Window(); window > 0 {
			fmt.Fprintf(&head, "; failures are excused for %.0f s", window.Seconds())
		}
		head.WriteString("\n")
	}
	_, failed := s.outside()
	for _, r := range failed {
		fmt.Fprintf(&head, "failed at %.2f s after %.2f s, outside of the windows: %s, %s\n", r.Intended.Seconds(), r.Latency.Seconds(), r.Kind, r.Cause)
	}
	head.WriteString("\n")
	return evidence.Table(head.String(), func(w io.Writer) {
		fmt.Fprintln(w, "second\trequests\tfailed\tmean ms\tworst ms\treplicas\tledger\tweeks\tmails waiting\t")
		for i, at := range s.seconds() {
			fmt.Fprintf(w, "%d\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%d\t%d\t\n", i, at.sent, at.failed, milliseconds(at.mean), milliseconds(at.worst), at.ready,
				at.backlog[bytebites.EffectLedger], at.backlog[bytebites.EffectRecommendation], at.backlog[bytebites.EffectEmail])
		}
	})
}

// measurements tells what a learner puts into the calculations of steps 1 to 5.
func (s rushSeen) measurements(p plan.Plan) []byte {
	head := fmt.Sprintf("Your own numbers for capacity.go. CPU time is what all servers of a part used, divided by the requests or orders.\n"+
		"Capacity: requests/s that one server of the type would take at 100 %% of its quota.\n"+
		"Requests: %d. Orders: %d. Mean latency: %.0f ms. The mail server takes %.0f ms for a mail.\n\n",
		s.Result.Sent, s.books.Accepted, milliseconds(s.Result.Latency.Mean()), milliseconds(mailDelay))
	parts := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "part\ttype\tCPU ms a request\tCPU ms an order\tcapacity\t")
		for _, part := range dinner.Parts() {
			used := s.cpu(part)
			cost := used / float64(max(s.Result.Sent, 1))
			t := dinner.TypeOf(p, part)
			capacity := 0.0
			if cost > 0 {
				capacity = t.CPU / cost
			}
			fmt.Fprintf(w, "%s\t%s\t%.2f\t%.1f\t%.0f\t\n", part, t.Name, 1000*cost, 1000*used/float64(max(s.books.Accepted, 1)), capacity)
		}
	})
	steps := evidence.Table("\nSteps of an order in the workers. The time holds every wait.\n\n", func(w io.Writer) {
		fmt.Fprintln(w, "step\tnumber\tmean ms\t")
		for _, step := range slices.Sorted(maps.Keys(s.steps)) {
			fmt.Fprintf(w, "%s\t%d\t%.1f\t\n", step, s.steps[step].Count, 1000*s.steps[step].Mean())
		}
	})
	entries := evidence.Table("\nEntries in Redis at the end of the rush, by the beginning of their keys.\n\n", func(w io.Writer) {
		fmt.Fprintln(w, "key\tnumber\tbytes of one\t")
		for _, kind := range s.entries {
			fmt.Fprintf(w, "%s\t%d\t%d\t\n", kind.Name, kind.Count, kind.Bytes)
		}
	})
	return slices.Concat(parts, steps, entries)
}

// cpu returns the CPU time that a part used in the rush, in seconds.
func (s rushSeen) cpu(part dinner.Part) float64 {
	sum := 0.0
	for i, sample := range s.Usage {
		since := sample.At
		if i > 0 {
			since -= s.Usage[i-1].At
		}
		sum += sample.Used[part] * since.Seconds()
	}
	return sum
}

// charts returns the pictures of the rush. All have the seconds of the run as their X axis.
func (s rushSeen) charts(p plan.Plan) []chart.Chart {
	seconds := s.seconds()
	by := func(value func(second) float64) []chart.Point {
		points := make([]chart.Point, len(seconds))
		for i, at := range seconds {
			points[i] = chart.Point{X: float64(i), Y: value(at)}
		}
		return points
	}
	limit := milliseconds(meanLimit)
	charts := []chart.Chart{
		{
			Name: "latency in the rush", Says: "Each point is the mean of a second. The limit is for the mean of the whole rush. The bands are faults on purpose.",
			Y: chart.Axis{Name: "mean latency", Unit: "ms", Scale: chart.Log}, Limit: &limit,
			Series: []chart.Series{{Name: "mean", Points: positive(by(func(at second) float64 { return milliseconds(at.mean) }))}},
		},
		{
			Name: "requests in the rush", Says: "The load rises to its peak at half past five and falls again.",
			Y: chart.Axis{Name: "requests", Unit: "1/s"},
			Series: []chart.Series{
				{Name: "sent", Points: by(func(at second) float64 { return float64(at.sent) })},
				{Name: "failed", Points: by(func(at second) float64 { return float64(at.failed) })},
			},
		},
		s.QueriesChart("queries in the rush"),
		s.ReplicasChart("replicas in the rush"),
		s.BacklogChart("orders with missing effects", s.books),
		{
			Name: "CPU of each part", Says: "The busiest server of each part, as a share of its quota.",
			Y: chart.Axis{Name: "utilisation", Unit: "%"}, Series: s.utilisations(),
		},
		s.CostChart("cost of the evening", p),
	}
	for i := range charts {
		charts[i].X = chart.Axis{Name: "time in the run", Unit: "s"}
		charts[i].Marks = s.Marks()
	}
	return charts
}

// positive leaves out the points that a logarithmic axis cannot show.
func positive(points []chart.Point) []chart.Point {
	return slices.DeleteFunc(points, func(p chart.Point) bool { return p.Y <= 0 })
}

func (s rushSeen) utilisations() []chart.Series {
	var all []chart.Series
	for _, part := range dinner.Parts() {
		one := chart.Series{Name: string(part)}
		for _, sample := range s.Usage {
			one.Points = append(one.Points, chart.Point{X: sample.At.Seconds(), Y: 100 * sample.Share[part]})
		}
		all = append(all, one)
	}
	return all
}
