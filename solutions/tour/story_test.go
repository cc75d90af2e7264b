package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/measure/probe/pgstat"
	"bytebites.example/workshop/shared/workshop/course"
	"bytebites.example/workshop/shared/workshop/lab"
)

// told returns a story with two acts and every kind of remark.
func told() *story {
	quotas := []lab.Quota{{Container: "service0", Type: "b1.small", CPU: 0.5, ThrottledShare: 0.25}}
	return &story{CPUs: 2, Seconds: 12.3, Sharding: &sharding{
		Title: "Lab 98", Type: "b1.nano", Servers: 4, SaturationGoodput: 60.4,
		One:    writeRush{Rate: 90.6, Seconds: 3, MeanMS: 765, P99MS: 2003, FailureShare: 0.25, Goodput: 59},
		Four:   writeRush{Rate: 90.6, Seconds: 3, MeanMS: 7, P99MS: 31, Goodput: 90.6},
		Move:   move{Users: 5000, Orders: 50_000, Seconds: 9.6, Rate: 80, Sent: 800, Failed: 3},
		Doubts: []string{"generator late"},
		Loss:   &loss{Dies: "one shard of four", Rate: 18, Seconds: 5, AfterSeconds: 2, Sent: 90, Failed: 7},
	}, Queue: &queueing{
		Title: "Lab 99", MailMS: 500,
		Inside:   writeRush{Rate: 20, Seconds: 3, MeanMS: 1500, P99MS: 2001, FailureShare: 0.4, Goodput: 11},
		Handed:   writeRush{Rate: 20, Seconds: 3, MeanMS: 8, P99MS: 25, Goodput: 20},
		Loss:     &loss{Dies: "RabbitMQ", Rate: 20, Seconds: 3, AfterSeconds: 1, Sent: 60, Failed: 1},
		Accepted: 59, AwaySeconds: 9.7, DoneSeconds: 3.14, MailsTwice: 2,
		Doubts: []string{"broker away"},
	}, Acts: []act{
		{
			Title: "Before", Fix: "nothing yet", Quotas: quotas,
			Levels: []level{
				{Rate: 10, Goodput: 10, MeanMS: 20, P95MS: 100, MetSLO: true},
				{Rate: 20, Goodput: 12, MeanMS: 900, P95MS: 2000, FailureShare: 0.4},
			},
			SLOCapacity: 10, SaturationGoodput: 12, Saturated: true,
			Rush: rush{Rate: 18, Seconds: 8, MeanMS: 1234, P99MS: 2100, FailureShare: 0.5, OrderMeanMS: 2345, PagesPerRequest: 3456.7},
		},
		{
			Title: "After", Fix: "an index", Quotas: quotas,
			Levels:      []level{{Rate: 10, Goodput: 10.4, MeanMS: 2, P95MS: 10, MetSLO: true}},
			SLOCapacity: 10, SaturationGoodput: 10.4,
			Rush:   rush{Rate: 18, Seconds: 8, MeanMS: 3, P99MS: 9, OrderMeanMS: 70, PagesPerRequest: 3400},
			Loss:   &loss{Dies: "its one machine", Rate: 18, Seconds: 5, AfterSeconds: 2, Sent: 90, Failed: 54},
			Doubts: []string{"host saturated"},
		},
	}}
}

// notTold returns the labs that the tour leaves out: it shows what a fix buys. Lab 06 saves instance-hours
// at the same load, and lab 07 is all fixes together.
func notTold() []string { return []string{"06-autoscale", "07-dinner-rush"} }

// The tour has a step for each other lab of the course, under its number and title.
func TestStepsAreTheCourses(t *testing.T) {
	var got, want []string
	for _, step := range steps()[1:] { // the first is the monolith
		got = append(got, step.title)
	}
	got = append(got, shardingTitle, queueTitle)
	for _, l := range course.Labs() {
		if !slices.Contains(notTold(), l.Name) {
			want = append(want, "Lab "+l.ID()+", "+l.Title)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the tour has the steps %q, the course the labs %q", got, want)
	}
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	if err := told().print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"service0 runs on b1.small: 0.5 CPU, held back in 25 % of the quota periods",
		"10.0        10.0   20 ms   100 ms     0 %  ############### ok\n",
		"20.0        12.0  900 ms  2000 ms    40 %  ##################............\n",
		"holds 10.0/s; saturates at 12.0/s",
		"saturates at more than 10.4/s",
		"in the rush, 18.0 requests/s for 8 s: mean 1234 ms, p99 2100 ms, 50 % failed",
		"take with care: host saturated",
		"an order took 2345 ms in the mean; the database read 3457 pages a request",
		"when its one machine died, after 2 s of 5: 54 of 90 requests failed",
		"  step    holds   saturates         rush mean  failed  an order  pages\n",
		"  After   10.0/s  more than 10.4/s  3 ms       0 %     70 ms     3400\n",
		"  After   its one machine    54 of 90 requests failed\n",
		"  Lab 98  one shard of four  7 of 90 requests failed\n",
		"than in the step before by\n  After  0.9 times\n",
		"a mean of 800 ms or more: here 1234 ms",
		"go tool workshop check 00",
		"A rush of writes, 91 requests/s for 3 s\n",
		"  user data on  rush mean  p99      failed  answered right\n",
		"  one b1.nano   765 ms     2003 ms  25 %    59/s\n",
		"  4 of them     7 ms       31 ms    0 %     91/s\n",
		"1.5 times what one of them takes, 60/s. In between, 5000 subscribers with 50000 orders were moved\n",
		"in 10 s, at full speed, while 80 requests/s came in: 3 of 800 failed",
		"take with care: generator late",
		"  Lab 99  RabbitMQ           1 of 60 requests failed\n",
		"Lab 99: who orders waits for no mail. Orders, 20/s for 3 s, while a mail takes 500 ms\n",
		"  inside the request     1500 ms   2001 ms  40 %    11/s\n",
		"  by way of RabbitMQ     8 ms      25 ms    0 %     20/s\n",
		"RabbitMQ died after 1 s and was away for 10 s. Of 59 accepted orders all that follows was\n",
		"done 3.1 s after it was back. Mails that came twice: 2.",
		"take with care: broker away",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tour.json")
	if err := told().writeFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var again story
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if len(again.Acts) != 2 || again.Acts[0].Rush != told().Acts[0].Rush || again.Acts[1].Doubts[0] != "host saturated" ||
		again.Sharding.Four != told().Sharding.Four || again.Sharding.Move != told().Sharding.Move ||
		again.Queue.Handed != told().Queue.Handed || *again.Queue.Loss != *told().Queue.Loss {
		t.Errorf("read back %+v", again)
	}
}

// A step that spares the database is not held against it, and neither is one that answers more.
func TestIdleStepsAreSaid(t *testing.T) {
	for name, change := range map[string]func(*act){
		"fewer pages":   func(a *act) { a.Rush.PagesPerRequest = 94 },
		"more answered": func(a *act) { a.SaturationGoodput = 20 },
	} {
		s := told()
		change(&s.Acts[1])
		var out strings.Builder
		s.printIdle(&out)
		if out.Len() > 0 {
			t.Errorf("%s: says %q", name, out.String())
		}
	}
}

func TestPace(t *testing.T) {
	first := pace{ramp: rampStart}
	second := first.after(act{SLOCapacity: 6, SaturationGoodput: 14})
	third := second.after(act{SLOCapacity: 24, SaturationGoodput: 55})
	for _, tt := range []struct{ got, want pace }{
		{second, pace{ramp: 6, rush: 14}},
		{third, pace{ramp: 24, rush: 14}},
		{third.after(act{SLOCapacity: 16, SaturationGoodput: 9}), pace{ramp: 24, rush: 14}},
		{first.after(act{SaturationGoodput: 3}), pace{ramp: 6, rush: 3}},
	} {
		if tt.got != tt.want {
			t.Errorf("pace %+v, want %+v", tt.got, tt.want)
		}
	}
}

func TestNewActCounts(t *testing.T) {
	result := load.Result{Sent: 4, Kinds: map[load.Kind]*load.KindResult{load.PlaceOrder: {Latency: load.NewHistogram()}}}
	result.Kinds[load.PlaceOrder].Latency.Record(120 * time.Millisecond)
	a := newAct(steps()[0], measure.RampResult{}, measure.RushResult{Result: result}, []pgstat.Statement{{Pages: 30}, {Pages: 12}}, nil)
	if a.Rush.PagesPerRequest != 10.5 || math.Abs(a.Rush.OrderMeanMS-120) > 1 {
		t.Errorf("%v pages a request and an order of %v ms, want 10.5 and 120", a.Rush.PagesPerRequest, a.Rush.OrderMeanMS)
	}
}

func TestStepsAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range steps() {
		key := strings.Join(s.service, " ")
		if seen[key] || seen[s.name] || s.name == "" || s.title == "" || s.fix == "" {
			t.Errorf("step %+v: twice the same service or name, or no words for it", s)
		}
		seen[key], seen[s.name] = true, true
	}
}
