package spec

import (
	"fmt"
	"io"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/evidence"
)

// report adds the figures that are shown and not judged to the result, and writes rush.txt.
func (r *rush) report() error {
	one, all := load.Merge(r.seen.Before...), load.Merge(r.seen.After...)
	r.run.Report("rate of the rush", rushFactor*r.saturation, "requests/s")
	r.run.Report("failed in the rush, one replica", 100*one.FailureShare(), "%")
	r.run.Report(fmt.Sprintf("failed in the rush, %d replicas", replicas), 100*all.FailureShare(), "%")
	r.run.Report("goodput under overload, one replica", r.saturation, "requests/s")
	r.run.Report(fmt.Sprintf("goodput under overload, %d replicas", replicas), r.goodputAll, "requests/s")
	r.run.Report(fmt.Sprintf("goodput under overload, %d replicas over one", replicas), r.goodputAll/r.saturation, "times")
	r.run.Report("mean latency on a calm evening, one replica", milliseconds(r.calmOne.Latency.Mean()), "ms")
	r.run.Report(fmt.Sprintf("mean latency on a calm evening, %d replicas", replicas), milliseconds(r.calmAll.Latency.Mean()), "ms")

	head := fmt.Sprintf("The rush: %.1f requests/s, %g times what one replica saturates at, in rounds of %.1f s; a client waits %s.\n"+
		"Latency is of all requests of %d rounds each, failed ones too, from when they were meant to go out.\n\n",
		rushFactor*r.saturation, rushFactor, r.seen.Before[0].Window.Seconds(), load.DefaultTimeout, len(r.seen.Before))
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "replicas\tmean\tp50\tp95\tp99\tfailed\t")
		for _, row := range []struct {
			n int
			r load.Result
		}{{1, one}, {replicas, all}} {
			l := row.r.Latency
			fmt.Fprintf(w, "%d\t%.0f ms\t%.0f ms\t%.0f ms\t%.0f ms\t%.1f %%\t\n", row.n, milliseconds(l.Mean()),
				milliseconds(l.Quantile(0.5)), milliseconds(l.Quantile(0.95)), milliseconds(l.Quantile(0.99)), 100*row.r.FailureShare())
		}
	})
	text = append(text, evidence.Table(fmt.Sprintf("\nOn a calm evening, %.1f requests/s, one replica has no queue either\n\n", belowKnee*r.saturation), func(w io.Writer) {
		fmt.Fprintln(w, "replicas\tmean\tp95\t")
		fmt.Fprintf(w, "1\t%.0f ms\t%.0f ms\t\n", milliseconds(r.calmOne.Latency.Mean()), milliseconds(r.calmOne.Latency.Quantile(0.95)))
		fmt.Fprintf(w, "%d\t%.0f ms\t%.0f ms\t\n", replicas, milliseconds(r.calmAll.Latency.Mean()), milliseconds(r.calmAll.Latency.Quantile(0.95)))
	})...)
	text = append(text, evidence.Table("\nGoodput under overload, and the price of the replicas alone\n\n", func(w io.Writer) {
		fmt.Fprintln(w, "replicas\tanswers/s\ttimes\t$/hour\t$/million answers\t")
		for _, row := range []struct {
			n       int64
			goodput float64
		}{{1, r.saturation}, {replicas, r.goodputAll}} {
			t := size()
			t.PriceMicros *= row.n
			c := instance.Capacity{Type: t, Goodput: row.goodput}
			fmt.Fprintf(w, "%d\t%.1f\t%.2f\t%.3f\t%.2f\t\n", row.n, row.goodput, row.goodput/r.saturation, float64(t.PriceMicros)/1e6, c.PerMillion())
		}
	})...)
	if err := evidence.Keep(Name, "rush.txt", text); err != nil {
		return err
	}
	r.run.Evidence(evidenceFolder)
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
