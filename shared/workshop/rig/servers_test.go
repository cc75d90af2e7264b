package rig_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"bytebites.example/workshop/shared/measure/load"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/workshop/lab"
	"bytebites.example/workshop/shared/workshop/rig"
)

func TestLearnersFault(t *testing.T) {
	compile := &gobuild.CompileError{Package: "./labs/00-baseline/service", Output: "undefined: Answers"}
	start := func(kind string) error {
		return &testbed.StartError{Server: "a", Kind: kind, Err: errors.New("ended with exit code 1")}
	}
	broken := errors.New("restore CPU quota of db: no such container")
	for _, test := range []struct {
		name string
		err  error
		want lab.Verdict
	}{
		{"nothing", nil, lab.Pass},
		{"code that does not compile", fmt.Errorf("build: %w", compile), lab.NotYet},
		{"a service that ends", fmt.Errorf("warm up: %w", start("service")), lab.NotYet},
		{"an nginx that ends", start("nginx"), lab.NotYet},
		{"a database that ends", start("postgres"), lab.Environment},
		{"a wrong answer", fmt.Errorf("warm up: %w", &load.AnswerError{Request: "GET /meals", Expected: "each meal once", Seen: "m1 again"}), lab.NotYet},
		{"another error", broken, lab.Environment},
		{"a service that ends, and the environment", errors.Join(start("service"), broken), lab.Environment},
		{"the environment, and a service that ends", fmt.Errorf("warm up: %w", errors.Join(broken, start("service"))), lab.Environment},
		{"a service that ends, and an nginx", errors.Join(start("service"), start("nginx")), lab.NotYet},
	} {
		if got := lab.Classify(rig.LearnersFault(test.err, lab.Look{File: "answers.go"})); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// A service that was not ready in time may have waited for the machine. One that ended did not.
func TestStartInTimeRestsOnTime(t *testing.T) {
	late := &testbed.LateError{What: "not ready", Within: 30 * time.Second, Err: errors.New("status 503")}
	for err, want := range map[error]time.Duration{
		late:                                 30 * time.Second,
		errors.New("ended with exit code 1"): 0,
	} {
		var failure *lab.Failure
		if !errors.As(rig.LearnersFault(&testbed.StartError{Server: "a", Kind: "service", Err: err}, lab.Look{}), &failure) {
			t.Fatalf("%v: no failure", err)
		}
		if got := failure.Waited.Each.Round(time.Second); got != want {
			t.Errorf("%v: waited for %s, want %s", err, got, want)
		}
	}
	if got := lab.Late(fmt.Errorf("start: %w", late)); got == (lab.Waited{}) {
		t.Error("a server that is not ready in time is not late")
	}
}

func TestLateLoad(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	load1 := load.Result{Started: began, Elapsed: 3 * time.Second, Failed: 2, Failures: map[string]int{load.CauseTimeout: 1, "status 503": 1}}
	load2 := load.Result{Started: began.Add(time.Minute), Elapsed: 4 * time.Second}
	wrong := load.Result{Started: began, Failed: 2, Failures: map[string]int{load.CauseTimeout: 1, "answer": 1}}
	want := lab.Waited{From: began, To: began.Add(time.Minute + 4*time.Second), Each: load.DefaultTimeout}
	if got := rig.LateLoad(load1, load2); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, loads := range map[string][]load.Result{"none failed": {load2}, "a wrong answer": {load1, wrong}, "no load": nil} {
		if got := rig.LateLoad(loads...); got != (lab.Waited{}) {
			t.Errorf("%s: got %+v, want no wait", name, got)
		}
	}
}

// An answer that says that the service has no time is as late as none.
func TestAskSaysWhatIsLate(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/never" {
			<-r.Context().Done()
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	client := &http.Client{Timeout: 50 * time.Millisecond}
	for want, path := range map[int]string{200: "/", 404: "/", 500: "/", 503: "/", 502: "/"} {
		status = want
		a, err := rig.Ask(t.Context(), client, server.URL, rig.Request{Method: http.MethodGet, Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if late := a.Waited() != (lab.Waited{}); late != lab.LateStatus(want) {
			t.Errorf("status %d: late %t", want, late)
		}
	}
	began := time.Now()
	_, err := rig.Ask(t.Context(), client, server.URL, rig.Request{Method: http.MethodGet, Path: "/never"})
	if got := lab.Late(err); got.From.Before(began) || got.Each < 50*time.Millisecond || got.Each > 10*time.Second {
		t.Errorf("%v: waited %+v, want about 50ms", err, got)
	}
}
