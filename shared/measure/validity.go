package measure

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bytebites.example/workshop/shared/measure/hostcpu"
	"bytebites.example/workshop/shared/measure/load"
)

// The limits beyond which a round is invalid. They judge the generator, the host and the
// counts of requests, and never the speed of the service.
const (
	// minLatenessLimit is the least limit of the generator's lateness.
	minLatenessLimit = 2 * time.Millisecond
	// minSentShare is the least share of the planned requests that must go out.
	minSentShare = 0.98
	// MinIdleCores is the least idle CPU time of the host, in cores.
	MinIdleCores = hostcpu.MinIdleCores
	// littleRequests is the least number of requests for a check by Little's law.
	littleRequests = 200
	// littleTolerance is the largest relative deviation from Little's law.
	littleTolerance = 0.1
)

// Validity says whether a round may be used, and gives the reasons when it may not.
type Validity struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons,omitempty"`
}

// valid returns a validity that is OK when there are no reasons.
func valid(reasons []string) Validity { return Validity{OK: len(reasons) == 0, Reasons: reasons} }

// The beginnings of the reasons that only make a service look slower.
const (
	lateReason      = "load generator late: "
	saturatedReason = "host saturated: "
)

// BeyondSlowness returns the reasons that may make a service look quicker than it is, such as a quota
// that was not in force. The others only make it look slower: latencies count from the intended time,
// and on a busy host every answer is late. So a round without such reasons still proves an upper bound
// of latencies and a lower bound of goodput.
func (v Validity) BeyondSlowness() []string {
	return slices.DeleteFunc(slices.Clone(v.Reasons), func(reason string) bool {
		return strings.HasPrefix(reason, lateReason) || strings.HasPrefix(reason, saturatedReason)
	})
}

// And returns a validity that is OK when both are, with the reasons of both.
func (v Validity) And(other Validity) Validity {
	return valid(slices.Concat(v.Reasons, other.Reasons))
}

// Round is one round of load with the facts that Check needs.
type Round struct {
	Result load.Result
	// BelowKnee says that the rate was below the knee, where Little's law must hold.
	BelowKnee bool
	// QuotaProblems holds a phrase for each quota that was not in force.
	QuotaProblems []string
}

// Check returns the validity of the round. Each reason holds the measured value and its
// limit.
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

// checkRound checks a round. Unless quotas is nil, it first calls quotas for the problems.
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

// LatenessLimit returns the limit of the 99th percentile of the generator's lateness: a tenth
// of the median latency, or 2 ms if that is more.
func LatenessLimit(medianLatency time.Duration) time.Duration {
	return max(medianLatency/10, minLatenessLimit)
}

func checkLateness(p99, medianLatency time.Duration) string {
	limit := LatenessLimit(medianLatency)
	if p99 <= limit {
		return ""
	}
	return fmt.Sprintf(lateReason+"p99 of lateness %s, limit %s", round(p99), round(limit))
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
	return fmt.Sprintf(saturatedReason+"%.2f cores idle, limit %.2f", cores, MinIdleCores)
}

// Little holds the two sides of Little's law, L = λW. The law holds in a system whose number
// of requests neither grows nor falls. L is the mean number of requests in the system. λ is
// the rate at which they leave, and W is the mean time that they spend in it.
//
// The sides are counted separately. L comes from the times at which requests were sent and
// ended. λW comes from completions and from latencies that count from the intended time. The
// sides differ when a backlog grows, or when the generator has counted wrong.
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

// Off returns the deviation of the two sides as a share of the expected side.
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
