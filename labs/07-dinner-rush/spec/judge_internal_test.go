package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/measure/chart"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/workshop/lab"
)

// goodRush is a rush that all live checks accept: 3,000 requests of 20 ms in 30 s.
func goodRush() rushSeen {
	began := time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)
	s := rushSeen{Seen: dinner.Seen{
		Length: 30 * time.Second, Began: began, Ended: began.Add(31 * time.Second),
		Release: dinner.Release{Said: "the map names server 4", Before: 3, After: 3},
		Running: []dinner.Running{{At: 0, Replicas: 3}},
	}}
	for _, f := range dinner.Announced(s.Length) {
		s.Events = append(s.Events, dinner.Event{Kind: f.Kind, From: f.At, To: f.At + time.Second})
	}
	s.Result = load.Result{Latency: load.NewHistogram(), Sent: 3000}
	for i := range 3000 {
		s.Result.Requests = append(s.Result.Requests, load.RequestResult{Intended: time.Duration(i) * 10 * time.Millisecond, Latency: 20 * time.Millisecond})
		s.Result.Latency.Record(20 * time.Millisecond)
	}
	s.books = dinner.Books{Accepted: 1, Orders: []dinner.Entry{{Placed: began.Add(time.Second), Done: map[bytebites.Effect]time.Time{
		bytebites.EffectEmail: began.Add(2 * time.Second), bytebites.EffectLedger: began.Add(2 * time.Second), bytebites.EffectRecommendation: began.Add(5 * time.Second),
	}}}}
	return s
}

// fail makes n requests fail from a time on.
func (s *rushSeen) fail(at time.Duration, n int, cause string) {
	for i := range s.Result.Requests {
		if r := &s.Result.Requests[i]; r.Intended >= at && n > 0 {
			r.Cause = cause
			n--
		}
	}
}

// at returns when a fault begins.
func (s rushSeen) at(kind dinner.Kind) time.Duration {
	for _, e := range s.Events {
		if e.Kind == kind {
			return e.From
		}
	}
	return 0
}

func TestLiveChecks(t *testing.T) {
	checks := map[string]func(rushSeen) error{
		"ledger": rushSeen.ledger, "effects": rushSeen.effects, "few failures": rushSeen.fewFailures,
		"rolled back": rushSeen.rolledBack, "what ran": rushSeen.whatRan, "mean latency": rushSeen.meanLatency,
	}
	for name, test := range map[string]struct {
		change  func(*rushSeen)
		rejects string // names of checks
	}{
		"a good rush":          {func(*rushSeen) {}, ""},
		"an order is lost":     {func(s *rushSeen) { s.books.Wrong = []string{"order x"} }, "ledger"},
		"a portion is missing": {func(s *rushSeen) { s.books.Stock = []string{"m0001"} }, "ledger"},
		"no order at all":      {func(s *rushSeen) { s.books.Accepted = 0 }, "ledger"},
		"a mail is missing":    {func(s *rushSeen) { s.books.Undone = []dinner.Undone{{What: "no mail"}} }, "effects"},
		"a dear evening":       {func(s *rushSeen) { s.price = ceilingDollars + 0.01 }, "what ran"},
		"two failures":         {func(s *rushSeen) { s.fail(0, 2, "status 503") }, ""},
		"three failures":       {func(s *rushSeen) { s.fail(0, 3, "status 503") }, "few failures"},
		"failures in a window": {func(s *rushSeen) { s.fail(s.at(dinner.ShardPaused), 150, "status 503") }, ""},
		"failures without a broker": {func(s *rushSeen) { s.fail(s.at(dinner.BrokerRestarted), 3, "status 503") },
			"few failures"},
		"one failure in the deployment": {func(s *rushSeen) { s.fail(s.at(dinner.BadDeployment)+100*time.Millisecond, 1, "status 502") },
			"rolled back"},
		"the release served":      {func(s *rushSeen) { s.Release.Served = true }, "rolled back"},
		"the release stayed":      {func(s *rushSeen) { s.Release.Left = 1 }, "rolled back"},
		"no replica was left":     {func(s *rushSeen) { s.Release.After = 0 }, "rolled back"},
		"slow, with some timeout": {func(s *rushSeen) { s.Result.Latency.Record(2 * time.Minute) }, ""},
		"slow": {func(s *rushSeen) {
			for range 300 {
				s.Result.Latency.Record(2 * time.Second)
			}
		}, "mean latency"},
	} {
		t.Run(name, func(t *testing.T) {
			s := goodRush()
			test.change(&s)
			for check, judge := range checks {
				var failure *lab.Failure
				err := judge(s)
				rejected := errors.As(err, &failure)
				if err != nil && !rejected || rejected != (check == test.rejects) {
					t.Errorf("%s: %v", check, err)
				}
			}
		})
	}
}

func TestFailuresForWantOfTime(t *testing.T) {
	s := goodRush()
	s.fail(0, 5, "status 503")
	var failure *lab.Failure
	if err := s.fewFailures(); !errors.As(err, &failure) || failure.Waited.Each == 0 {
		t.Errorf("five answers with status 503: %v, want a failure that rests on time", err)
	}
	s.fail(s.Length/2, 2, load.CauseConnection)
	if err := s.fewFailures(); !errors.As(err, &failure) || failure.Waited.Each == 0 {
		t.Errorf("besides, two connections were cut: %v, want a failure that rests on time", err)
	}
	s.fail(s.Length/2, 3, load.CauseConnection)
	if err := s.fewFailures(); !errors.As(err, &failure) || failure.Waited.Each != 0 {
		t.Errorf("three connections were cut: %v, want a failure that does not rest on time", err)
	}
	s.fail(0, 100, "status 503")
	if err := s.fewFailures(); !errors.As(err, &failure) || failure.Waited.Each == 0 {
		t.Errorf("five connections were cut and 105 answers late: %v, want a failure that rests on time", err)
	}
	s = goodRush()
	s.fail(0, 5, "status 503")
	s.fail(time.Second, 1, load.CauseMixedUp)
	if err := s.fewFailures(); !errors.As(err, &failure) || failure.Waited.Each != 0 {
		t.Errorf("an answer to another request: %v, want a failure that does not rest on time", err)
	}
}

// A busy machine keeps a part away from its quota. So a part that is at its quota for long is too small, on any
// machine.
func TestAPartThatIsTooSmallIsBlamed(t *testing.T) {
	for name, test := range map[string]struct {
		part dinner.Part
		full int // samples of 15 with the part at its quota
		want bool
	}{
		"a shard for six seconds":       {dinner.Shards, 3, true},
		"a shard for four seconds":      {dinner.Shards, 2, false},
		"the workers, which none await": {dinner.Workers, 15, false},
	} {
		s := goodRush()
		s.fail(0, 5, "status 503")
		for i := range 15 {
			share := 0.5
			if i < test.full {
				share = 0.97
			}
			s.Usage = append(s.Usage, dinner.Sample{At: time.Duration(i) * 2 * time.Second, Share: map[dinner.Part]float64{test.part: share}})
		}
		var failure *lab.Failure
		if err := s.fewFailures(); !errors.As(err, &failure) || (failure.Waited.Each == 0) != test.want ||
			strings.Contains(failure.Look.Hint, string(test.part)) != test.want {
			t.Errorf("%s: %v, which rests on time: %t; want it blamed: %t", name, err, failure.Waited.Each > 0, test.want)
		}
	}
}

func TestUndoneEffectsRestOnTimeWhenEachDoes(t *testing.T) {
	late, doubled := dinner.Undone{What: "late", Waited: lab.Last(time.Minute)}, dinner.Undone{What: "booked twice"}
	for name, test := range map[string]struct {
		undone []dinner.Undone
		want   bool
	}{
		"late":             {[]dinner.Undone{late, late}, true},
		"doubled":          {[]dinner.Undone{doubled}, false},
		"late and doubled": {[]dinner.Undone{late, doubled}, false},
	} {
		s := goodRush()
		s.books.Undone = test.undone
		var failure *lab.Failure
		if err := s.effects(); !errors.As(err, &failure) || (failure.Waited.Each > 0) != test.want {
			t.Errorf("%s: %v, which waited for %v", name, err, failure.Waited.Each)
		}
	}
}

func TestStretchIsPartOfTheCurve(t *testing.T) {
	part := aroundPeak(timedLength)
	const length = slicesAroundPeak * sliceLength
	n := part.Count(length)
	if whole := part.curve.Count(timedLength); n == 0 || n >= whole {
		t.Fatalf("%d requests of %d", n, whole)
	}
	first := part.curve.Count(part.from)
	for i := range n {
		if got, want := part.At(i), part.curve.At(first+i)-part.from; got != want || got < 0 || got >= length {
			t.Fatalf("request %d at %v, want %v", i, got, want)
		}
	}
	if low, high := part.Rate(0), part.Rate(length/2); low <= part.curve.Base || high != part.curve.Peak {
		t.Errorf("from %v to %v requests/s, want the peak of %v in the middle", low, high, part.curve.Peak)
	}
}

// busyMachine has no idle time in the first slice.
type busyMachine struct{ began time.Time }

func (m busyMachine) Busiest(from, _ time.Time, _ time.Duration) (float64, bool) {
	return 0.01, from.Equal(m.began)
}

func TestObservations(t *testing.T) {
	began := time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)
	o := observations{machine: busyMachine{began.Add(10 * time.Second)}, began: began, from: 10 * time.Second, requests: []load.RequestResult{
		{Intended: 9 * time.Second, Latency: time.Hour},
		{Intended: 10 * time.Second, Latency: 10 * time.Millisecond},
		{Intended: 11 * time.Second, Latency: 30 * time.Millisecond},
		{Intended: 13 * time.Second, Latency: 50 * time.Millisecond},
	}}
	first, err := o.next(t.Context())
	if err != nil || first.Value != 20 || first.Validity.OK {
		t.Errorf("first slice: %+v, %v; want 20 ms on a busy machine", first, err)
	}
	second, err := o.next(t.Context())
	if err != nil || second.Value != 50 || !second.Validity.OK {
		t.Errorf("second slice: %+v, %v; want 50 ms", second, err)
	}
	o.taken = slicesAroundPeak
	var doubt *lab.Doubt
	if _, err := o.next(t.Context()); !errors.As(err, &doubt) {
		t.Errorf("after the last slice: %v, want a doubt", err)
	}
}

func TestSmaller(t *testing.T) {
	for _, test := range []struct {
		now     instance.Type
		busiest float64
		want    string
	}{
		{instance.Medium(), 0.05, "b1.nano"},   // 50 % of a nano
		{instance.Medium(), 0.10, "b1.micro"},  // 100 % of a nano, 40 % of a micro
		{instance.Small(), 0.35, ""},           // 70 % of a micro
		{instance.Small(), 0.34, "b1.micro"},   // 68 %
		{instance.Nano(), 0.01, ""},            // there is none
		{instance.Medium(), 0.349, "b1.small"}, // 69.8 %
	} {
		if got, ok := smaller(test.now, test.busiest); got.Name != test.want || ok != (test.want != "") {
			t.Errorf("%s at %.0f %%: %q, want %q", test.now.Name, 100*test.busiest, got.Name, test.want)
		}
	}
}

// A part that stands behind failed requests has less to do than it must hold.
func TestNoSmallerTypeIsNamedWhenTooManyFail(t *testing.T) {
	p, err := (&trial{subject: Subject{Plan: []byte(smallPlan)}}).planned()
	if err != nil {
		t.Fatal(err)
	}
	s := goodRush()
	s.Usage = []dinner.Sample{{Share: map[dinner.Part]float64{dinner.Catalogue: 0.01}}}
	if text := string(s.parts(p)); strings.Contains(text, "not told") || !strings.Contains(text, "b1.nano  ") {
		t.Errorf("no smaller type after a good rush:\n%s", text)
	}
	s.fail(0, 5, "status 503")
	if text := string(s.parts(p)); strings.Count(text, "not told") != len(dinner.Parts()) {
		t.Errorf("smaller types after a rush in which too many requests failed:\n%s", text)
	}
}

func TestBacklogAndCharts(t *testing.T) {
	s := goodRush()
	for at, want := range map[time.Duration]int{0: 0, 1500 * time.Millisecond: 1, 4 * time.Second: 1, 6 * time.Second: 0} {
		if got := s.backlog(at)[bytebites.EffectRecommendation]; got != want {
			t.Errorf("after %v: %d orders without a week, want %d", at, got, want)
		}
	}
	p, err := (&trial{subject: Subject{Plan: []byte(smallPlan)}}).planned()
	if err != nil {
		t.Fatal(err)
	}
	charts := s.charts(p)
	if len(charts) != 7 {
		t.Errorf("%d charts, want 7", len(charts))
	}
	if !slices.ContainsFunc(charts, func(c chart.Chart) bool { return c.Y.Name == "queries" && len(c.Series) == 2 }) {
		t.Error("no chart shows the queries of the catalogue and of the shards")
	}
	for _, c := range charts {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		if len(c.Marks) != len(s.Events) {
			t.Errorf("%s has %d marks, want one for each of %d faults", c.Name, len(c.Marks), len(s.Events))
		}
	}
	if text := string(s.table()); !strings.Contains(text, string(dinner.ShardPaused)) || strings.Count(text, "\n") < 30 {
		t.Errorf("the table has no faults or too few seconds:\n%s", text)
	}
}

const smallPlan = `
replicas: {type: b1.nano, count: 3}
catalogue: {type: b1.small}
shards: {type: b1.nano, count: 2}
workers: {type: b1.micro, count: 2}
cache: {type: b1.nano, memory: 32MiB}
`
