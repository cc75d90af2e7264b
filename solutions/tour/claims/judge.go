package claims

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds of the story, and those beyond which a claim clearly fails. Between the two a single
// round of load cannot tell.
const (
	peakMS       = 800 // mean at the peak, at least
	calmPeakMS   = 400 // a peak with a lower mean refutes the claim
	pagesFactor  = 10  // fewer pages by the index, at least
	gainFactor   = 2.0 // of goodput by lab 01, the floor of its gain
	noGain       = 1.3 // the largest factor that is no gain
	replicasMS   = 200 // mean behind three replicas, at most
	replicasGain = 4.0 // factor between the means, at least
	queriesShare = 0.3 // of the queries that may be left: 70 % fewer
	writesShare  = 0.4 // of the latency that may be left: 60 % lower
	clearly      = 2.0 // how far beyond its bound a mean must be to refute a claim
	// quickShare is the share of a mail's time that an order takes at most when it does not wait
	// for the mail.
	quickShare = 0.5
	// DinnerMS is the limit of the mean over a whole dinner.
	DinnerMS = 150
	// lossShare is the share of the requests that must fail at the death of a replica to refute that
	// none is lost. A single slow answer is not enough.
	lossShare = 0.05
)

// Peak judges the first claim: at the peak the monolith's mean is 800 ms or more, and requests time
// out. The peak is meant to be above the limit.
func Peak(limit Limit, calm, peak Load) Row {
	row := Row{
		Name: "peak", Lab: "00", Claim: "latency at the peak", Story: "800 ms",
		Under:  fmt.Sprintf("the monolith: %s, then %s; %.0f %% failed", calm, peak, 100*peak.FailedShare()),
		Before: milliseconds(calm.MeanMS), After: milliseconds(peak.MeanMS),
		Ratio: ratio(peak.MeanMS, calm.MeanMS), Loads: []Load{calm, peak}, Limits: []Limit{limit},
	}
	row.Change = times(row.Ratio)
	row.Verdict, row.Reasons = evidence{
		holds:       peak.MeanMS >= peakMS && peak.TimedOut > 0,
		fails:       peak.MeanMS < calmPeakMS,
		doubts:      slices.Concat(limit.Doubts, limit.unsaturated(), peak.Doubts, peak.notOverloaded()),
		doubtsOfYes: slices.Concat(peak.Doubts, peak.notOverloaded()), // too low a limit makes the peak too easy
		near:        fmt.Sprintf("a mean of %s ms with %d timeouts is near the bound of %d ms", number(peak.MeanMS), peak.TimedOut, peakMS),
	}.verdict()
	row.Details = []string{
		fmt.Sprintf("The monolith answers at most %s requests/s. The peak is %.2f times that.", number(limit.Goodput), ratio(peak.Rate, limit.Goodput)),
		fmt.Sprintf("At the peak, 99 %% of the requests took up to %s ms, and %d of %d got no answer within 2 s.", number(peak.P99MS), peak.TimedOut, peak.Sent),
	}
	return row
}

// Index judges what the index of lab 00 spares: pages of 8 KiB that the database reads for one order
// history, by its own count.
func Index(before, after float64, histories, orders int) Row {
	row := Row{
		Name: "index", Lab: "00", Claim: "index for histories", Story: "no scan",
		Under:  fmt.Sprintf("%d order histories, %s orders stored; pages of 8 KiB for one history", histories, number(float64(orders))),
		Before: Figure{Value: before, Unit: "pages"}, After: Figure{Value: after, Unit: "pages"},
		Ratio: ratio(before, after),
	}
	row.Change = times(row.Ratio)
	row.Verdict, row.Reasons = evidence{
		holds: row.Ratio >= pagesFactor, fails: row.Ratio < clearly,
		near: fmt.Sprintf("%s times fewer pages is near the bound of %d", number(row.Ratio), pagesFactor),
	}.verdict()
	row.Details = []string{"The count is that of pg_stat_statements. All rows below have this index, before and after alike."}
	return row
}

// Gain judges the first half of lab 01: tuned and on four times the CPU, one machine answers more.
func Gain(untuned, tuned Limit) Row {
	row := Row{
		Name: "gain", Lab: "01", Claim: "tuned, 4x the CPU", Story: "a real gain",
		Under:  fmt.Sprintf("orders at a rate above the limit of one machine: first %s, then %s", untuned.On, tuned.On),
		Before: perSecond(untuned.Goodput), After: perSecond(tuned.Goodput),
		Ratio: ratio(tuned.Goodput, untuned.Goodput), Limits: []Limit{untuned, tuned},
	}
	row.Change = times(row.Ratio)
	before := slices.Concat(untuned.Doubts, untuned.unsaturated())
	row.Verdict, row.Reasons = evidence{
		holds: row.Ratio >= gainFactor, fails: row.Ratio < noGain,
		doubts:      slices.Concat(before, tuned.Doubts, tuned.unsaturated()),
		doubtsOfYes: slices.Concat(before, tuned.Unsound), // a lower bound of the limit after is enough
		near:        fmt.Sprintf("a factor of %s is near the bound of %s", number(row.Ratio), number(gainFactor)),
	}.verdict()
	row.Details = []string{fmt.Sprintf("Right answers a second under overload. The lab asks for a factor of %s.", number(gainFactor))}
	return row
}

// Ceiling judges the second half of lab 01: without tuning, four times the CPU buys nothing. Alone is
// a load of at least twice the limit on the smaller machine.
func Ceiling(untuned Limit, alone Load) Row {
	untuned.Levels = nil // the row of the gain has them
	row := Row{
		Name: "ceiling", Lab: "01", Claim: "4x the CPU, not tuned", Story: "a ceiling",
		Under:  fmt.Sprintf("%s: first %s, then %s", alone, untuned.On, alone.On),
		Before: perSecond(untuned.Goodput), After: perSecond(alone.Goodput),
		Ratio: ratio(alone.Goodput, untuned.Goodput), Loads: []Load{alone}, Limits: []Limit{untuned},
	}
	row.Change = times(row.Ratio)
	doubts := slices.Concat(untuned.Doubts, untuned.unsaturated(), alone.Doubts)
	row.Verdict, row.Reasons = evidence{
		holds: row.Ratio > 0 && row.Ratio <= noGain, fails: row.Ratio >= gainFactor, doubts: doubts, doubtsOfYes: doubts,
		near: fmt.Sprintf("a factor of %s is near the bound of %s", number(row.Ratio), number(noGain)),
	}.verdict()
	row.Details = []string{
		"Orders wait for each other behind a lock, and for the mail. More CPU does not shorten a wait.",
		"The largest type is the next ceiling. One machine is one point of failure as well: see the row of the death.",
	}
	return row
}

// Replicas judges lab 02's figure: the mean at the peak, with one replica and with three of the same
// size.
func Replicas(limit Limit, one, three Load) Row {
	row := Row{
		Name: "replicas", Lab: "02", Claim: "latency, 3 replicas", Story: "800 to 200 ms",
		Under:  fmt.Sprintf("%s: first %s, then %s", one, one.On, three.On),
		Before: milliseconds(one.MeanMS), After: milliseconds(three.MeanMS),
		Ratio: ratio(one.MeanMS, three.MeanMS), Loads: []Load{one, three}, Limits: []Limit{limit},
	}
	row.Change = times(row.Ratio)
	before := slices.Concat(one.Doubts, one.notOverloaded())
	row.Verdict, row.Reasons = evidence{
		holds:       three.MeanMS < replicasMS && row.Ratio >= replicasGain,
		fails:       three.MeanMS >= clearly*replicasMS || row.Ratio < replicasGain/clearly,
		doubts:      slices.Concat(limit.Doubts, limit.unsaturated(), before, three.Doubts),
		doubtsOfYes: slices.Concat(before, three.Unsound),
		near: fmt.Sprintf("%s ms and a factor of %s are near the bounds of %d ms and %s",
			number(three.MeanMS), number(row.Ratio), replicasMS, number(replicasGain)),
	}.verdict()
	row.Details = []string{
		fmt.Sprintf("One replica answers at most %s orders/s. In the rush %.0f %% of its orders failed, and %.0f %% with three replicas.",
			number(limit.Goodput), 100*one.FailedShare(), 100*three.FailedShare()),
	}
	return row
}

// Dying is a load in which a server was killed.
type Dying struct {
	Load
	Victim string `json:"victim"`
	// KilledAfter is when the victim was killed, in seconds since the load began.
	KilledAfter float64 `json:"killed_after"`
	Accepted    int     `json:"accepted"` // orders that a client holds a confirmation of
	Lost        int     `json:"lost"`     // of these, the ones that the database does not have
	Doubled     int     `json:"doubled"`
	// Starved says that the host had no idle time, so that it may have caused the failures.
	Starved bool `json:"starved,omitempty"`
}

// Death judges that nothing is lost when one of three replicas dies, while the death of the one
// machine of lab 01 stops everything.
func Death(single, fleet Dying) Row {
	row := Row{
		Name: "death", Lab: "02", Claim: "lost when one dies", Story: "none lost",
		Under:  fmt.Sprintf("%s; after %s s %s dies, then %s", fleet.Load, number(fleet.KilledAfter), single.Victim, fleet.Victim),
		Before: Figure{Value: float64(single.Failed), Of: float64(single.Sent), Unit: "requests"},
		After:  Figure{Value: float64(fleet.Failed), Of: float64(fleet.Sent), Unit: "requests"},
		Loads:  []Load{single.Load, fleet.Load},
		Counts: []Count{
			{Name: "orders accepted when a replica died", Value: float64(fleet.Accepted)},
			{Name: "orders lost when a replica died", Value: float64(fleet.Lost)},
			{Name: "orders doubled when a replica died", Value: float64(fleet.Doubled)},
		},
	}
	var doubts []string
	if single.Failed == 0 {
		doubts = append(doubts, single.Victim+" died, and no request failed: the load had ended before")
	}
	if fleet.Accepted == 0 {
		doubts = append(doubts, "no order was accepted, so none could be lost")
	}
	if fleet.Failed > 0 && (fleet.Starved || len(fleet.Doubts) > 0) {
		doubts = append(doubts, fmt.Sprintf("%d requests failed while the machine had no time for them", fleet.Failed))
		doubts = append(doubts, fleet.Doubts...)
	}
	if fleet.Lost+fleet.Doubled > 0 {
		doubts = nil // no lack of time loses an accepted order
	}
	row.Verdict, row.Reasons = evidence{
		holds:  fleet.Failed+fleet.Lost+fleet.Doubled == 0,
		fails:  fleet.Lost+fleet.Doubled > 0 || fleet.FailedShare() > lossShare,
		doubts: doubts, doubtsOfYes: doubts,
		near: fmt.Sprintf("%d of %d requests failed, which is too few for a clear no", fleet.Failed, fleet.Sent),
	}.verdict()
	row.Details = []string{fmt.Sprintf("Of %d orders that clients hold a confirmation of, the database has lost %d and doubled %d.", fleet.Accepted, fleet.Lost, fleet.Doubled)}
	return row
}

// Queries is the reads of the catalogue that reached the database during a load.
type Queries struct {
	Load
	Catalogue int64 `json:"catalogue"`
}

// least and most bound the queries of one request: a failed request may have sent all its queries, or
// none.
func (q Queries) least() float64 { return float64(q.Catalogue) / float64(max(q.Sent, 1)) }
func (q Queries) most() float64  { return float64(q.Catalogue) / float64(max(q.Sent-q.Failed, 1)) }

// Cache judges lab 03: 70 % fewer queries of the catalogue reach the database, the cold start included.
func Cache(without, with Queries) Row {
	before, after := without.least(), with.most()
	row := Row{
		Name: "cache", Lab: "03", Claim: "catalogue queries", Story: "70 % fewer",
		Under:  fmt.Sprintf("%s without Redis, then %s with an empty one", without.Load, with.Load),
		Before: Figure{Value: before, Unit: "/request"}, After: Figure{Value: after, Unit: "/request"},
		Ratio: ratio(before, after), Loads: []Load{without.Load, with.Load},
		Counts: []Count{
			{Name: "queries without a cache", Value: float64(without.Catalogue)},
			{Name: "queries with a cache", Value: float64(with.Catalogue)},
		},
	}
	var doubts []string
	for _, l := range []Queries{without, with} {
		if l.FailedShare() > 0.1 {
			doubts = append(doubts, fmt.Sprintf("%s: %d of %d requests failed, so their queries cannot be counted", l.Name, l.Failed, l.Sent))
		}
	}
	if before == 0 {
		row.Verdict, row.Reasons = Untold, []string{"no query was counted without a cache"}
		return row
	}
	row.Change = share(before, after)
	row.Verdict, row.Reasons = evidence{
		holds: after <= queriesShare*before, fails: with.least() > queriesShare*without.most(),
		doubts: doubts, doubtsOfYes: doubts, near: "failed requests leave open how many queries a request needs",
	}.verdict()
	row.Details = []string{fmt.Sprintf("pg_stat_statements counted %s queries for %d requests without a cache, and %s for %d with one.",
		number(float64(without.Catalogue)), without.Sent, number(float64(with.Catalogue)), with.Sent)}
	return row
}

// Waiting judges the first half of lab 05: with the queue, an order does not wait for a slow mail.
func Waiting(mail time.Duration, inside, handed Load) Row {
	mailMS := 1000 * mail.Seconds()
	row := Row{
		Name: "order", Lab: "05", Claim: "placing an order", Story: "no waiting",
		Under:  fmt.Sprintf("%s, a mail takes %s ms: first inside the request, then by RabbitMQ", inside, number(mailMS)),
		Before: milliseconds(inside.MeanMS), After: milliseconds(handed.MeanMS),
		Ratio: ratio(inside.MeanMS, handed.MeanMS), Loads: []Load{inside, handed},
	}
	row.Change = times(row.Ratio)
	var noWait []string
	if inside.MeanMS < mailMS {
		noWait = append(noWait, fmt.Sprintf("inside the request an order took %s ms, less than its mail", number(inside.MeanMS)))
	}
	row.Verdict, row.Reasons = evidence{
		holds:       handed.MeanMS < quickShare*mailMS && handed.Failed == 0,
		fails:       handed.MeanMS >= mailMS,
		doubts:      slices.Concat(noWait, inside.Doubts, handed.Doubts),
		doubtsOfYes: slices.Concat(noWait, handed.Unsound), // that an order waits for its mail needs no quiet host
		near:        fmt.Sprintf("an order took %s ms and %d failed", number(handed.MeanMS), handed.Failed),
	}.verdict()
	row.Details = []string{fmt.Sprintf("99 %% of the orders took up to %s ms inside the request, and up to %s ms by way of the queue.", number(inside.P99MS), number(handed.P99MS))}
	return row
}

// Outage is what followed from accepted orders whose broker died.
type Outage struct {
	Accepted int `json:"accepted"`
	Done     int `json:"done"` // orders with all their effects
	// Away is for how long there was no broker, and DoneAfter how soon after that all effects were
	// done, or the wait for them was given up.
	Away      time.Duration `json:"away_ns"`
	DoneAfter time.Duration `json:"done_after_ns"`
	Twice     int           `json:"twice"` // mails that came twice
	GaveUp    bool          `json:"gave_up,omitempty"`
}

// Broker judges the second half of lab 05: no accepted order loses its effects when the broker dies.
func Broker(orders Load, o Outage) Row {
	row := Row{
		Name: "broker", Lab: "05", Claim: "orders, broker dies", Story: "nothing lost",
		Under:  fmt.Sprintf("%s; RabbitMQ dies after 1 s and is away for %s s", orders, number(o.Away.Seconds())),
		Before: Figure{Value: float64(o.Accepted), Unit: "taken"},
		After:  Figure{Value: float64(o.Done), Of: float64(o.Accepted), Unit: "orders"},
		Loads:  []Load{orders},
		Counts: []Count{
			{Name: "orders done after the broker was back", Value: o.DoneAfter.Seconds(), Unit: "s"},
			{Name: "mails that came twice", Value: float64(o.Twice)},
		},
	}
	var doubts []string
	if o.Accepted == 0 {
		doubts = append(doubts, "no order was accepted, so none could be lost")
	}
	if o.Done < o.Accepted && o.GaveUp {
		doubts = append(doubts, fmt.Sprintf("%d of %d orders were not done within %s s after the broker was back: they may be late, and not lost",
			o.Accepted-o.Done, o.Accepted, number(o.DoneAfter.Seconds())))
	}
	row.Verdict, row.Reasons = evidence{holds: o.Done == o.Accepted, fails: true, doubts: doubts, doubtsOfYes: doubts}.verdict()
	row.Details = []string{fmt.Sprintf("All effects were done %s s after the broker was back: mail, plan, ledger. %d mails came twice, which at-least-once allows.", number(o.DoneAfter.Seconds()), o.Twice)}
	return row
}

// Moved is how subscribers came from one server to the shards, while requests came in.
type Moved struct {
	Users   int     `json:"users"`
	Orders  int     `json:"orders"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rate"` // asked meanwhile, in requests a second
	Sent    int     `json:"sent"`
	Failed  int     `json:"failed"`
}

// Sharding judges lab 04: writes take 60 % less time on four servers than on one.
func Sharding(limit Limit, one, four Load, moved Moved) Row {
	row := Row{
		Name: "shards", Lab: "04", Claim: "writes on 4 shards", Story: "60 % lower",
		Under:  fmt.Sprintf("%s: first %s, then %s", one, one.On, four.On),
		Before: milliseconds(one.MeanMS), After: milliseconds(four.MeanMS),
		Ratio: ratio(one.MeanMS, four.MeanMS), Loads: []Load{one, four}, Limits: []Limit{limit},
	}
	if one.MeanMS > 0 {
		row.Change = share(one.MeanMS, four.MeanMS)
	}
	before := slices.Concat(one.Doubts, one.notOverloaded())
	row.Verdict, row.Reasons = evidence{
		holds: four.MeanMS <= writesShare*one.MeanMS, fails: four.MeanMS > clearly*writesShare*one.MeanMS,
		doubts:      slices.Concat(limit.Doubts, limit.unsaturated(), before, four.Doubts),
		doubtsOfYes: slices.Concat(before, four.Unsound),
		near:        row.Change + " is near the bound of 60 % lower",
	}.verdict()
	row.Details = []string{
		fmt.Sprintf("One server answers at most %s requests/s of this mix. In the rush %.0f %% failed on one, and %.0f %% on four.",
			number(limit.Goodput), 100*one.FailedShare(), 100*four.FailedShare()),
		fmt.Sprintf("In between, %s subscribers with %s orders were moved in %s s, at full speed; of %d requests that came in meanwhile, %d failed.",
			number(float64(moved.Users)), number(float64(moved.Orders)), number(moved.Seconds), moved.Sent, moved.Failed),
	}
	return row
}

// Day is a simulated day of lab 06.
type Day struct {
	InstanceHours float64
	Overloaded    time.Duration
	Least, Most   int // replicas
}

// Bill judges lab 06: 3 to 10 replicas by policy serve the day for less than ten all day.
func Bill(always, byPolicy Day) Row {
	row := Row{
		Name: "policy", Lab: "06", Claim: "the bill by policy", Story: "3 to 10",
		Under:  "a day of a simulation by a fake clock: always 10 replicas, then 3 to 10 by the policy",
		Before: Figure{Value: always.InstanceHours, Unit: "h"}, After: Figure{Value: byPolicy.InstanceHours, Unit: "h"},
		Ratio: ratio(always.InstanceHours, byPolicy.InstanceHours), Change: share(always.InstanceHours, byPolicy.InstanceHours),
		Counts: []Count{
			{Name: "fewest replicas", Value: float64(byPolicy.Least)}, {Name: "most replicas", Value: float64(byPolicy.Most)},
			{Name: "overloaded in the day", Value: byPolicy.Overloaded.Seconds(), Unit: "s"},
		},
	}
	holds := byPolicy.InstanceHours < always.InstanceHours && byPolicy.Overloaded <= time.Minute && byPolicy.Least >= 3 && byPolicy.Most <= 10
	row.Verdict, row.Reasons = evidence{holds: holds, fails: true}.verdict() // a simulation has no noise
	row.Details = []string{fmt.Sprintf("Instance-hours. The policy ran %d to %d replicas, and they were overloaded for %s s of the day.",
		byPolicy.Least, byPolicy.Most, number(byPolicy.Overloaded.Seconds()))}
	return row
}

// Rise is a live run of lab 06's policy, whose load rises.
type Rise struct {
	First int `json:"first"` // replicas before the rise
	Last  int `json:"last"`  // replicas that served in the end
	// One is what one replica answers, Usual the load before the rise and Risen the load after it, in
	// requests a second.
	One   float64       `json:"one"`
	Usual float64       `json:"usual"`
	Risen float64       `json:"risen"`
	After time.Duration `json:"after_ns"` // from the rise until the new replicas served
	P95MS float64       `json:"p95_ms"`   // with all of them
	Sent  int           `json:"sent"`     // with all of them
	// Failed are those of Sent that failed.
	Failed int    `json:"failed"`
	Doubt  string `json:"doubt,omitempty"` // why the run shows nothing
}

// Live judges that the policy adds real replicas when the load rises, and at most ten. A run without
// new replicas shows nothing: the machine may have been too slow to start them.
func Live(r Rise) Row {
	row := Row{
		Name: "rise", Lab: "06", Claim: "replicas in a rise", Story: "3 to 10",
		Under:  fmt.Sprintf("pages of the menu, from %s/s to %s/s; a second of the run is a minute for the policy", number(r.Usual), number(r.Risen)),
		Before: Figure{Value: float64(r.First), Unit: "run"}, After: Figure{Value: float64(r.Last), Unit: "run"},
		Ratio: ratio(float64(r.Last), float64(r.First)),
		Counts: []Count{
			{Name: "requests that one replica answers", Value: r.One, Unit: "/s"},
			{Name: "from the rise until the new replicas served", Value: r.After.Seconds(), Unit: "s"},
			{Name: "95th percentile with all of them", Value: r.P95MS, Unit: "ms"},
		},
	}
	row.Change = times(row.Ratio)
	var doubts []string
	if r.Doubt != "" {
		doubts = []string{r.Doubt}
	}
	row.Verdict, row.Reasons = evidence{
		holds: r.Last > r.First && r.Last <= 10, fails: r.Last > 10, doubts: doubts,
		near: fmt.Sprintf("%d replicas served after the rise", r.Last),
	}.verdict()
	if row.Verdict == Holds {
		row.Details = []string{fmt.Sprintf("The new replicas served %s s after the rise. Then 95 %% of the requests took up to %s ms, and %d of %d failed.",
			number(r.After.Seconds()), number(r.P95MS), r.Failed, r.Sent)}
	}
	return row
}

// Evening is the whole dinner of lab 07: all fixes together, and faults on purpose.
type Evening struct {
	Load
	Subscribers int
	PeakRate    float64 // requests a second
	Faults      int
	Accepted    int // orders that a client holds a confirmation of
	Wrong       int // orders that are lost, doubled or oversold
	// Late is the number of effects that did not come in time. Lost says that they cannot come any more.
	Late int
	Lost bool
}

// Dinner judges the last claim: 100,000 subscribers are served with a mean under 150 ms through the whole
// rush, and no order is lost.
func Dinner(e Evening) Row {
	row := Row{
		Name: "dinner", Lab: "07", Claim: fmt.Sprintf("%s subscribers", number(float64(e.Subscribers))), Story: "under 150 ms",
		Under: fmt.Sprintf("4 to 7 PM in %s s, up to %s/s of %s, %d faults on purpose", number(e.Seconds), number(e.PeakRate), e.Mix, e.Faults),
		After: milliseconds(e.MeanMS), Loads: []Load{e.Load},
		Counts: []Count{
			{Name: "orders accepted in the dinner", Value: float64(e.Accepted)},
			{Name: "orders lost, doubled or oversold in the dinner", Value: float64(e.Wrong)},
			{Name: "effects that came too late or never", Value: float64(e.Late)},
		},
	}
	doubts, lost := e.Doubts, e.Wrong > 0 || e.Lost
	if e.Late > 0 && !e.Lost {
		doubts = append(slices.Clone(doubts), fmt.Sprintf("%d effects of orders did not come in time: they may be late, and not lost", e.Late))
	}
	unsound := e.Unsound
	if e.Accepted == 0 {
		unsound = append(slices.Clone(unsound), "no order was accepted, so none could be lost")
	}
	if lost {
		doubts, unsound = nil, nil // no lack of time loses an accepted order
	}
	row.Verdict, row.Reasons = evidence{
		holds: e.MeanMS < DinnerMS && !lost && e.Late == 0, fails: lost || e.MeanMS >= clearly*DinnerMS,
		doubts: doubts, doubtsOfYes: unsound, near: fmt.Sprintf("a mean of %s ms is near the bound of %d ms", number(e.MeanMS), DinnerMS),
	}.verdict()
	row.Details = []string{
		fmt.Sprintf("99 %% of %d requests took up to %s ms, and %d failed. The faults are in it.", e.Sent, number(e.P99MS), e.Failed),
		fmt.Sprintf("Of %d orders that clients hold a confirmation of, %d are lost, doubled or oversold, and %d effects are missing.", e.Accepted, e.Wrong, e.Late),
		"The rates are the story's: half of the subscribers order in three hours. Only the length is compressed.",
	}
	return row
}

// untold returns a row whose numbers contradict each other as one that could not be told.
func (r Row) untold(reasons ...string) Row {
	r.Verdict = Untold
	r.Reasons = append(slices.Clone(r.Reasons), strings.Join(reasons, "; "))
	return r
}
