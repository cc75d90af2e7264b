package testbed_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/engine"
)

// otherBed is a bed of another process.
type otherBed struct {
	cmd     *exec.Cmd
	id, url string
}

func startOtherBed(t *testing.T) *otherBed {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := &otherBed{cmd: exec.Command(exe)}
	o.cmd.Env = append(os.Environ(), envChild+"=1")
	o.cmd.Stderr = os.Stderr
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.cmd.Process.Kill() }) // when the test fails early
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("child process: %v", err)
	}
	if _, err := fmt.Sscan(line, &o.id, &o.url); err != nil {
		t.Fatalf("child process said %q: %v", line, err)
	}
	return o
}

// left returns the containers, networks and volumes of a bed that still exist.
func left(t *testing.T, docker *engine.Engine, id string) []string {
	t.Helper()
	filter := make(client.Filters).Add("label", "bytebites.bed="+id)
	containers, err := docker.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := docker.NetworkList(t.Context(), client.NetworkListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := docker.VolumeList(t.Context(), client.VolumeListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range volumes.Items {
		names = append(names, v.Name)
	}
	for _, c := range containers.Items {
		names = append(names, strings.Join(c.Names, ","))
	}
	for _, n := range networks.Items {
		names = append(names, n.Name)
	}
	return names
}

func connect(t *testing.T) *engine.Engine {
	t.Helper()
	docker, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := docker.Close(); err != nil {
			t.Error(err)
		}
	})
	return docker
}

func wantStatus(t *testing.T, url string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := get(ctx, url); err != nil || got != want {
		t.Errorf("GET %s: status %d, %v; want %d", url, got, err, want)
	}
}

func get(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func TestSweepTakesTheDeadAndLeavesTheLiving(t *testing.T) {
	bed := testbed.ForTest(t)
	docker := connect(t)
	var killed, living *otherBed
	killed, living = startOtherBed(t), startOtherBed(t)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.cmd.Wait() // says "signal: killed"
	if n := len(left(t, docker, killed.id)); n != 3 {
		t.Fatalf("a killed run left %d things, want its container, its network and its program's volume: the test proves nothing", n)
	}

	second, err := testbed.Start(t.Context(), testbed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if names := left(t, docker, killed.id); len(names) != 0 {
		t.Errorf("after the next start there is still %v of the killed run", names)
	}
	wantStatus(t, living.url+"/readyz", http.StatusOK)
	if n := len(left(t, docker, living.id)); n != 3 {
		t.Errorf("the living run has %d things left, want its container, its network and its program's volume", n)
	}
	if n := len(left(t, docker, bed.ID())); n != 1 {
		t.Errorf("this process's other bed has %d things left, want its network", n)
	}

	// An interrupt, as Ctrl-C sends it, leaves nothing to sweep.
	if err := living.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := living.cmd.Wait(); err != nil {
		t.Errorf("interrupted run: %v", err)
	}
	if names := left(t, docker, living.id); len(names) != 0 {
		t.Errorf("an interrupted run left %v", names)
	}

	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if names := left(t, docker, second.ID()); len(names) != 0 {
		t.Errorf("a closed bed left %v", names)
	}
}

func TestBedEndsWithItsContext(t *testing.T) {
	testbed.ForTest(t) // holds a core of the machine
	docker := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	bed, err := testbed.Start(ctx, testbed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := bed.Service(ctx, testbed.ServiceOptions{Package: probePackage})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(ctx); err != nil { // what is paused can be removed, too
		t.Fatal(err)
	}
	started := time.Now()
	cancel()
	if err := bed.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("close took %v", took)
	}
	if names := left(t, docker, bed.ID()); len(names) != 0 {
		t.Errorf("a bed whose context ended left %v", names)
	}
	if _, err := bed.Service(t.Context(), testbed.ServiceOptions{Package: probePackage}); err == nil {
		t.Error("a closed bed starts a service")
	}
}
