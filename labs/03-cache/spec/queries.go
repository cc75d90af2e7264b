package spec

import (
	"context"
	"fmt"
	"io"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/measure/probe/redisstat"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/workshop/evidence"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

const (
	// withoutRate, in requests per second, is a load that the database can answer alone. It
	// could not answer withRate. The queries of one request do not depend on the rate.
	withoutRate = 35
	withRate    = 150
	// browseLength is the length of each phase in which queries are counted.
	browseLength = 3 * time.Second
	// queriesEvery is the time from one reading of the statistics to the next, for the chart.
	queriesEvery = 250 * time.Millisecond
)

// phase is a browsing load and its queries.
type phase struct {
	name string
	// requests is the number of right answers. failures counts the failed requests by cause.
	requests, failed int
	failures         map[string]int
	// Queries, those of failed requests included. Those of the catalogue are for meals, ratings
	// and popular meals. Stock is read with every meal that is shown, and is not cached, because
	// an old number would promise a portion that is sold.
	catalogue, stock, sessions, rest int64
	keyHits                          float64 // share of the keys looked up that Redis had

	// chart has the rate of the requests, and the catalogue's queries over time.
	chart rig.QueryPhase
}

// A failed request may have sent some of its queries, or all. So the queries per request have
// an upper bound, most, and a lower one, least. They are equal when no request failed.
func (p phase) most() float64  { return float64(p.catalogue) / float64(max(p.requests, 1)) }
func (p phase) least() float64 { return float64(p.catalogue) / float64(max(p.requests+p.failed, 1)) }

// and returns the sum of two phases.
func (p phase) and(q phase) phase {
	p.requests += q.requests
	p.failed += q.failed
	p.catalogue += q.catalogue
	p.stock += q.stock
	p.sessions += q.sessions
	p.rest += q.rest
	return p
}

// queriesSeen holds the phases of fewQueries.
type queriesSeen struct{ without, cold, warm, flushed phase }

// savedShare returns a lower bound of the share of the catalogue's queries that a phase saved.
func (q queriesSeen) savedShare(p phase) float64 { return 1 - p.most()/q.without.least() }

// fewQueries counts the queries of people who browse in four phases: without the cache, with
// an empty one, with a warm one, and with one that is emptied midway.
func (l *trial) fewQueries(ctx context.Context, run *lab.Run) (err error) {
	l.queries.without, err = l.browse(ctx, "without a cache", browsing(l.without, 1), withoutRate, nil)
	if err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		phase  *phase
		name   string
		seed   uint64
		midway func(context.Context) error
	}{
		{&l.queries.cold, "empty cache", 1, nil},
		{&l.queries.warm, "warm cache", 2, nil},
		{&l.queries.flushed, "flushed midway", 3, l.flush},
	} {
		if *p.phase, err = l.browse(ctx, p.name, browsing(l.one, p.seed), withRate, p.midway); err != nil {
			return err
		}
	}
	q := l.queries
	fromCold := q.savedShare(q.cold.and(q.warm))
	run.Report("queries saved, cold start included", 100*fromCold, "%")
	run.Report("queries saved, cold", 100*q.savedShare(q.cold), "%")
	run.Report("queries saved, warm", 100*q.savedShare(q.warm), "%")
	run.Report("queries saved, flushed midway", 100*q.savedShare(q.flushed), "%")
	run.Report("keys found in Redis, cold", 100*q.cold.keyHits, "%")
	run.Report("keys found in Redis, warm", 100*q.warm.keyHits, "%")
	run.Chart(rig.QueriesChart("Queries over time", "catalogue queries", q.without.chart, q.cold.chart, q.warm.chart, q.flushed.chart))
	if err := evidence.Keep(Name, "queries.txt", q.text()); err != nil {
		return err
	}
	run.Evidence(evidenceFolder)
	if both := q.cold.and(q.warm); fromCold < wantedShare {
		seen := fmt.Sprintf("%.0f %%: %.2f queries per request while cold, %.2f warm", 100*max(fromCold, 0), q.cold.most(), q.warm.most())
		if both.failed > 0 {
			seen = fmt.Sprintf("%.0f %%: %.2f queries per right answer; %d of %d requests failed", 100*max(fromCold, 0), both.most(),
				both.failed, both.failed+both.requests)
		}
		return &lab.Failure{
			Expected: fmt.Sprintf("at least %.0f %% of %.2f queries per request saved, cold start included", 100*wantedShare, q.without.least()),
			Seen:     seen,
			Look:     lookPage("which reads still reach the database? See queries.txt in " + evidenceFolder),
		}
	}
	for _, p := range []phase{q.cold, q.warm, q.flushed} {
		if wrong := notLate(p.failures); wrong > 0 {
			return &lab.Failure{
				Expected: fmt.Sprintf("right answers to %d requests, %s", p.requests+p.failed, p.name),
				Seen:     fmt.Sprintf("%d failed: %v", wrong, p.failures),
				Look:     lab.Look{File: "through.go", Func: "reader.get", Hint: failedHint(p.failures)},
			}
		}
	}
	return nil
}

// failedHint asks about the cause of requests that failed.
func failedHint(failures map[string]int) string {
	if failures[load.CauseMixedUp] > 0 {
		return "do two things share a key, or a load?"
	}
	return "which error does it return?"
}

// notLate returns the number of requests that failed for another reason than a timeout. A busy
// machine causes timeouts, and this check counts queries only.
func notLate(failures map[string]int) int {
	n := 0
	for cause, times := range failures {
		if cause != "timeout" {
			n += times
		}
	}
	return n
}

// browse runs one phase, and calls midway after half of it. A nil midway does nothing.
func (l *trial) browse(ctx context.Context, name string, g load.Generator, rate float64, midway func(context.Context) error) (phase, error) {
	before, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return phase{}, err
	}
	if err := pgstat.Reset(ctx, l.servers.Pool); err != nil {
		return phase{}, err
	}
	var result load.Result
	began, flushed := time.Now(), time.Duration(0)
	sampler := pgstat.NewSampler(began, l.catalogueQueries)
	err = testbed.SideBySide(ctx,
		func(ctx context.Context) (err error) {
			result, err = g.Hit(ctx, rate, browseLength)
			return err
		},
		func(ctx context.Context) error {
			if midway == nil {
				return nil
			}
			if err := rig.Pause(ctx, browseLength/2); err != nil {
				return err
			}
			flushed = time.Since(began)
			return midway(ctx)
		},
		func(ctx context.Context) error { return sampler.Sample(ctx, queriesEvery, browseLength) },
	)
	if err != nil {
		return phase{}, err
	}
	calls, err := l.calls(ctx)
	if err != nil {
		return phase{}, err
	}
	ended, err := redisstat.Read(ctx, l.redis)
	if err != nil {
		return phase{}, err
	}
	p := phase{
		name: name, requests: result.Completed, failed: result.Failed, failures: result.Failures, keyHits: ended.Since(before).HitRatio(),
		chart: rig.QueryPhase{Name: name, Rate: rate, Length: browseLength, Queries: sampler.Rates(kindCatalogue), Flushed: flushed},
	}
	for table, n := range calls {
		switch kindOf(table) {
		case kindCatalogue:
			p.catalogue += n
		case "stock":
			p.stock += n
		case "sessions":
			p.sessions += n
		default:
			p.rest += n
		}
	}
	return p, nil
}

// kindCatalogue are queries for meals, ratings and popular meals.
const kindCatalogue = "catalogue"

// kindOf returns the kind of the queries of a table: kindCatalogue or the table.
func kindOf(table string) string {
	switch table {
	case "meals", "ratings", "orders": // no orders are placed: all reads of them are for popular meals
		return kindCatalogue
	default:
		return table
	}
}

// catalogueQueries counts the queries of each kind so far.
func (l *trial) catalogueQueries(ctx context.Context) (map[string]int64, error) {
	calls, err := l.calls(ctx)
	counts := map[string]int64{kindCatalogue: 0}
	for table, n := range calls {
		counts[kindOf(table)] += n
	}
	return counts, err
}

func (q queriesSeen) text() []byte {
	head := fmt.Sprintf("Queries that reached the database while people browsed for %s, at %d requests per second without a cache and %d with it.\n"+
		"From pg_stat_statements. Catalogue: meals, ratings, popular meals. Stock is not cached.\n"+
		"Queries of failed requests count against the cache.\n\n", browseLength, withoutRate, withRate)
	return evidence.Table(head, func(w io.Writer) {
		fmt.Fprintln(w, "answered\tfailed\tcatalogue\tper request\tsaved %\tstock\tsessions\tothers\tkeys found %\t  phase\t")
		for i, p := range []phase{q.without, q.cold, q.warm, q.flushed} {
			perRequest, saved := p.most(), 100*q.savedShare(p)
			if i == 0 {
				perRequest, saved = p.least(), 0
			}
			fmt.Fprintf(w, "%d\t%d\t%d\t%.3f\t%.1f\t%d\t%d\t%d\t%.1f\t  %s\t\n", p.requests, p.failed, p.catalogue, perRequest, saved,
				p.stock, p.sessions, p.rest, 100*p.keyHits, p.name)
		}
	})
}

// queriesSaved is the gain that fewQueries has counted. A count has no interval.
func (l *trial) queriesSaved(context.Context, *lab.Run) (lab.Measured, error) {
	without, with := l.queries.without, l.queries.cold.and(l.queries.warm)
	if with.catalogue == 0 {
		return lab.Measured{}, &lab.Failure{
			Expected: "queries while the cache is empty", Seen: "none",
			Look: lab.Look{File: "through.go", Func: "reader.get", Hint: "where do answers come from while Redis is empty?"},
		}
	}
	return lab.Measured{
		Before: without.least(), After: with.most(), Ratio: without.least() / with.most(),
	}, nil
}
