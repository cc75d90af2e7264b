package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"bytebites.example/workshop/shared/workshop/lab"
)

// machine is a machine that has no idle time between two moments.
type machine struct{ busyFrom, busyTo time.Time }

func (m machine) Busiest(from, to time.Time, length time.Duration) (float64, bool) {
	if from.After(m.busyTo) || to.Before(m.busyFrom) || length <= 0 {
		return 1.5, false
	}
	return 0.02, true
}

// status is an error that carries the status of an answer.
type status int

func (s status) Error() string   { return fmt.Sprintf("status %d", int(s)) }
func (s status) StatusCode() int { return int(s) }

func TestLate(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	ask := func(client *http.Client, url string) error {
		response, err := client.Get(url) //nolint:noctx // the client's own limit is under test
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a local port
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	_ = free.Close()
	lookup := &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"a client that gives up", ask(&http.Client{Timeout: 20 * time.Millisecond}, slow.URL), true},
		{"a port where nobody listens", ask(http.DefaultClient, nobody), true},
		{"the time of a context", fmt.Errorf("GET /cart: %w", context.DeadlineExceeded), true},
		{"the time of a connection", fmt.Errorf("read: %w", os.ErrDeadlineExceeded), true},
		{"busy", fmt.Errorf("order: %w", status(503)), true},
		{"no upstream", status(502), true},
		{"no answer of the upstream", status(504), true},
		{"wrong status", fmt.Errorf("order: %w", status(500)), false},
		{"not found", status(404), false},
		{"called off", context.Canceled, false},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		{"no such host", lookup, false},
		{"any other error", errors.New("decode answer: unexpected end of JSON input"), false},
		{"two late ones", errors.Join(status(503), context.DeadlineExceeded), true},
		{"a late one and a wrong one", errors.Join(status(503), status(500)), false},
		{"with its time", &lab.RequestError{Began: time.Now(), Ended: time.Now(), Err: status(503)}, true},
		{"wrong, with its time", &lab.RequestError{Began: time.Now(), Ended: time.Now(), Err: status(500)}, false},
	} {
		if got := lab.Late(test.err); (got != lab.Waited{}) != test.want {
			t.Errorf("%s (%v): %+v, want late: %t", test.name, test.err, got, test.want)
		}
	}
	began := time.Now().Add(-time.Minute)
	got := lab.Late(fmt.Errorf("order: %w", &lab.RequestError{Began: began, Ended: began.Add(time.Second), Err: status(503)}))
	if want := (lab.Waited{From: began, To: began.Add(time.Second), Each: time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What rests on time is in doubt on a machine without idle time. What rests on a count is not.
func TestNoVerdictIsTheMachines(t *testing.T) {
	slow := &lab.Failure{Expected: "an order to be placed", Seen: "no answer", Look: lab.Look{File: "checkout.go"}, Waited: lab.Waited{Each: time.Second}}
	count := &lab.Failure{Expected: "one order", Seen: "two"}
	past := &lab.Failure{Expected: "an answer", Seen: "none", Waited: lab.Waited{From: time.Now().Add(-time.Hour), To: time.Now().Add(-50 * time.Minute), Each: time.Second}}
	late := fmt.Errorf("GET /cart: %w", context.DeadlineExceeded)
	broken := errors.New("no engine")
	now := machine{time.Now(), time.Now().Add(time.Hour)}
	then := machine{time.Now().Add(-time.Hour), time.Now().Add(-30 * time.Minute)}
	for _, test := range []struct {
		name    string
		machine lab.Machine
		err     error
		want    lab.Verdict
	}{
		{"late on an idle machine", then, slow, lab.NotYet},
		{"late on a busy machine", now, slow, lab.Inconclusive},
		{"late, and nobody watches the machine", nil, slow, lab.NotYet},
		{"late in a wait of its own", now, past, lab.NotYet},
		{"late when the machine was busy, which is idle now", then, past, lab.Inconclusive},
		{"a count on a busy machine", now, count, lab.NotYet},
		{"late, and a count", now, errors.Join(slow, count), lab.NotYet},
		{"a wrapped one", now, fmt.Errorf("3 of 9 orders: %w", slow), lab.Inconclusive},
		{"late, and the environment", now, errors.Join(slow, broken), lab.Environment},
		{"no answer on an idle machine", then, late, lab.Environment},
		{"no answer on a busy machine", now, late, lab.Inconclusive},
		{"another error on a busy machine", now, broken, lab.Environment},
	} {
		t.Run(test.name, func(t *testing.T) {
			toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{check("a", test.err)}}
			result, err := toy.Do(t.Context(), &lab.Run{Machine: test.machine})
			if err != nil {
				t.Fatal(err)
			}
			got := result.Checks[0]
			if result.Verdict != test.want || got.Verdict != test.want {
				t.Fatalf("verdict %q of %+v, want %q", result.Verdict, got, test.want)
			}
			if test.want != lab.Inconclusive {
				return
			}
			if got.Doubt == nil || got.Doubt.Remedy == "" || !strings.Contains(got.Doubt.Reason, "no idle time") || !strings.Contains(got.Doubt.Reason, test.err.Error()) {
				t.Errorf("doubt %+v, want what was seen, the machine and a remedy", got.Doubt)
			}
		})
	}
}

// The same holds for stages and gains.
func TestNoVerdictOfAStageOrGainIsTheMachines(t *testing.T) {
	slow := &lab.Failure{Expected: "a service that starts", Seen: "not ready within 30s", Waited: lab.Waited{Each: time.Second}}
	for _, test := range []struct {
		machine lab.Machine
		want    lab.Verdict
	}{
		{machine{}, lab.NotYet},
		{machine{time.Now().Add(-time.Second), time.Now().Add(time.Hour)}, lab.Inconclusive},
	} {
		stage := lab.Lab{
			Name: "00-toy", Files: fstest.MapFS{},
			Stages: []lab.Stage{{Name: "service", Start: func(context.Context, *lab.Run) (func() error, error) { return nil, slow }}},
			Checks: []lab.Check{{Name: "a", Kind: lab.Core, Needs: []string{"service"}}},
		}
		gains := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Gains: []lab.Gain{gain(lab.Measured{}, slow)}}
		for _, toy := range []lab.Lab{stage, gains} {
			result, err := toy.Do(t.Context(), &lab.Run{Machine: test.machine})
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != test.want {
				t.Errorf("verdict %q, want %q: %+v", result.Verdict, test.want, result)
			}
		}
	}
}

// The end of a run's time is no fault of the environment: the doctor would find nothing.
func TestARunWithoutTimeLeftIsInconclusive(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	toy := lab.Lab{Name: "00-toy", Files: fstest.MapFS{}, Checks: []lab.Check{{
		Name: "a", Kind: lab.Core, Run: func(ctx context.Context, _ *lab.Run) error { <-ctx.Done(); return ctx.Err() },
	}}}
	result, err := toy.Do(ctx, &lab.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Checks[0]; got.Verdict != lab.Inconclusive || !strings.Contains(got.Doubt.Remedy, "-timeout") {
		t.Errorf("got %+v, want a doubt that names more time", got)
	}
}

func TestAll(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 18, 0, second, 0, time.UTC) }
	early, later := lab.Between(at(1), at(3)), lab.Between(at(2), at(7))
	for _, test := range []struct {
		name  string
		waits []lab.Waited
		want  lab.Waited
	}{
		{"none", nil, lab.Waited{}},
		{"one", []lab.Waited{early}, early},
		{"both", []lab.Waited{later, early}, lab.Waited{From: at(1), To: at(7), Each: 2 * time.Second}},
		{"one that is certain", []lab.Waited{early, {}, later}, lab.Waited{}},
		{"the certain one first", []lab.Waited{{}, early}, lab.Waited{}},
		{"one of the whole check", []lab.Waited{early, {Each: time.Second}}, lab.Waited{Each: time.Second}},
		{"the whole check first", []lab.Waited{{Each: time.Second}, later}, lab.Waited{Each: time.Second}},
	} {
		if got := lab.All(test.waits...); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}
