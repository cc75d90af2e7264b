package scaler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/balancer"
	"bytebites.example/workshop/shared/testbed/scaler"
)

// fakeEngine answers the questions of a bed and of a fleet as a Docker engine does.
type fakeEngine struct {
	mu         sync.Mutex
	containers []map[string]any
	used       map[string]time.Duration // CPU time, by container id
	read       time.Time                // of the counters
	late       map[string]bool          // containers whose counters are not answered; "list" for the list
	filters    string                   // of the last list
	acts       []string                 // stops, removals and published lists
}

func newEngine() *fakeEngine {
	return &fakeEngine{used: make(map[string]time.Duration), late: make(map[string]bool), read: time.Now()}
}

func (e *fakeEngine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *fakeEngine) hangs(what string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.late[what]
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") { // such as /v1.44/containers/json
		path = path[strings.Index(path[1:], "/")+1:]
	}
	answer := func(value any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value)
	}
	id, isStats := strings.CutSuffix(strings.TrimPrefix(path, "/containers/"), "/stats")
	stopped, isStop := strings.CutSuffix(id, "/stop")
	switch {
	case path == "/_ping":
		w.Header().Set("Api-Version", "1.44")
	case path == "/version":
		answer(map[string]string{"Os": "linux", "Arch": "amd64", "ApiVersion": "1.44"})
	case path == "/networks/create":
		w.WriteHeader(http.StatusCreated)
		answer(map[string]string{"Id": "net"})
	case path == "/networks":
		answer([]any{})
	case path == "/volumes":
		answer(map[string]any{"Volumes": []any{}})
	case path == "/networks/net" && r.Method == http.MethodGet:
		// The bed listens on the gateway of its subnet when it runs in a container.
		answer(map[string]any{"IPAM": map[string]any{"Config": []any{map[string]string{"Subnet": "127.0.0.0/24"}}}})
	case path == "/networks/net":
		w.WriteHeader(http.StatusNoContent)
	case path == "/containers/json":
		if e.hangs("list") {
			<-r.Context().Done()
			return
		}
		e.set(func() {
			e.filters = r.URL.Query().Get("filters")
			answer(e.containers)
		})
	case isStats:
		if e.hangs(id) {
			<-r.Context().Done()
			return
		}
		e.set(func() {
			answer(map[string]any{"read": e.read, "cpu_stats": map[string]any{"cpu_usage": map[string]any{"total_usage": e.used[id]}}})
		})
	case isStop:
		e.set(func() { e.acts = append(e.acts, "stop "+stopped) })
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete && strings.HasPrefix(path, "/containers/"):
		e.set(func() {
			e.acts = append(e.acts, "remove "+id)
			e.containers = slices.DeleteFunc(e.containers, func(c map[string]any) bool { return c["Id"] == id })
		})
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, fmt.Sprintf(`{"message": "unexpected %s %s"}`, r.Method, path), http.StatusNotImplemented)
	}
}

// serve makes the bed of this test use the fake engine.
func (e *fakeEngine) serve(t *testing.T) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: e}
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	for _, name := range []string{"DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} { // the bed removes them
		t.Setenv(name, "")
	}
	t.Setenv("DOCKER_HOST", "unix://"+socket)
}

func (e *fakeEngine) add(bed *testbed.Bed, name, state string) {
	c := map[string]any{"Id": "id-" + name, "Names": []string{"/bytebites-" + bed.ID() + "-" + name}, "State": state}
	if state == "running" {
		c["Ports"] = []any{map[string]any{"PrivatePort": testbed.ServicePort, "PublicPort": 12345, "Type": "tcp"}}
		c["NetworkSettings"] = map[string]any{"Networks": map[string]any{
			"bytebites-" + bed.ID(): map[string]string{"IPAddress": "127.0.0.9"},
		}}
	}
	e.set(func() { e.containers = append(e.containers, c) })
}

// Publish notes a list of the balancer, see balancer.Publisher.
func (e *fakeEngine) Publish(_ context.Context, list []byte) error {
	e.set(func() {
		e.acts = append(e.acts, fmt.Sprintf("list of %d", strings.Count(string(list), "server 127.0.0.9")))
	})
	return nil
}

// Probe finds every replica ready, see balancer.Prober.
func (e *fakeEngine) Probe(context.Context, string) error { return nil }

// acted returns what the engine and the balancer were told since the last call.
func (e *fakeEngine) acted() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	acts := e.acts
	e.acts = nil
	return acts
}

// containersOn returns a fleet on a bed of the fake engine, and its balancer.
func containersOn(t *testing.T, e *fakeEngine) (*testbed.Bed, *balancer.Controller, *scaler.Containers) {
	t.Helper()
	e.serve(t)
	bed, err := testbed.Start(t.Context(), testbed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := balancer.New(balancer.Config{
		Publisher: e, Prober: e, Policy: balancer.Policy{Interval: 20 * time.Millisecond, Timeout: 10 * time.Millisecond, Rise: 1, Fall: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	fleet, err := scaler.NewContainers(scaler.ContainersOptions{
		Bed: bed, Name: "web", Balancer: b, Service: testbed.ServiceOptions{Package: "./none", Type: instance.Micro()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bed, b, fleet
}

// TestContainersDrainInOrder: nginx has the list without the replica before it is told to stop.
func TestContainersDrainInOrder(t *testing.T) {
	e := newEngine()
	bed, b, fleet := containersOn(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e.add(bed, "replica-3", "created")
	e.add(bed, "replica-2", "running")
	e.add(bed, "replica-1", "running")
	for _, name := range []string{"replica-1", "replica-2", "replica-1"} { // a start that is repeated continues
		if err := fleet.Start(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Published(); !slices.Equal(got, []string{"replica-1", "replica-2"}) {
		t.Errorf("after the starts the balancer has %v", got)
	}
	e.acted()
	for name, want := range map[string][]string{
		"replica-1": {"list of 1", "stop id-replica-1", "remove id-replica-1"},
		"replica-3": {"remove id-replica-3"}, // it never ran
		"replica-9": nil,
	} {
		if err := fleet.Drain(ctx, name); err != nil {
			t.Fatal(err)
		}
		if got := e.acted(); !slices.Equal(got, want) {
			t.Errorf("drain of %s: %q, want %q", name, got, want)
		}
	}
	if seen, err := fleet.Read(ctx); err != nil || len(seen) != 1 || seen[0].Name != "replica-2" || seen[0].ReadySince.IsZero() {
		t.Errorf("read %+v, %v; want only the second replica, ready", seen, err)
	}
}

func TestContainersOfALateEngine(t *testing.T) {
	e := newEngine()
	bed, b, fleet := containersOn(t, e)
	ctx := t.Context()
	e.add(bed, "replica-3", "created") // the engine lists the newest first
	e.add(bed, "replica-2", "running")
	e.add(bed, "replica-1", "running")
	if err := b.Register(balancer.Replica{Name: "replica-1", ReadyURL: "http://replica-1/readyz", Upstream: "127.0.0.9:8080"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Await(ctx, func(published []string) bool { return len(published) == 1 }); err != nil {
		t.Fatal(err)
	}

	// pass lets a time pass for the engine, in which the replicas use CPU time.
	pass := func(d, one, two time.Duration) {
		e.set(func() {
			e.read = e.read.Add(d)
			e.used["id-replica-1"] += one
			e.used["id-replica-2"] += two
		})
	}
	const limit = time.Second
	read := func() []scaler.Instance {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		seen, err := fleet.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != 3 || seen[0].Name != "replica-1" || seen[1].Name != "replica-2" || seen[2].Name != "replica-3" {
			t.Fatalf("read %+v, want three replicas in the order of their creation", seen)
		}
		return seen
	}

	first := read()
	if first[0].Measured || first[1].Measured {
		t.Errorf("the first reading %+v: nothing is measured without a reading before", first)
	}
	if first[0].ReadySince.IsZero() || !first[1].ReadySince.IsZero() || first[0].Ended || first[1].Ended || !first[2].Ended {
		t.Errorf("the first reading %+v, want the first ready, the second starting and the third ended", first)
	}
	if !strings.Contains(e.filters, scaler.LabelFleet+"=web") || !strings.Contains(e.filters, "bytebites.bed="+bed.ID()) {
		t.Errorf("the engine was asked for %s, want the labels of the fleet and the bed", e.filters)
	}

	pass(2*time.Second, 250*time.Millisecond, 100*time.Millisecond)
	if seen := read(); seen[0].Utilisation != 0.5 || !seen[0].Measured || seen[1].Utilisation != 0.2 || !seen[1].Measured {
		t.Errorf("read %+v, want 0.5 and 0.2", seen)
	} else if !seen[0].ReadySince.Equal(first[0].ReadySince) {
		t.Errorf("ready since %v, and then since %v", first[0].ReadySince, seen[0].ReadySince)
	}

	e.set(func() { e.late["id-replica-2"] = true })
	pass(2*time.Second, 250*time.Millisecond, 300*time.Millisecond)
	began := time.Now()
	if seen := read(); !seen[0].Measured || seen[1].Measured {
		t.Errorf("read %+v, want only the first measured", seen)
	}
	if took := time.Since(began); took > 3*limit {
		t.Errorf("a reading with a late replica took %v, want the limit of %v", took, limit)
	}

	e.set(func() { e.late["id-replica-2"] = false })
	pass(2*time.Second, 250*time.Millisecond, 300*time.Millisecond)
	if seen := read(); !seen[1].Measured || seen[1].Utilisation != 0.6 {
		t.Errorf("read %+v, want 0.6 of the second over both intervals", seen)
	}

	e.set(func() { e.late["list"] = true })
	short, cancel := context.WithTimeout(ctx, limit/4)
	defer cancel()
	if seen, err := fleet.Read(short); err == nil {
		t.Errorf("read %+v without a list, want an error", seen)
	}
	e.set(func() { e.late["list"] = false }) // for the bed's end
}
