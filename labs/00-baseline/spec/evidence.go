package spec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites/checkout"
	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
)

const (
	profileSeconds = 10
	// shownStatements is how many rows statements.txt has.
	shownStatements = 10
)

// keep leaves a file for the learner to read, where the run is a learner's.
func (l *trial) keep(run *lab.Run, file string, text func() []byte) error {
	if run.Mode != lab.ModeCheck {
		return nil
	}
	run.Evidence(evidenceFolder)
	return evidence.Keep(Name, file, text())
}

func (l *trial) statementsText() []byte {
	statements := slices.SortedStableFunc(slices.Values(l.before.statements), func(a, b pgstat.Statement) int {
		return cmp.Compare(b.Typical(), a.Typical())
	})
	var total time.Duration
	for _, s := range statements {
		total += s.Typical()
	}
	head := fmt.Sprintf("What the database did during %s of a quiet dinner (%d requests a second), before your index.\n"+
		"From pg_stat_statements; a page is 8 KiB. The times leave out the slowest call of each statement,\n"+
		"because one pause of the machine can be as long as all other calls together.\n\n", quietLength, quietRate)
	shown := statements[:min(shownStatements, len(statements))]
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "#\ttime %\tms/call\tcalls\trows/call\tpages/call\t")
		for i, s := range shown {
			calls := float64(max(s.Calls, 1))
			fmt.Fprintf(w, "%d\t%.1f\t%.2f\t%d\t%.1f\t%.0f\t\n", i+1, 100*s.Typical().Seconds()/total.Seconds(),
				1000*s.Typical().Seconds()/max(calls-1, 1), s.Calls, float64(s.Rows)/calls, s.PagesPerCall())
		}
	})
	for i, s := range shown {
		text = fmt.Appendf(text, "\n%d  %s\n", i+1, s.Query)
	}
	return text
}

func (l *trial) stepsText() []byte {
	head := fmt.Sprintf("Where the time of an order goes, with your index: the medians of %d orders, sent one after another.\n"+
		"From the service's metric bytebites_order_step_seconds; a step includes its wait for a connection.\n"+
		"In this run the mail server takes %s for a mail.\n\n",
		len(l.after.orders), l.mailTakes)
	times := medians(l.after.orders, func(step checkout.Step) string { return string(step) })
	steps := slices.SortedFunc(maps.Keys(times), func(a, b string) int { return cmp.Compare(times[b], times[a]) })
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "ms/order\t  step\t")
		for _, step := range steps {
			fmt.Fprintf(w, "%.2f\t  %s\t\n", 1000*times[step], step)
		}
	})
}

func rampText(ramp measure.RampResult) []byte {
	head := fmt.Sprintf("The dinner mix at rising rates, with your index. Service %s (%.2g CPU), database %s (%.2g CPU).\n"+
		"The service level: 99 %% succeed and 95 %% take under 200 ms. Latency counts from when a\n"+
		"request should have been sent; a client gives up after 2 s.\n\n",
		serviceType().Name, serviceType().CPU, databaseType().Name, databaseType().CPU)
	text := evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "asked/s\tanswered/s\tmean ms\tp95 ms\tfailed %\t  service level\t")
		for _, level := range ramp.Levels {
			met := "missed"
			switch {
			case level.Discarded:
				met = "not counted"
			case level.MetSLO:
				met = "met"
			}
			fmt.Fprintf(w, "%.1f\t%.1f\t%d\t%d\t%.1f\t  %s\t\n", level.Rate, level.Goodput,
				level.Result.Latency.Mean().Milliseconds(), level.Result.Latency.Quantile(0.95).Milliseconds(),
				100*level.Result.FailureShare(), met)
		}
	})
	return append(text, discardedText(ramp)...)
}

// discardedText says why levels do not count: each reason once, with the rates.
func discardedText(ramp measure.RampResult) []byte {
	rates := make(map[string][]string)
	for _, level := range ramp.Levels {
		if !level.Discarded {
			continue
		}
		for _, reason := range level.Validity.Reasons {
			kind, _, _ := strings.Cut(reason, ":")
			rates[kind] = append(rates[kind], fmt.Sprintf("%.1f", level.Rate))
		}
	}
	if len(rates) == 0 {
		return nil
	}
	text := []byte("\nLevels that do not count were sent again. The machine disturbed them:\n")
	for _, kind := range slices.Sorted(maps.Keys(rates)) {
		text = fmt.Appendf(text, "  %s, at %s requests/s\n", kind, strings.Join(rates[kind], ", "))
	}
	return text
}

// profile keeps a CPU profile of the service at work.
func (l *trial) profile(ctx context.Context, service *testbed.Service) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*profileSeconds*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("%s/profile?seconds=%d", service.PprofURL(), profileSeconds), nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	profile, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: status %d: %w", response.StatusCode, err)
	}
	return evidence.Keep(Name, "cpu.pprof", profile)
}
