package dinner_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"bytebites.example/workshop/labs/07-dinner-rush/dinner"
	"bytebites.example/workshop/labs/07-dinner-rush/plan"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/solutions/02-horizontal"
	"bytebites.example/workshop/solutions/03-cache"
	"bytebites.example/workshop/solutions/04-sharding"
	"bytebites.example/workshop/solutions/06-autoscale"
	rush "bytebites.example/workshop/solutions/07-dinner-rush"
)

func TestDinner(t *testing.T) {
	bed := testbed.ForTest(t)
	text := rush.Plan()
	var err error
	if alt := os.Getenv("PLAN"); alt != "" {
		text, err = os.ReadFile(alt)
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := plan.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	say := func(line string) { fmt.Fprintf(os.Stderr, "%6.1f %s\n", time.Since(began).Seconds(), line) }
	s, err := dinner.Open(t.Context(), bed, dinner.Options{
		Plan: p, Program: dinner.Program{Package: "./solutions/service", Args: []string{"--through", "05"}},
		Router: sharding.NewRouter(), Policy: scaling.Desired, Nginx: horizontal.NginxConf(), Redis: cache.RedisConf(),
		Size: seed.Full(), People: 100, MailDelay: 60 * time.Millisecond, Progress: say,
	})
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	length := 90 * time.Second
	if l := os.Getenv("LENGTH"); l != "" {
		length, _ = time.ParseDuration(l)
	}
	say("dinner")
	seen, err := s.Play(t.Context(), length, dinner.Announced(length))
	if err != nil {
		t.Fatal(err)
	}
	say("played")
	books, err := s.CloseBooks(t.Context(), seen)
	if err != nil {
		t.Fatal(err)
	}
	say("closed")
	r := seen.Result
	say(fmt.Sprintf("sent %d failed %d %v mean %v p95 %v p99 %v idle %.2f client %v late99 %v", r.Sent, r.Failed, r.Failures, r.Latency.Mean(), r.Latency.Quantile(.95), r.Latency.Quantile(.99), r.Host.IdleCores(), r.Host.ClientCPU, r.Lateness.Quantile(.99)))
	for _, e := range seen.Events {
		say(fmt.Sprint(e))
	}
	for _, q := range r.Requests {
		if q.Cause != "" {
			say(fmt.Sprintf("failed at %.2f after %.2f: %s %s", q.Intended.Seconds(), q.Latency.Seconds(), q.Kind, q.Cause))
		}
	}
	for s0 := time.Duration(0); s0 < length; s0 += 3 * time.Second {
		var n int
		var sum time.Duration
		var worst time.Duration
		for _, q := range r.Requests {
			if q.Intended >= s0 && q.Intended < s0+3*time.Second {
				n++
				sum += q.Latency
				worst = max(worst, q.Latency)
			}
		}
		say(fmt.Sprintf("%3.0f s: %3d requests, mean %v, worst %v", s0.Seconds(), n, sum/time.Duration(max(n, 1)), worst))
	}
	say(fmt.Sprint(seen.Counts))
	say(fmt.Sprint(seen.Running, seen.ReplicaHours(), p.Price(dinner.Evening, seen.ReplicaHours())))
	for _, u := range seen.Usage {
		line := fmt.Sprintf("%3.0f", u.At.Seconds())
		sum := 0.0
		for _, part := range dinner.Parts() {
			line += fmt.Sprintf(" %s %.3f (%.0f%%)", part, u.Used[part], 100*u.Share[part])
			sum += u.Used[part]
		}
		say(line + fmt.Sprintf(" all %.2f", sum))
	}
	say(fmt.Sprintf("%+v", seen.Release))
	say(fmt.Sprintf("accepted %d unknown %d oos %d orders %d again %d drained %v missing %d", books.Accepted, books.Unknown, books.OutOfStock, len(books.Orders), books.Again, books.Drained, books.Missing))
	say(fmt.Sprint("wrong ", books.Wrong))
	say(fmt.Sprint("stock ", books.Stock))
	say(fmt.Sprint("undone ", books.Undone))
}
