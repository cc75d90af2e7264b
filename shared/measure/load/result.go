package load

import (
	"maps"
	"time"
)

// Result is what came of an attack, or of several in a row.
type Result struct {
	Target  string
	Mix     string
	Seed    uint64
	Run     string // prefix of the attack's Idempotency-Keys
	Started time.Time
	// Window is how long requests were meant to go out; Elapsed is until the last
	// answer was in or given up.
	Window  time.Duration
	Elapsed time.Duration

	Planned int // requests that the schedule held
	Sent    int
	// Completed requests got a right answer; OutOfStock is how many of them were orders
	// refused because a meal was out, which is a right answer too.
	Completed  int
	OutOfStock int
	Failed     int
	// Failures counts the failed by cause: "timeout", "connection", "answer" (wrong
	// content type or body), or "status NNN".
	Failures map[string]int
	Retried  int // orders that were sent a second time
	// InWindow is how many of the completed were so within the window.
	InWindow int

	Latency  *Histogram // from the intended time, of all that were sent, failed ones too
	Lateness *Histogram // of the generator
	Kinds    map[Kind]*KindResult

	// Concurrency is the mean number of requests under way during the window, each from
	// when it was really sent; Ended and EndedLatency are the number of requests that
	// ended within the window, however they went, and their mean latency.
	Concurrency  float64
	Ended        int
	EndedLatency time.Duration

	BytesIn  int64
	BytesOut int64
	Orders   []OrderOutcome
	Host     Host
}

// KindResult is the part of a result that is about one kind of request.
type KindResult struct {
	Sent      int
	Completed int
	Failed    int
	Latency   *Histogram
}

// OfferedRate returns the requests a second that were meant to go out.
func (r Result) OfferedRate() float64 { return perSecond(r.Planned, r.Window) }

// Goodput returns the requests a second that got a right answer within the window.
func (r Result) Goodput() float64 { return perSecond(r.InWindow, r.Window) }

// SustainedGoodput returns the right answers a second over the time until the last answer: what a
// service does that has much of its work half done when a short window ends.
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

// FailureShare returns the share of the requests sent that failed, in [0, 1]. Of an
// attack that sent nothing it is 1.
func (r Result) FailureShare() float64 {
	if r.Sent == 0 {
		return 1
	}
	return float64(r.Failed) / float64(r.Sent)
}

// SuccessShare returns 1 - FailureShare.
func (r Result) SuccessShare() float64 { return 1 - r.FailureShare() }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// result adds up the records of an attack that is over.
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

// Merge returns several results as if they were of one attack with a pause in it:
// counts and windows add up, means and shares weigh by window. Target, mix, seed, run
// and start are the first one's.
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

// Summary is a result in the form that reports and files carry.
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

// KindSummary is the part of a summary that is about one kind of request.
type KindSummary struct {
	Sent      int       `json:"sent"`
	Completed int       `json:"completed"`
	Failed    int       `json:"failed"`
	Latency   Quantiles `json:"latency"`
}

// Summary returns the result in the form that reports and files carry.
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
