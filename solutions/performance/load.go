package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bytebites.example/workshop/shared/bytebites"
	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
)

const (
	loadRounds = 5
	loadLength = 2 * time.Second
	// loadConnections is the number of connections of wrk and of hey. Each sends its next request when
	// it has the answer to the one before (closed loop).
	loadConnections = 5
	// loadDelay is the usual time of an answer. One in five takes four times as long, so the mean is
	// 32 ms. A closed loop of five connections sends some 155 requests a second.
	loadDelay = "20ms"
	// heyRate is in requests a second for each of hey's connections. It is less than a connection can
	// send, so hey waits for its schedule as an open loop does.
	heyRate = 10
)

// seen is what a load generator reports of one run.
type seen struct {
	rate             float64 // completed requests a second
	mean, p50, p95   float64 // milliseconds
	requests, failed int
}

func tools() []string { return []string{"wrk", "hey"} }

// generators measures one endpoint with the workshop's load generator, and with wrk and hey. The
// endpoint waits for a known time and then answers, so no generator can change how busy the server
// is. Wrk has no rate, so it goes first, and the workshop's generator sends at the rate that wrk
// reached. Hey sends at a rate below that of a closed loop.
func generators(ctx context.Context, s stand, b *block) (err error) {
	for _, tool := range tools() {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w\nnext: apt-get install wrk hey", err)
		}
	}
	scratch, err := os.MkdirTemp("", "performance-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	script := filepath.Join(scratch, "report.lua")
	if err := os.WriteFile(script, []byte(wrkReport), 0o600); err != nil {
		return fmt.Errorf("write script for wrk: %w", err)
	}
	bed, err := testbed.Start(ctx, testbed.Options{Progress: s.report})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	service, err := bed.Service(ctx, testbed.ServiceOptions{Name: "waiting", Package: plain, Env: map[string]string{"BARE_DELAY": loadDelay}})
	if err != nil {
		return err
	}
	const meal = "m0001"
	url := service.URL() + "/meals/" + meal
	ours := load.Generator{
		Target: service.URL(), Seed: 1, Population: load.Population{Meals: []bytebites.MealID{meal}},
		Mix: load.Mix{Name: "one meal", Skew: 2, Shares: []load.Share{{Kind: load.ShowMeal, Weight: 1}}},
	}
	var besideWrk, wrks, besideHey, heys []seen
	for range loadRounds {
		theirs, err := wrk(ctx, script, url)
		if err != nil {
			return err
		}
		mine, err := hit(ctx, ours, theirs.rate)
		if err != nil {
			return err
		}
		wrks, besideWrk = append(wrks, theirs), append(besideWrk, mine)
		if theirs, err = hey(ctx, url); err != nil {
			return err
		}
		if mine, err = hit(ctx, ours, loadConnections*heyRate); err != nil {
			return err
		}
		heys, besideHey = append(heys, theirs), append(besideHey, mine)
	}
	b.ratios = append(b.ratios, besideTool("wrk", besideWrk, wrks)...)
	b.ratios = append(b.ratios, besideTool("hey", besideHey, heys)...)
	return nil
}

// figure is something that every load generator reports.
type figure struct {
	name, unit string
	of         func(seen) float64
}

func figures() []figure {
	return []figure{
		{"rate", "requests/s", func(s seen) float64 { return s.rate }},
		{"mean latency", "ms", func(s seen) float64 { return s.mean }},
		{"median latency", "ms", func(s seen) float64 { return s.p50 }},
		{"95th percentile", "ms", func(s seen) float64 { return s.p95 }},
	}
}

// beside is the name of the row that compares a figure with a tool's.
func (f figure) beside(tool string) string { return "load generator, " + f.name + ", against " + tool }

// besideTool compares the figures of the workshop's generator with those of a tool.
func besideTool(tool string, ours, theirs []seen) (rows []ratio) {
	for _, f := range figures() {
		var a, b []float64
		for i := range ours {
			a, b = append(a, f.of(ours[i])), append(b, f.of(theirs[i]))
		}
		rows = append(rows, compare(f.beside(tool), f.unit, a, b, "0.95 to 1.05"))
	}
	return rows
}

// hit sends requests with the workshop's generator.
func hit(ctx context.Context, generator load.Generator, rate float64) (seen, error) {
	r, err := generator.Hit(ctx, rate, loadLength)
	if err != nil {
		return seen{}, err
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	return seen{
		rate: r.Goodput(), requests: r.Sent, failed: r.Failed,
		mean: ms(r.Latency.Mean()), p50: ms(r.Latency.Quantile(0.5)), p95: ms(r.Latency.Quantile(0.95)),
	}.checked("the load generator")
}

// checked returns an error when requests failed, because then the latencies are not comparable.
func (s seen) checked(tool string) (seen, error) {
	if s.failed > 0 || s.requests == 0 || math.IsNaN(s.mean) {
		return seen{}, fmt.Errorf("%d of %d requests of %s failed", s.failed, s.requests, tool)
	}
	return s, nil
}

// wrkReport has wrk print one line of numbers: requests, failures and microseconds of the run. The
// mean, the median and the 95th percentile of the latency follow, in microseconds.
const wrkReport = `done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %.3f %d %d\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    summary.duration, latency.mean, latency:percentile(50), latency:percentile(95)))
end
`

// wrk runs wrk with the report script.
func wrk(ctx context.Context, script, url string) (seen, error) {
	out, err := command(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(loadConnections),
		"--duration", strconv.Itoa(int(loadLength.Seconds())), "--script", script, url)
	if err != nil {
		return seen{}, err
	}
	_, line, found := strings.Cut(out, "figures ")
	var s seen
	var micros float64
	if _, err := fmt.Sscan(line, &s.requests, &s.failed, &micros, &s.mean, &s.p50, &s.p95); err != nil || !found {
		return seen{}, fmt.Errorf("read report of wrk: %q: %w", out, err)
	}
	s.rate = float64(s.requests) / micros * 1e6
	s.mean, s.p50, s.p95 = s.mean/1000, s.p50/1000, s.p95/1000
	return s.checked("wrk")
}

// hey runs hey and computes its figures from the list of its requests.
func hey(ctx context.Context, url string) (seen, error) {
	out, err := command(ctx, "hey", "-c", strconv.Itoa(loadConnections), "-q", strconv.Itoa(heyRate), "-z", loadLength.String(), "-o", "csv", url)
	if err != nil {
		return seen{}, err
	}
	return heyFigures(out)
}

// heyFigures reads hey's list of requests, which begins with a header. The first column is the time of
// the answer in seconds, the seventh the status, and the eighth the second of sending.
func heyFigures(list string) (seen, error) {
	lines, err := csv.NewReader(strings.NewReader(list)).ReadAll()
	if err != nil {
		return seen{}, fmt.Errorf("read list of hey: %w", err)
	}
	latencies := load.NewHistogram()
	var s seen
	var ended float64
	for i, line := range lines {
		if i == 0 {
			continue
		}
		took, err := strconv.ParseFloat(line[0], 64)
		if err != nil {
			return seen{}, fmt.Errorf("read list of hey, line %d: %w", i+1, err)
		}
		offset, err := strconv.ParseFloat(line[7], 64)
		if err != nil {
			return seen{}, fmt.Errorf("read list of hey, line %d: %w", i+1, err)
		}
		s.requests++
		if line[6] != "200" {
			s.failed++
		}
		ended = max(ended, offset+took)
		latencies.Record(time.Duration(took * float64(time.Second)))
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	s.rate = float64(s.requests) / ended
	s.mean, s.p50, s.p95 = ms(latencies.Mean()), ms(latencies.Quantile(0.5)), ms(latencies.Quantile(0.95))
	return s.checked("hey")
}

// command runs a program and returns what it printed.
func command(ctx context.Context, name string, words ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, words...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %s: %w: %.300s", name, err, out)
	}
	return string(out), nil
}
