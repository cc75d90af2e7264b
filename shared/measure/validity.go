package measure

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"bytebites.example/workshop/shared/measure/load"
)

// The limits beyond which a round says nothing. They look at the generator, the host and
// the books, never at how fast the service was.
const (
	// minLatenessLimit is how late a generator may always be.
	minLatenessLimit = 2 * time.Millisecond
	// minSentShare is the least share of the planned requests that must go out.
	minSentShare = 0.98
	// MinIdleCores is what counts as idle time left, in cores.
	MinIdleCores = 0.1
	// littleRequests is from how many requests on Little's law is asked.
	littleRequests = 200
	// littleTolerance is by how much it may be off.
	littleTolerance = 0.1
)

// Validity says whether a round may be used, and if not, why.
type Validity struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons,omitempty"`
}

// valid returns the validity that the reasons leave.
func valid(reasons []string) Validity { return Validity{OK: len(reasons) == 0, Reasons: reasons} }

// And returns a validity that is OK when both are, with the reasons of both.
func (v Validity) And(other Validity) Validity {
	return valid(slices.Concat(v.Reasons, other.Reasons))
}

// Round is what is known of one round of load.
type Round struct {
	Result load.Result
	// BelowKnee says that the rate was below the knee, where Little's law must hold.
	BelowKnee bool
	// QuotaProblems says which quotas were not in force, one phrase each.
	QuotaProblems []string
}

// Check applies the rules by which a round is thrown away. Each reason holds what was
// seen and what the limit was.
func (r Round) Check() Validity {
	var reasons []string
	for _, reason := range []string{
		checkLateness(r.Result.Lateness.Quantile(0.99), r.Result.Latency.Quantile(0.5)),
		checkSent(r.Result.Sent, r.Result.Planned),
		checkIdle(r.Result.Host.IdleCores()),
	} {
		if reason != "" {
			reasons = append(reasons, reason)
		}
	}
	for _, problem := range r.QuotaProblems {
		reasons = append(reasons, "quota not in force: "+problem)
	}
	if reason := checkLittle(LittleOf(r.Result), r.Result.Ended); r.BelowKnee && reason != "" {
		reasons = append(reasons, reason)
	}
	return valid(reasons)
}

// checkRound checks a round, and first, unless quotas is nil, asks it which quotas were
// not in force.
func checkRound(ctx context.Context, r load.Result, belowKnee bool, quotas func(context.Context) ([]string, error)) (Validity, error) {
	round := Round{Result: r, BelowKnee: belowKnee}
	if quotas != nil {
		var err error
		if round.QuotaProblems, err = quotas(ctx); err != nil {
			return Validity{}, fmt.Errorf("read quotas back: %w", err)
		}
	}
	return round.Check(), nil
}

// LatenessLimit returns how late the generator may be at the 99th percentile: a tenth of
// the median latency, or 2 ms if that is more.
func LatenessLimit(medianLatency time.Duration) time.Duration {
	return max(medianLatency/10, minLatenessLimit)
}

func checkLateness(p99, medianLatency time.Duration) string {
	limit := LatenessLimit(medianLatency)
	if p99 <= limit {
		return ""
	}
	return fmt.Sprintf("load generator late: p99 of lateness %s, limit %s", round(p99), round(limit))
}

func checkSent(sent, planned int) string {
	if planned > 0 && float64(sent) >= minSentShare*float64(planned) {
		return ""
	}
	return fmt.Sprintf("load generator fell behind: sent %d of %d requests, limit %.0f %%", sent, planned, 100*minSentShare)
}

func checkIdle(cores float64) string {
	if cores >= MinIdleCores {
		return ""
	}
	return fmt.Sprintf("host saturated: %.2f cores idle, limit %.2f", cores, MinIdleCores)
}

// Little is the two sides of Little's law, L = λW: in a system that neither fills up nor
// drains, the mean number of requests in it is the rate at which they leave times the
// mean time they spend in it.
//
// The sides are counted apart: L from when requests were really sent and ended, λW from
// completions and latencies that count from the intended time. They part when a backlog
// builds up, and when the generator's books do not balance.
type Little struct {
	Concurrency float64 // L, requests
	Expected    float64 // λW, requests
}

// LittleOf returns both sides for a result.
func LittleOf(r load.Result) Little {
	l := Little{Concurrency: r.Concurrency}
	if r.Window > 0 {
		l.Expected = float64(r.Ended) / r.Window.Seconds() * r.EndedLatency.Seconds()
	}
	return l
}

// Off returns by what share of the expected side the law is off.
func (l Little) Off() float64 {
	if l.Expected == 0 {
		return 0
	}
	return math.Abs(l.Concurrency-l.Expected) / l.Expected
}

func checkLittle(l Little, ended int) string {
	if ended < littleRequests || l.Off() <= littleTolerance {
		return ""
	}
	return fmt.Sprintf("Little's law off by %.0f %%: %.2f requests under way, rate times latency %.2f, limit %.0f %%",
		100*l.Off(), l.Concurrency, l.Expected, 100*littleTolerance)
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
