package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Result is the result of an attack, or of several attacks in a row.
type Result struct {
	Target  string
	Mix     string
	Seed    uint64
	Run     string // prefix of the attack's Idempotency-Keys
	Started time.Time
	// Window is the duration of the schedule. Elapsed is the time until every request had an
	// answer or a timeout.
	Window  time.Duration
	Elapsed time.Duration

	Planned int // requests of the schedule
	Sent    int
	// Completed counts requests with a right answer. OutOfStock counts those of them that are
	// orders rejected for lack of stock.
	Completed  int
	OutOfStock int
	Failed     int
	// Failures counts failed requests by cause: "timeout", "refused" or "connection", "answer"
	// (wrong content type or body), or "status NNN".
	Failures map[string]int
	Retried  int // orders that were sent a second time
	// InWindow counts the requests that were completed within the window.
	InWindow int

	Latency  *Histogram // from the intended time, of all sent requests, failed ones included
	Lateness *Histogram // of the generator
	Kinds    map[Kind]*KindResult

	// Concurrency is the mean number of requests in flight during the window. A request is in
	// flight from its time of sending to its end. Ended counts the requests that ended within
	// the window, failed ones included, and EndedLatency is their mean latency.
	Concurrency  float64
	Ended        int
	EndedLatency time.Duration

	BytesIn  int64
	BytesOut int64
	Orders   []OrderOutcome
	Host     Host

	// Requests are the sent requests, in the order of their intended times. Merge leaves them out,
	// because their times are those of one attack.
	Requests []RequestResult
}

// RequestResult is the outcome of one request.
type RequestResult struct {
	Kind     Kind
	Intended time.Duration // since the attack began
	Latency  time.Duration // from the intended time, also of a failed request
	Cause    string        // of failure, see Result.Failures; empty for a right answer
}

// MeanBetween returns the mean latency of the requests whose intended time is from one time until
// another. It is 0 without such requests.
func MeanBetween(requests []RequestResult, from, to time.Duration) time.Duration {
	var sum time.Duration
	n := 0
	for _, r := range requests {
		if r.Intended >= from && r.Intended < to {
			sum += r.Latency
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / time.Duration(n)
}

// KindResult is the part of a result for one kind of request.
type KindResult struct {
	Sent      int
	Completed int
	Failed    int
	Latency   *Histogram
}

// OfferedRate returns the planned requests a second.
func (r Result) OfferedRate() float64 { return perSecond(r.Planned, r.Window) }

// Goodput returns the requests a second that got a right answer within the window.
func (r Result) Goodput() float64 { return perSecond(r.InWindow, r.Window) }

// SustainedGoodput returns the right answers a second over the time until the last answer. Use
// it for a service that has many requests half done when a short window ends.
func (r Result) SustainedGoodput() float64 { return perSecond(r.Completed, max(r.Elapsed, r.Window)) }

// Accepted returns the ids of the orders that were accepted.
func (r Result) Accepted() (ids []string) {
	for _, o := range r.Orders {
		if o.Outcome == Accepted {
			ids = append(ids, string(o.Order))
		}
	}
	return ids
}

// FailureShare returns the share of the sent requests that failed, in [0, 1]. It is 1 when no
// request was sent.
func (r Result) FailureShare() float64 {
	if r.Sent == 0 {
		return 1
	}
	return float64(r.Failed) / float64(r.Sent)
}

// Late reports whether requests failed, and all of them for want of time: by a timeout, a refused
// connection, or a status with which a service or a balancer says that it has no time (502, 503 or
// 504). On a busy machine that says nothing of the service.
func (r Result) Late() bool {
	late := 0
	for _, cause := range []string{CauseTimeout, causeRefused, "status 502", "status 503", "status 504"} {
		late += r.Failures[cause]
	}
	return r.Failed > 0 && late == r.Failed
}

// Causes lists counts of failed requests, such as Failures, by cause: "1 status 502, 2 timeout".
func Causes(failures map[string]int) string {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(failures)) {
		parts = append(parts, fmt.Sprintf("%d %s", failures[cause], cause))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// SuccessShare returns 1 - FailureShare.
func (r Result) SuccessShare() float64 { return 1 - r.FailureShare() }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// result adds up the records of an attack that has ended.
func (c *client) result(schedule Schedule, window time.Duration) Result {
	r := emptyResult()
	r.Window, r.Planned, r.Orders = window, len(c.records), c.orders
	var endedLatency, underWay time.Duration
	for i, rec := range c.records {
		if !rec.done {
			continue
		}
		intended := schedule.At(uint64(i))
		latency := rec.end - intended
		r.add(rec, latency, rec.sent-intended, window)
		r.Requests = append(r.Requests, RequestResult{Kind: rec.kind, Intended: intended, Latency: latency, Cause: rec.cause})
		if rec.end <= window {
			r.Ended++
			endedLatency += latency
		}
		underWay += max(min(rec.end, window)-max(min(rec.sent, window), 0), 0)
	}
	r.Concurrency = underWay.Seconds() / window.Seconds()
	if r.Ended > 0 {
		r.EndedLatency = endedLatency / time.Duration(r.Ended)
	}
	for _, o := range c.orders {
		if o.Outcome == OutOfStock {
			r.OutOfStock++
		}
	}
	return r
}

func emptyResult() Result {
	return Result{
		Failures: map[string]int{}, Kinds: map[Kind]*KindResult{},
		Latency: NewHistogram(), Lateness: NewHistogram(),
	}
}

func (r *Result) kind(k Kind) *KindResult {
	if r.Kinds[k] == nil {
		r.Kinds[k] = &KindResult{Latency: NewHistogram()}
	}
	return r.Kinds[k]
}

func (r *Result) add(rec record, latency, lateness, window time.Duration) {
	kind := r.kind(rec.kind)
	r.Sent++
	kind.Sent++
	r.Latency.Record(latency)
	kind.Latency.Record(latency)
	r.Lateness.Record(lateness)
	r.BytesIn += int64(rec.bytesIn)
	r.BytesOut += int64(rec.bytesOut)
	if rec.attempts > 1 {
		r.Retried++
	}
	if rec.cause != "" {
		r.Failed++
		kind.Failed++
		r.Failures[rec.cause]++
		return
	}
	r.Completed++
	kind.Completed++
	if rec.end <= window {
		r.InWindow++
	}
}

// Merge returns several results as if they were of one attack with pauses. Counts and windows
// add up; means and shares are weighted by window. Target, mix, seed, run and start are those
// of the first result.
func Merge(results ...Result) Result {
	sum := emptyResult()
	var endedLatency time.Duration
	var underWay, idle float64
	for i, r := range results {
		if i == 0 {
			sum.Target, sum.Mix, sum.Seed, sum.Run, sum.Started = r.Target, r.Mix, r.Seed, r.Run, r.Started
		}
		sum.Window += r.Window
		sum.Elapsed += r.Elapsed
		sum.Planned += r.Planned
		sum.Sent += r.Sent
		sum.Completed += r.Completed
		sum.OutOfStock += r.OutOfStock
		sum.Failed += r.Failed
		sum.Retried += r.Retried
		sum.InWindow += r.InWindow
		sum.Ended += r.Ended
		sum.BytesIn += r.BytesIn
		sum.BytesOut += r.BytesOut
		sum.Orders = append(sum.Orders, r.Orders...)
		sum.Latency.Merge(r.Latency)
		sum.Lateness.Merge(r.Lateness)
		for cause, n := range r.Failures {
			sum.Failures[cause] += n
		}
		for k, part := range r.Kinds {
			whole := sum.kind(k)
			whole.Sent += part.Sent
			whole.Completed += part.Completed
			whole.Failed += part.Failed
			whole.Latency.Merge(part.Latency)
		}
		endedLatency += time.Duration(r.Ended) * r.EndedLatency
		underWay += r.Concurrency * r.Window.Seconds()
		idle += r.Host.IdleShare * r.Window.Seconds()
		sum.Host.CPUs = max(sum.Host.CPUs, r.Host.CPUs)
		sum.Host.ClientCPU += r.Host.ClientCPU
	}
	if sum.Ended > 0 {
		sum.EndedLatency = endedLatency / time.Duration(sum.Ended)
	}
	if seconds := sum.Window.Seconds(); seconds > 0 {
		sum.Concurrency = underWay / seconds
		sum.Host.IdleShare = idle / seconds
	}
	return sum
}

// Summary is a result as reports and files hold it.
type Summary struct {
	Target        string               `json:"target"`
	Mix           string               `json:"mix"`
	Seed          uint64               `json:"seed"`
	Started       time.Time            `json:"started"`
	WindowSeconds float64              `json:"window_seconds"`
	OfferedRate   float64              `json:"offered_rate"` // requests a second
	Goodput       float64              `json:"goodput"`      // requests a second
	Planned       int                  `json:"planned"`
	Sent          int                  `json:"sent"`
	Completed     int                  `json:"completed"`
	OutOfStock    int                  `json:"out_of_stock"`
	Failed        int                  `json:"failed"`
	FailureShare  float64              `json:"failure_share"`
	Failures      map[string]int       `json:"failures"`
	Retried       int                  `json:"retried"`
	Concurrency   float64              `json:"concurrency"`
	Latency       Quantiles            `json:"latency"`
	Lateness      Quantiles            `json:"lateness"`
	Kinds         map[Kind]KindSummary `json:"kinds"`
	BytesIn       int64                `json:"bytes_in"`
	BytesOut      int64                `json:"bytes_out"`
	Orders        map[Outcome]int      `json:"orders"`
	Host          Host                 `json:"host"`
}

// KindSummary is the part of a summary for one kind of request.
type KindSummary struct {
	Sent      int       `json:"sent"`
	Completed int       `json:"completed"`
	Failed    int       `json:"failed"`
	Latency   Quantiles `json:"latency"`
}

// Summary returns the result as reports and files hold it.
func (r Result) Summary() Summary {
	s := Summary{
		Target: r.Target, Mix: r.Mix, Seed: r.Seed, Started: r.Started,
		WindowSeconds: r.Window.Seconds(), OfferedRate: r.OfferedRate(), Goodput: r.Goodput(),
		Planned: r.Planned, Sent: r.Sent, Completed: r.Completed, OutOfStock: r.OutOfStock,
		Failed: r.Failed, FailureShare: r.FailureShare(), Failures: maps.Clone(r.Failures), Retried: r.Retried,
		Concurrency: r.Concurrency, Latency: r.Latency.Quantiles(), Lateness: r.Lateness.Quantiles(),
		Kinds: make(map[Kind]KindSummary, len(r.Kinds)), BytesIn: r.BytesIn, BytesOut: r.BytesOut,
		Orders: map[Outcome]int{}, Host: r.Host,
	}
	for k, part := range r.Kinds {
		s.Kinds[k] = KindSummary{Sent: part.Sent, Completed: part.Completed, Failed: part.Failed, Latency: part.Latency.Quantiles()}
	}
	for _, o := range r.Orders {
		s.Orders[o.Outcome]++
	}
	return s
}
