package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/lab"
)

// story is what a tour measured.
type story struct {
	Acts     []act     `json:"acts"`
	Sharding *sharding `json:"sharding,omitempty"`
	Queue    *queueing `json:"queue,omitempty"`
	CPUs     int       `json:"cpus"`
	Seconds  float64   `json:"seconds"`
}

// act is one step, measured once.
type act struct {
	Title string `json:"title"`
	Fix   string `json:"fix"`
	// Levels are those of the ramp.
	Levels []level `json:"levels"`
	// SLOCapacity is the highest rate tried, in requests a second, at which 99 % of
	// requests succeeded and 95 % took under 200 ms.
	SLOCapacity float64 `json:"slo_capacity"`
	// SaturationGoodput is the most right answers a second under overload; where
	// Saturated is false, the ramp ended before there was any.
	SaturationGoodput float64     `json:"saturation_goodput"`
	Saturated         bool        `json:"saturated"`
	Rush              rush        `json:"rush"`
	Loss              *loss       `json:"loss,omitempty"` // where something was killed
	Doubts            []string    `json:"doubts,omitempty"`
	Quotas            []lab.Quota `json:"quotas"`
}

type level struct {
	Rate         float64 `json:"rate"`    // asked, requests a second
	Goodput      float64 `json:"goodput"` // answered right, a second
	MeanMS       float64 `json:"mean_ms"`
	P95MS        float64 `json:"p95_ms"`
	FailureShare float64 `json:"failure_share"`
	MetSLO       bool    `json:"met_slo"`
}

type rush struct {
	Rate         float64 `json:"rate"` // asked, requests a second
	Seconds      float64 `json:"seconds"`
	MeanMS       float64 `json:"mean_ms"`
	P99MS        float64 `json:"p99_ms"`
	FailureShare float64 `json:"failure_share"`
	OrderMeanMS  float64 `json:"order_mean_ms"` // of the orders among the requests
	// PagesPerRequest is how many pages of 8 KiB the database read for a request, by its own
	// count; what clients gave up on is not in it.
	PagesPerRequest float64 `json:"pages_per_request"`
}

// loss is what a dinner felt like in which something was killed.
type loss struct {
	Dies         string  `json:"dies"`
	Rate         float64 `json:"rate"` // asked, requests a second
	Seconds      float64 `json:"seconds"`
	AfterSeconds float64 `json:"after_seconds"`
	Sent         int     `json:"sent"`
	Failed       int     `json:"failed"`
}

// sharding is the step whose dinner is not the others': people who write.
type sharding struct {
	Title string `json:"title"`
	Fix   string `json:"fix"`
	// Type is that of each server of user data, of which there were one and then Servers.
	Type    string `json:"type"`
	Servers int    `json:"servers"`
	// SaturationGoodput is of one of them, in right answers a second.
	SaturationGoodput float64     `json:"saturation_goodput"`
	One               writeRush   `json:"one"`
	Four              writeRush   `json:"four"`
	Move              move        `json:"move"`
	Loss              *loss       `json:"loss,omitempty"`
	Doubts            []string    `json:"doubts,omitempty"`
	Quotas            []lab.Quota `json:"quotas"`
}

// writeRush is what a rush of writes felt like.
type writeRush struct {
	Rate         float64 `json:"rate"` // asked, requests a second
	Seconds      float64 `json:"seconds"`
	MeanMS       float64 `json:"mean_ms"`
	P99MS        float64 `json:"p99_ms"`
	FailureShare float64 `json:"failure_share"`
	Goodput      float64 `json:"goodput"` // right answers a second
}

// move is how everybody came from one server to the others, at full speed.
type move struct {
	Users   int     `json:"users"`
	Orders  int     `json:"orders"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rate"` // asked meanwhile, requests a second
	Sent    int     `json:"sent"`
	Failed  int     `json:"failed"`
}

// queueing is the step in which orders and nothing else come, at a mail server that takes its time.
type queueing struct {
	Title  string  `json:"title"`
	Fix    string  `json:"fix"`
	MailMS float64 `json:"mail_ms"` // what a mail takes
	// Inside is with all that follows from an order inside the request, Handed by way of a
	// broker that dies in the middle.
	Inside writeRush `json:"inside"`
	Handed writeRush `json:"handed"`
	Loss   *loss     `json:"loss,omitempty"`
	// Of the Accepted orders all effects were done DoneSeconds after the broker was back.
	Accepted    int         `json:"accepted"`
	AwaySeconds float64     `json:"away_seconds"`
	DoneSeconds float64     `json:"done_seconds"`
	MailsTwice  int         `json:"mails_twice"`
	Doubts      []string    `json:"doubts,omitempty"`
	Quotas      []lab.Quota `json:"quotas"`
}

func newStory() *story { return &story{CPUs: runtime.NumCPU()} }

func newAct(s step, ramp measure.RampResult, r measure.RushResult, statements []pgstat.Statement, quotas []lab.Quota) act {
	var pages int64
	for _, statement := range statements {
		pages += statement.Pages
	}
	a := act{
		Title: s.title, Fix: s.fix, Quotas: quotas,
		SLOCapacity: ramp.SLOCapacity, SaturationGoodput: ramp.Goodput, Saturated: ramp.Saturated,
		Rush: rush{
			Rate: r.Rate, Seconds: r.Length.Seconds(), MeanMS: milliseconds(r.Mean), P99MS: milliseconds(r.P99),
			FailureShare: r.FailureShare, PagesPerRequest: float64(pages) / float64(max(r.Result.Sent, 1)),
		},
		Doubts: ramp.Validity.And(r.Validity).Reasons,
	}
	if orders := r.Result.Kinds[load.PlaceOrder]; orders != nil {
		a.Rush.OrderMeanMS = milliseconds(orders.Latency.Mean())
	}
	for _, l := range ramp.Levels {
		if l.Discarded {
			continue
		}
		a.Levels = append(a.Levels, level{
			Rate: l.Rate, Goodput: l.Goodput, MeanMS: milliseconds(l.Result.Latency.Mean()),
			P95MS: milliseconds(l.Result.Latency.Quantile(0.95)), FailureShare: l.Result.FailureShare(), MetSLO: l.MetSLO,
		})
	}
	return a
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (s *story) writeFile(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write tour: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write tour: %w", err)
	}
	return nil
}

// barWidth is the length, in characters, of the bar of the highest rate.
const barWidth = 30

// print tells the story.
func (s *story) print(out io.Writer) error {
	var text strings.Builder
	text.WriteString("\nByteBites at dinner: every number measured just now, on this machine\n")
	for _, a := range s.Acts {
		a.print(&text)
	}
	s.printGains(&text)
	s.Sharding.print(&text)
	s.Queue.print(&text)
	s.printEnd(&text)
	text.WriteString("\nOne round a step shows the story; it does not judge. Judge it yourself:\n  go tool workshop check 00\n")
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print tour: %w", err)
	}
	return nil
}

func (a act) print(text *strings.Builder) {
	fmt.Fprintf(text, "\n%s\n%s\n", a.Title, strings.Repeat("-", len(a.Title)))
	for _, q := range a.Quotas {
		fmt.Fprintf(text, "  %s runs on %s: %.2g CPU, held back in %.0f %% of the quota periods\n", q.Container, q.Type, q.CPU, 100*q.ThrottledShare)
	}
	text.WriteString("\n")
	top := 0.0
	for _, l := range a.Levels {
		top = max(top, l.Rate)
	}
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "asked/s\tanswered/s\tmean\tp95\tfailed\t")
	for _, l := range a.Levels {
		bar := strings.Repeat("#", int(barWidth*min(l.Goodput, l.Rate)/top+0.5))
		lost := strings.Repeat(".", max(int(barWidth*l.Rate/top+0.5)-len(bar), 0))
		mark := ""
		if l.MetSLO {
			mark = " ok"
		}
		fmt.Fprintf(w, "%.1f\t%.1f\t%.0f ms\t%.0f ms\t%.0f %%\t  %s%s%s\n", l.Rate, l.Goodput, l.MeanMS, l.P95MS, 100*l.FailureShare, bar, lost, mark)
	}
	_ = w.Flush() // into memory, which does not fail
	fmt.Fprintf(text, "\n  # answered, . not; ok: 99 %% succeeded and 95 %% took under 200 ms\n")
	fmt.Fprintf(text, "  holds %s; saturates at %s\n", a.capacity(), a.saturation())
	fmt.Fprintf(text, "  in the rush, %.1f requests/s for %.0f s: mean %.0f ms, p99 %.0f ms, %.0f %% failed\n",
		a.Rush.Rate, a.Rush.Seconds, a.Rush.MeanMS, a.Rush.P99MS, 100*a.Rush.FailureShare)
	fmt.Fprintf(text, "  an order took %.0f ms in the mean; the database read %.0f pages a request\n", a.Rush.OrderMeanMS, a.Rush.PagesPerRequest)
	if l := a.Loss; l != nil {
		fmt.Fprintf(text, "  when %s died, after %.0f s of %.0f: %s\n", l.Dies, l.AfterSeconds, l.Seconds, l.cost())
	}
	for _, doubt := range a.Doubts {
		fmt.Fprintf(text, "  take with care: %s\n", doubt)
	}
}

func (a act) capacity() string {
	if a.SLOCapacity == 0 && len(a.Levels) > 0 {
		return fmt.Sprintf("less than %.1f/s", a.Levels[0].Rate)
	}
	return fmt.Sprintf("%.1f/s", a.SLOCapacity)
}

func (a act) saturation() string {
	if a.Saturated {
		return fmt.Sprintf("%.1f/s", a.SaturationGoodput)
	}
	return fmt.Sprintf("more than %.1f/s", a.SaturationGoodput)
}

func (l loss) cost() string { return fmt.Sprintf("%d of %d requests failed", l.Failed, l.Sent) }

func (s *story) printGains(text *strings.Builder) {
	text.WriteString("\nWhat each step bought, in the same rush\n")
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  step\tholds\tsaturates\trush mean\tfailed\tan order\tpages")
	for _, a := range s.Acts {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%.0f ms\t%.0f %%\t%.0f ms\t%.0f\n", a.Title, a.capacity(), a.saturation(),
			a.Rush.MeanMS, 100*a.Rush.FailureShare, a.Rush.OrderMeanMS, a.Rush.PagesPerRequest)
	}
	_ = w.Flush() // into memory, which does not fail
	text.WriteString("\n  pages: what the database read for a request, 8 KiB each, by its own count\n")
	s.printLosses(text)
	s.printIdle(text)
}

func (s *story) printEnd(text *strings.Builder) {
	fmt.Fprintf(text, "\nThe story says that the monolith breaks at dinner with a mean of 800 ms or more: here %.0f ms.\n", s.Acts[0].Rush.MeanMS)
	fmt.Fprintf(text, "The tour took %.0f s on %d cores.\n", s.Seconds, s.CPUs)
}

// print tells what sharding bought, of another dinner than the other steps'.
func (s *sharding) print(text *strings.Builder) {
	if s == nil {
		return
	}
	fmt.Fprintf(text, "\n%s: what people write cannot be cached. A rush of writes, %.0f requests/s for %.0f s\n", s.Title, s.One.Rate, s.One.Seconds)
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  user data on\trush mean\tp99\tfailed\tanswered right")
	for _, row := range []struct {
		on string
		writeRush
	}{{"one " + s.Type, s.One}, {fmt.Sprintf("%d of them", s.Servers), s.Four}} {
		fmt.Fprintf(w, "  %s\t%.0f ms\t%.0f ms\t%.0f %%\t%.0f/s\n", row.on, row.MeanMS, row.P99MS, 100*row.FailureShare, row.Goodput)
	}
	_ = w.Flush() // into memory, which does not fail
	fmt.Fprintf(text, "\n  That is 1.5 times what one of them takes, %.0f/s. In between, %d subscribers with %d orders were moved\n"+
		"  in %.0f s, at full speed, while %.0f requests/s came in: %d of %d failed. All servers share one disk here.\n",
		s.SaturationGoodput, s.Move.Users, s.Move.Orders, s.Move.Seconds, s.Move.Rate, s.Move.Failed, s.Move.Sent)
	for _, doubt := range s.Doubts {
		fmt.Fprintf(text, "  take with care: %s\n", doubt)
	}
}

// print tells what the queue bought, of orders at a mail server that takes its time.
func (q *queueing) print(text *strings.Builder) {
	if q == nil {
		return
	}
	fmt.Fprintf(text, "\n%s: who orders waits for no mail. Orders, %.0f/s for %.0f s, while a mail takes %.0f ms\n",
		q.Title, q.Inside.Rate, q.Inside.Seconds, q.MailMS)
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  mail, ledger and plan\tan order\tp99\tfailed\tanswered right")
	for _, row := range []struct {
		how string
		writeRush
	}{{"inside the request", q.Inside}, {"by way of RabbitMQ", q.Handed}} {
		fmt.Fprintf(w, "  %s\t%.0f ms\t%.0f ms\t%.0f %%\t%.0f/s\n", row.how, row.MeanMS, row.P99MS, 100*row.FailureShare, row.Goodput)
	}
	_ = w.Flush() // into memory, which does not fail
	fmt.Fprintf(text, "\n  In the second, %s died after %.0f s and was away for %.0f s. Of %d accepted orders all that follows was\n"+
		"  done %.1f s after it was back. Mails that came twice: %d.\n",
		q.Loss.Dies, q.Loss.AfterSeconds, q.AwaySeconds, q.Accepted, q.DoneSeconds, q.MailsTwice)
	for _, doubt := range q.Doubts {
		fmt.Fprintf(text, "  take with care: %s\n", doubt)
	}
}

func (s *story) printLosses(text *strings.Builder) {
	text.WriteString("\nAnd when something dies in the middle of it\n")
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	for _, a := range s.Acts {
		if a.Loss != nil {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", a.Title, a.Loss.Dies, a.Loss.cost())
		}
	}
	if s.Sharding != nil && s.Sharding.Loss != nil {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Sharding.Title, s.Sharding.Loss.Dies, s.Sharding.Loss.cost())
	}
	if s.Queue != nil && s.Queue.Loss != nil {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Queue.Title, s.Queue.Loss.Dies, s.Queue.Loss.cost())
	}
	_ = w.Flush() // into memory, which does not fail
}

// noMore is the ratio of two saturation goodputs below which a single ramp tells no gain.
const noMore = 1.25

// printIdle says which steps do not let this dinner grow, and why.
func (s *story) printIdle(text *strings.Builder) {
	var idle strings.Builder
	w := tabwriter.NewWriter(&idle, 0, 0, 2, ' ', 0)
	for i, a := range s.Acts[1:] {
		before := s.Acts[i]
		if a.SaturationGoodput < noMore*before.SaturationGoodput && a.Rush.PagesPerRequest > before.Rush.PagesPerRequest/noMore {
			fmt.Fprintf(w, "  %s\t%.1f times\n", a.Title, a.SaturationGoodput/before.SaturationGoodput)
		}
	}
	_ = w.Flush() // into memory, which does not fail
	if idle.Len() == 0 {
		return
	}
	text.WriteString("\nNot much more of this dinner is answered than in the step before by\n" + idle.String() +
		"  for the database reads as many pages a request. What they buy is elsewhere: in what an\n" +
		"  order takes, in what a death costs.\n")
}
