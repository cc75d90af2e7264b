package claims_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/workshop/compare"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/solutions/tour/claims"
)

// The recorded numbers of a tour in which every claim holds.

func monolith() claims.Limit { return claims.Limit{On: "the monolith", Goodput: 34, Saturated: true} }

func calm() claims.Load {
	return claims.Load{Name: "calm", On: "the monolith", Mix: "dinner", Rate: 6, Seconds: 1.5, Sent: 9, Goodput: 6, MeanMS: 21, P50MS: 18, P95MS: 60, P99MS: 70}
}

func peak() claims.Load {
	return claims.Load{
		Name: "peak", On: "the monolith", Mix: "dinner", Rate: 51, Seconds: 8, Sent: 408, Failed: 61, TimedOut: 61, Goodput: 34,
		MeanMS: 982, P50MS: 900, P95MS: 2000, P99MS: 2001, Overloaded: true,
	}
}

func untuned() claims.Limit {
	return claims.Limit{On: "untuned on b1.micro", Goodput: 5.4, Saturated: true}
}
func tuned() claims.Limit {
	return claims.Limit{On: "tuned on b1.medium", Goodput: 52, Saturated: true}
}

func alone() claims.Load {
	return claims.Load{Name: "alone", On: "untuned on b1.medium", Mix: "only orders", Rate: 10.8, Seconds: 2, Sent: 21, Failed: 0, Goodput: 5.5, MeanMS: 900, P50MS: 900, P95MS: 1500, P99MS: 1500, Overloaded: true}
}

func oneReplica() claims.Limit {
	return claims.Limit{On: "one replica", Goodput: 13, Saturated: true}
}

func rushOnOne() claims.Load {
	return claims.Load{Name: "rush on one", On: "one replica", Mix: "only orders", Rate: 22.8, Seconds: 4, Sent: 91, Failed: 20, TimedOut: 20, Goodput: 13, MeanMS: 1050, P50MS: 1100, P95MS: 2000, P99MS: 2001, Overloaded: true}
}

func rushOnThree() claims.Load {
	return claims.Load{Name: "rush on three", On: "three of them", Mix: "only orders", Rate: 22.8, Seconds: 4, Sent: 91, Goodput: 22.5, MeanMS: 35, P50MS: 30, P95MS: 80, P99MS: 120}
}

func single() claims.Dying {
	return claims.Dying{Load: claims.Load{Name: "one machine dies", Mix: "reads and orders", Rate: 24, Seconds: 3.5, Sent: 84, Failed: 48, Goodput: 10}, Victim: "the one machine", KilledAfter: 1.5, Accepted: 7}
}

func fleet() claims.Dying {
	return claims.Dying{Load: claims.Load{Name: "one replica dies", Mix: "reads and orders", Rate: 24, Seconds: 3.5, Sent: 84, Goodput: 24}, Victim: "one replica of three", KilledAfter: 1.5, Accepted: 15}
}

func without() claims.Queries {
	return claims.Queries{Load: claims.Load{Name: "without Redis", Mix: "browse", Rate: 35, Seconds: 3, Sent: 105, Goodput: 35}, Catalogue: 210}
}

func with() claims.Queries {
	return claims.Queries{Load: claims.Load{Name: "with Redis", Mix: "browse", Rate: 150, Seconds: 4, Sent: 600, Goodput: 150}, Catalogue: 120}
}

func inside() claims.Load {
	return claims.Load{Name: "inside the request", On: "lab 04", Mix: "only orders", Rate: 8, Seconds: 3, Sent: 24, Goodput: 7, MeanMS: 540, P50MS: 540, P95MS: 600, P99MS: 610}
}

func handed() claims.Load {
	return claims.Load{Name: "by way of RabbitMQ", On: "lab 05", Mix: "only orders", Rate: 8, Seconds: 3, Sent: 24, Goodput: 8, MeanMS: 6.1, P50MS: 6, P95MS: 9, P99MS: 11}
}

func outage() claims.Outage {
	return claims.Outage{Accepted: 24, Done: 24, Away: 9 * time.Second, DoneAfter: 4 * time.Second, Twice: 1}
}

func oneServer() claims.Limit {
	return claims.Limit{On: "one b1.nano", Goodput: 105, Saturated: true}
}

func rushOnOneServer() claims.Load {
	return claims.Load{Name: "rush on one", On: "one b1.nano", Mix: "user writes", Rate: 210, Seconds: 2.5, Sent: 525, Failed: 47, TimedOut: 47, Goodput: 110, MeanMS: 700, P50MS: 600, P95MS: 2000, P99MS: 2001, Overloaded: true}
}

func rushOnFour() claims.Load {
	return claims.Load{Name: "rush on four", On: "four of them", Mix: "user writes", Rate: 210, Seconds: 2.5, Sent: 525, Goodput: 209, MeanMS: 5, P50MS: 4, P95MS: 20, P99MS: 90}
}

func moved() claims.Moved {
	return claims.Moved{Users: 1000, Orders: 10_000, Seconds: 11, Rate: 80, Sent: 880}
}

func always() claims.Day { return claims.Day{InstanceHours: 240, Least: 10, Most: 10} }
func byPolicy() claims.Day {
	return claims.Day{InstanceHours: 112, Overloaded: 30 * time.Second, Least: 3, Most: 10}
}

func evening() claims.Evening {
	return claims.Evening{
		Load:        claims.Load{Name: "dinner", On: "everything", Mix: "dinner", Rate: 27, Seconds: 30, Sent: 810, Goodput: 27, MeanMS: 15, P50MS: 8, P95MS: 60, P99MS: 190},
		Subscribers: 100_000, PeakRate: 48, Faults: 7, Accepted: 136,
	}
}

// told returns the story of that tour.
func told() *claims.Story {
	s := &claims.Story{CPUs: 2, Seconds: 191.6}
	s.Add(claims.Peak(monolith(), calm(), peak()), claims.Index(3576, 24, 20, 1_000_000))
	s.Add(claims.Gain(untuned(), tuned()), claims.Ceiling(untuned(), alone()))
	s.Add(claims.Replicas(oneReplica(), rushOnOne(), rushOnThree()), claims.Death(single(), fleet()))
	s.Add(claims.Cache(without(), with()))
	s.Add(claims.Waiting(500*time.Millisecond, inside(), handed()), claims.Broker(handed(), outage()))
	s.Add(claims.Sharding(oneServer(), rushOnOneServer(), rushOnFour(), moved()))
	s.Add(claims.Bill(always(), byPolicy()))
	s.Add(claims.Dinner(evening()))
	return s
}

func TestAllHold(t *testing.T) {
	for _, row := range told().Rows {
		if row.Verdict != claims.Holds || len(row.Reasons) > 0 {
			t.Errorf("%s: %s, because of %q", row.Name, row.Verdict, row.Reasons)
		}
	}
}

// change returns a changed copy.
func change[T any](v T, how func(*T)) T {
	how(&v)
	return v
}

// dining returns the evening with a change.
func dining(how func(*claims.Evening)) claims.Evening { return change(evening(), how) }

func TestVerdicts(t *testing.T) {
	const mail = 500 * time.Millisecond
	late := func(l *claims.Load) { l.Doubts = []string{l.Name + ": load generator late"} }
	unsound := func(l *claims.Load) {
		l.Unsound = []string{l.Name + ": quota not in force"}
		l.Doubts = l.Unsound
	}
	mean := func(ms float64) func(*claims.Load) { return func(l *claims.Load) { l.MeanMS = ms } }
	easy := func(l *claims.Load) { l.Overloaded = false }
	open := func(l *claims.Limit) { l.Saturated = false }
	goodput := func(v float64) func(*claims.Limit) { return func(l *claims.Limit) { l.Goodput = v } }
	for name, tt := range map[string]struct {
		row  claims.Row
		want claims.Verdict
		why  string // in the reasons
	}{
		"peak, quick":                     {claims.Peak(monolith(), calm(), change(peak(), mean(390))), claims.Fails, ""},
		"peak, near":                      {claims.Peak(monolith(), calm(), change(peak(), mean(780))), claims.Untold, "near the bound of 800 ms"},
		"peak, no timeouts":               {claims.Peak(monolith(), calm(), change(peak(), func(l *claims.Load) { l.Failed, l.TimedOut = 0, 0 })), claims.Untold, "0 timeouts"},
		"peak, no overload":               {claims.Peak(monolith(), calm(), change(change(peak(), mean(20)), easy)), claims.Untold, "no overload"},
		"peak, limit unknown":             {claims.Peak(change(monolith(), open), calm(), change(peak(), mean(20))), claims.Untold, "limit is not known"},
		"peak, generator late":            {claims.Peak(monolith(), calm(), change(change(peak(), mean(20)), late)), claims.Untold, "generator late"},
		"index, no fewer pages":           {claims.Index(24, 24, 20, 1000), claims.Fails, ""},
		"index, some fewer":               {claims.Index(100, 24, 20, 1000), claims.Untold, "near the bound of 10"},
		"gain, none":                      {claims.Gain(untuned(), change(tuned(), goodput(6))), claims.Fails, ""},
		"gain, near":                      {claims.Gain(untuned(), change(tuned(), goodput(10))), claims.Untold, "near the bound of 2"},
		"gain, lower bound suffices":      {claims.Gain(untuned(), change(tuned(), open)), claims.Holds, ""},
		"gain, lower bound too low":       {claims.Gain(untuned(), change(change(tuned(), open), goodput(6))), claims.Untold, "limit is not known"},
		"gain, tuned on a busy host":      {claims.Gain(untuned(), change(tuned(), func(l *claims.Limit) { l.Doubts = []string{"host saturated"} })), claims.Holds, ""},
		"gain, untuned on a busy host":    {claims.Gain(change(untuned(), func(l *claims.Limit) { l.Doubts = []string{"host saturated"} }), tuned()), claims.Untold, "host saturated"},
		"gain, before not found":          {claims.Gain(change(untuned(), open), tuned()), claims.Untold, "limit is not known"},
		"ceiling, CPU helps":              {claims.Ceiling(untuned(), change(alone(), func(l *claims.Load) { l.Goodput = 10.8 })), claims.Fails, ""},
		"ceiling, near":                   {claims.Ceiling(untuned(), change(alone(), func(l *claims.Load) { l.Goodput = 8 })), claims.Untold, "near the bound of 1.3"},
		"ceiling, nothing answered":       {claims.Ceiling(untuned(), change(alone(), func(l *claims.Load) { l.Goodput = 0 })), claims.Untold, "near"},
		"replicas, slow":                  {claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), mean(450))), claims.Fails, ""},
		"replicas, near":                  {claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), mean(210))), claims.Untold, "near the bounds"},
		"replicas, before at ease":        {claims.Replicas(oneReplica(), change(rushOnOne(), easy), change(rushOnThree(), mean(900))), claims.Untold, "no overload"},
		"replicas, host busy":             {claims.Replicas(oneReplica(), rushOnOne(), change(change(rushOnThree(), mean(900)), late)), claims.Untold, "generator late"},
		"replicas, quick on a busy host":  {claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), late)), claims.Holds, ""},
		"replicas, quota not in force":    {claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), unsound)), claims.Untold, "quota not in force"},
		"replicas, before on a busy host": {claims.Replicas(oneReplica(), change(rushOnOne(), late), rushOnThree()), claims.Untold, "generator late"},
		"replicas, limit unknown":         {claims.Replicas(change(oneReplica(), open), rushOnOne(), rushOnThree()), claims.Holds, ""},
		"death, order lost":               {claims.Death(single(), change(fleet(), func(d *claims.Dying) { d.Lost, d.Starved = 1, true })), claims.Fails, ""},
		"death, many fail":                {claims.Death(single(), change(fleet(), func(d *claims.Dying) { d.Failed = 30 })), claims.Fails, ""},
		"death, many on a full host":      {claims.Death(single(), change(fleet(), func(d *claims.Dying) { d.Failed, d.Starved = 30, true })), claims.Untold, "no time for them"},
		"death, one fails":                {claims.Death(single(), change(fleet(), func(d *claims.Dying) { d.Failed = 1 })), claims.Untold, "too few"},
		"death, before lost none":         {claims.Death(change(single(), func(d *claims.Dying) { d.Failed = 0 }), fleet()), claims.Untold, "the load had ended before"},
		"death, no order":                 {claims.Death(single(), change(fleet(), func(d *claims.Dying) { d.Accepted = 0 })), claims.Untold, "no order was accepted"},
		"cache, half":                     {claims.Cache(without(), change(with(), func(q *claims.Queries) { q.Catalogue = 600 })), claims.Fails, ""},
		"cache, many failed":              {claims.Cache(without(), change(with(), func(q *claims.Queries) { q.Failed = 300 })), claims.Untold, "cannot be counted"},
		"cache, failures decide":          {claims.Cache(without(), change(with(), func(q *claims.Queries) { q.Catalogue, q.Failed = 350, 50 })), claims.Untold, "leave open"},
		"cache, none before":              {claims.Cache(change(without(), func(q *claims.Queries) { q.Catalogue = 0 }), with()), claims.Untold, "no query was counted"},
		"order, quick on a busy host":     {claims.Waiting(mail, change(inside(), late), change(handed(), late)), claims.Holds, ""},
		"order, slow on a busy host":      {claims.Waiting(mail, inside(), change(change(handed(), mean(520)), late)), claims.Untold, "generator late"},
		"order, still waits":              {claims.Waiting(mail, inside(), change(handed(), mean(520))), claims.Fails, ""},
		"order, between":                  {claims.Waiting(mail, inside(), change(handed(), mean(300))), claims.Untold, "300 ms"},
		"order, mail was quick":           {claims.Waiting(mail, change(inside(), mean(20)), change(handed(), mean(600))), claims.Untold, "less than its mail"},
		"broker, lost":                    {claims.Broker(handed(), change(outage(), func(o *claims.Outage) { o.Done = 23 })), claims.Fails, ""},
		"broker, not in time":             {claims.Broker(handed(), change(outage(), func(o *claims.Outage) { o.Done, o.GaveUp = 23, true })), claims.Untold, "may be late"},
		"broker, no order":                {claims.Broker(handed(), claims.Outage{}), claims.Untold, "no order was accepted"},
		"shards, no gain":                 {claims.Sharding(oneServer(), rushOnOneServer(), change(rushOnFour(), mean(650)), moved()), claims.Fails, ""},
		"shards, near":                    {claims.Sharding(oneServer(), rushOnOneServer(), change(rushOnFour(), mean(300)), moved()), claims.Untold, "near the bound"},
		"shards, quick on a busy host":    {claims.Sharding(oneServer(), rushOnOneServer(), change(rushOnFour(), late), moved()), claims.Holds, ""},
		"shards, slow on a busy host":     {claims.Sharding(oneServer(), rushOnOneServer(), change(change(rushOnFour(), mean(650)), late), moved()), claims.Untold, "generator late"},
		"shards, before at ease":          {claims.Sharding(oneServer(), change(rushOnOneServer(), easy), change(rushOnFour(), mean(690)), moved()), claims.Untold, "no overload"},
		"rise, shown":                     {claims.Live(claims.Rise{First: 5, Last: 8}), claims.Holds, ""},
		"rise, shown on a busy host":      {claims.Live(claims.Rise{First: 5, Last: 8, Doubt: "host busy"}), claims.Holds, ""},
		"rise, too many":                  {claims.Live(claims.Rise{First: 5, Last: 11}), claims.Fails, ""},
		"rise, none in time":              {claims.Live(claims.Rise{First: 5, Last: 5, Doubt: "8 should run"}), claims.Untold, "8 should run"},
		"dinner, near":                    {claims.Dinner(dining(func(e *claims.Evening) { e.MeanMS = 200 })), claims.Untold, "near the bound of 150 ms"},
		"dinner, slow":                    {claims.Dinner(dining(func(e *claims.Evening) { e.MeanMS = 400 })), claims.Fails, ""},
		"dinner, slow on a busy host":     {claims.Dinner(dining(func(e *claims.Evening) { e.MeanMS = 400; late(&e.Load) })), claims.Untold, "generator late"},
		"dinner, quick on a busy host":    {claims.Dinner(dining(func(e *claims.Evening) { late(&e.Load) })), claims.Holds, ""},
		"dinner, an order lost":           {claims.Dinner(dining(func(e *claims.Evening) { e.Wrong = 1; late(&e.Load) })), claims.Fails, ""},
		"dinner, an effect lost":          {claims.Dinner(dining(func(e *claims.Evening) { e.Late, e.Lost = 1, true })), claims.Fails, ""},
		"dinner, an effect late":          {claims.Dinner(dining(func(e *claims.Evening) { e.Late = 1 })), claims.Untold, "may be late"},
		"dinner, no order":                {claims.Dinner(dining(func(e *claims.Evening) { e.Accepted = 0 })), claims.Untold, "no order was accepted"},
		"policy, costs more":              {claims.Bill(always(), change(byPolicy(), func(d *claims.Day) { d.InstanceHours = 250 })), claims.Fails, ""},
		"policy, overloaded":              {claims.Bill(always(), change(byPolicy(), func(d *claims.Day) { d.Overloaded = time.Hour })), claims.Fails, ""},
	} {
		why := strings.Join(tt.row.Reasons, "; ")
		if tt.row.Verdict != tt.want || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %s, because of %q; want %s, because of %q", name, tt.row.Verdict, why, tt.want, tt.why)
		}
	}
}

// A row with figures that contradict each other could not be told, whatever its verdict was.
func TestContradictions(t *testing.T) {
	for name, tt := range map[string]struct {
		rows []claims.Row
		want []string // the rows that could not be told
	}{
		"more answered than asked": {
			[]claims.Row{claims.Peak(monolith(), calm(), change(peak(), func(l *claims.Load) { l.Rate = 30 }))}, []string{"peak"},
		},
		"more answered than the limit": {
			[]claims.Row{claims.Replicas(change(oneReplica(), func(l *claims.Limit) { l.Goodput = 9 }), rushOnOne(), rushOnThree())}, []string{"replicas"},
		},
		"more failed than sent": {
			[]claims.Row{claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), func(l *claims.Load) { l.Failed = 92 }))}, []string{"replicas"},
		},
		"percentiles": {
			[]claims.Row{claims.Replicas(oneReplica(), rushOnOne(), change(rushOnThree(), func(l *claims.Load) { l.P95MS = 200 }))}, []string{"replicas"},
		},
		"tuning makes it slower": {
			[]claims.Row{
				claims.Gain(untuned(), change(tuned(), func(l *claims.Limit) { l.Goodput = 5 })), claims.Ceiling(untuned(), alone()),
			}, []string{"gain", "ceiling"},
		},
	} {
		s := &claims.Story{}
		s.Add(tt.rows...)
		for _, row := range s.Rows {
			reasons := strings.Join(row.Reasons, "; ")
			if untold := row.Verdict == claims.Untold; untold != slices.Contains(tt.want, row.Name) || untold && !strings.Contains(reasons, "contradiction") {
				t.Errorf("%s: %s is %q, because of %q", name, row.Name, row.Verdict, reasons)
			}
		}
	}
}

// The table fits a terminal of 100 columns, with the longest verdict in every row and large figures.
func TestTableWidth(t *testing.T) {
	s := told()
	for i := range s.Rows {
		r := &s.Rows[i]
		if n := utf8.RuneCountInString(r.Claim); n > claims.ClaimWidth {
			t.Errorf("%s: the claim has %d characters", r.Name, n)
		}
		if n := utf8.RuneCountInString(r.Story); n > claims.StoryWidth {
			t.Errorf("%s: the story's figure has %d characters", r.Name, n)
		}
		r.Verdict = claims.Untold
		if r.Before.Unit == "pages" {
			r.Before.Value = 13_576
		}
		if r.Before.Of > 0 {
			r.Before.Value, r.After.Value = r.Before.Of, r.After.Of
		}
	}
	for line := range strings.Lines(s.Table()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > claims.TableWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestPrint(t *testing.T) {
	s := told()
	s.Add(claims.Peak(monolith(), calm(), change(peak(), func(l *claims.Load) { l.Overloaded = false })))
	var out strings.Builder
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > claims.TableWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	words := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"lab claim the story before after change verdict",
		"00 latency at the peak 800 ms 21 ms 982 ms 47x holds here",
		"00 index for histories no scan 3,576 pages 24 pages 149x holds here",
		"01 tuned, 4x the CPU a real gain 5.4/s 52/s 9.6x holds here",
		"01 4x the CPU, not tuned a ceiling 5.4/s 5.5/s 1.0x holds here",
		"02 latency, 3 replicas 800 to 200 ms 1,050 ms 35 ms 30x holds here",
		"02 lost when one dies none lost 48 of 84 0 of 84 - holds here",
		"03 catalogue queries 70 % fewer 2/request 0.2/request -90 % holds here",
		"05 placing an order no waiting 540 ms 6.1 ms 89x holds here",
		"05 orders, broker dies nothing lost 24 taken 24 of 24 - holds here",
		"04 writes on 4 shards 60 % lower 700 ms 5 ms -99 % holds here",
		"06 the bill by policy 3 to 10 240 h 112 h -53 % holds here",
		"Why not: peak: 51/s was no overload, because 34/s were answered.",
		"Load: the monolith: 6/s of dinner for 1.5 s, then 51/s of dinner for 8 s; 15 % failed.",
		"The tour took 192 s on 2 cores.",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A busy host spoils every load in the same way. One line of each kind is enough.
func TestReasonsAreBrief(t *testing.T) {
	busy := change(rushOnOne(), func(l *claims.Load) {
		l.Doubts = []string{"rush on one: host saturated: 0.00 cores idle", "rush on one: host saturated: 0.05 cores idle", "rush on one: load generator late: 9 ms"}
	})
	late := change(rushOnThree(), func(l *claims.Load) {
		l.Doubts = []string{"rush on three: host saturated: 0.01 cores idle", "rush on three: load generator late: 7 ms"}
	})
	s := &claims.Story{}
	s.Add(claims.Replicas(oneReplica(), busy, late))
	var out strings.Builder
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "Why not:"); n != 3 {
		t.Errorf("%d reasons, want 3, in\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "; and 1 more.") || strings.Contains(out.String(), "0.05 cores idle") {
		t.Errorf("the reasons are not brief:\n%s", out.String())
	}
}

// The story follows the labs, though lab 05 is played before lab 04.
func TestRowsFollowTheLabs(t *testing.T) {
	var got []string
	for _, row := range told().Rows {
		got = append(got, row.Name)
	}
	want := []string{"peak", "index", "gain", "ceiling", "replicas", "death", "cache", "shards", "order", "broker", "policy", "dinner"}
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tour.json")
	if err := told().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var again claims.Story
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if len(again.Rows) != len(told().Rows) || again.Rows[4].Loads[1].MeanMS != 35 || again.Rows[4].Limits[0].Goodput != 13 {
		t.Errorf("read back %+v", again)
	}
}

// What report --compare reads of the file is what the tour wrote.
func TestFileCanBeCompared(t *testing.T) {
	story := told()
	story.CPUs, story.Slowness, story.Began = 2, 0.5, time.Date(2026, 3, 1, 18, 30, 0, 0, time.UTC)
	story.Platform, story.Go, story.Parts = "linux/amd64", "go1.26", []string{"peak", "cache"}
	story.Rows[0].Quotas = []lab.Quota{{Container: "postgres", CPU: 0.25}}
	story.Rows[0].Charts = []chart.Chart{{Name: "queries"}}
	text, err := json.Marshal(story)
	if err != nil {
		t.Fatal(err)
	}
	var read compare.Tour
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if err := read.Validate(); err != nil {
		t.Fatal(err)
	}
	want := compare.Tour{CPUs: story.CPUs, Slowness: story.Slowness, Began: story.Began, Platform: story.Platform, Go: story.Go, Parts: story.Parts}
	for _, r := range story.Rows {
		want.Rows = append(want.Rows, compare.Row{
			Name: r.Name, Lab: r.Lab, Claim: r.Claim, Ratio: r.Ratio, Verdict: string(r.Verdict), Quotas: r.Quotas, Charts: r.Charts,
			Before: compare.Amount{Value: r.Before.Value, Of: r.Before.Of, Unit: r.Before.Unit},
			After:  compare.Amount{Value: r.After.Value, Of: r.After.Of, Unit: r.After.Unit},
		})
	}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("read  %+v\nwrote %+v", read, want)
	}
}

func TestCharts(t *testing.T) {
	slow := change(peak(), func(l *claims.Load) { l.Percentiles = []chart.Point{{X: 0, Y: 0}, {X: 50, Y: 900}, {X: 99, Y: 2000}} })
	limit := change(monolith(), func(l *claims.Limit) { l.Levels = []claims.Load{calm(), slow} })
	s := &claims.Story{}
	s.Add(claims.Peak(limit, calm(), slow), claims.Index(3576, 24, 20, 1_000_000))
	charts := s.Charts()
	names := make(map[string]bool)
	for _, c := range charts {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		if names[c.Name] {
			t.Errorf("two charts %q", c.Name)
		}
		names[c.Name] = true
	}
	if len(charts) != 2 {
		t.Errorf("%d charts, want the latencies and the limit", len(charts))
	}
	for _, p := range charts[0].Series[1].Points {
		if p.Y <= 0 {
			t.Errorf("the point %v has no logarithm", p)
		}
	}
}

// A peak may be answered better than all levels of the ramp. The chart of the limit shows it then.
func TestLimitIsOnItsChart(t *testing.T) {
	levels := []claims.Load{calm(), change(calm(), func(l *claims.Load) { l.Rate, l.Goodput = 30, 25 })}
	limit := claims.Limit{On: "the monolith", Goodput: 25, Saturated: true, Levels: levels}
	better := change(peak(), func(l *claims.Load) { l.Rate, l.Goodput = 40, 36 })
	worse := change(peak(), func(l *claims.Load) { l.Rate, l.Goodput = 50, 20 })
	for want, limit := range map[float64]claims.Limit{25: limit.With(worse), 36: limit.With(worse).With(better)} {
		if limit.Goodput != want {
			t.Errorf("a limit of %v, want %v", limit.Goodput, want)
		}
		s := &claims.Story{}
		s.Add(claims.Peak(limit, calm(), peak()))
		charts := s.Charts()
		highest, last := 0.0, 0.0
		for _, p := range charts[len(charts)-1].Series[1].Points {
			if p.X < last {
				t.Errorf("the rate %v comes after %v", p.X, last)
			}
			highest, last = max(highest, p.Y), p.X
		}
		if highest != want {
			t.Errorf("the chart ends at %v, and the limit is %v", highest, want)
		}
	}
	if len(levels) != 2 || limit.Goodput != 25 {
		t.Error("With changed the limit that it was called on")
	}
}
