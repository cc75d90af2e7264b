package images_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/images"
	_ "bytebites.example/workshop/shared/testbed/tcsetup" // some of the tests use testcontainers
)

// TestMain takes a core of the machine, because these tests start a dozen servers.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(hostlock.TestsOnCore(m.Run))
}

// imageFor returns the engine and the name of an image, and makes the image if needed.
func imageFor(t *testing.T, n images.Name) (*engine.Engine, images.Ref) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers")
	}
	eng, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	have, err := images.Ensure(t.Context(), eng, progress.Stderr(), n)
	if err != nil {
		t.Fatal(err)
	}
	return eng, have[n]
}

// server is a container that was started as by `docker run`.
type server struct {
	t   *testing.T
	eng *engine.Engine
	id  string
}

// runOptions are the flags of docker run.
type runOptions struct {
	env     []string
	binds   []string
	command []string
	ports   []string
}

func dockerRun(t *testing.T, eng *engine.Engine, ref images.Ref, o runOptions) *server {
	t.Helper()
	exposed, bindings := network.PortSet{}, network.PortMap{}
	for _, p := range o.ports {
		port := network.MustParsePort(p + "/tcp")
		exposed[port] = struct{}{}
		bindings[port] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1")}}
	}
	created, err := eng.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config:     &container.Config{Image: string(ref), Env: o.env, Cmd: o.command, ExposedPorts: exposed, Labels: hostlock.Owner()},
		HostConfig: &container.HostConfig{Binds: o.binds, PortBindings: bindings},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, eng: eng, id: created.ID}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if t.Failed() {
			t.Logf("log of %s:\n%s", ref, s.logs(ctx))
		}
		if _, err := eng.ContainerRemove(ctx, s.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	})
	if _, err := eng.ContainerStart(t.Context(), s.id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) inspect() container.InspectResponse {
	s.t.Helper()
	inspected, err := s.eng.ContainerInspect(s.t.Context(), s.id, client.ContainerInspectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return inspected.Container
}

// address returns the host:port of a port of the container.
func (s *server) address(port string) string {
	s.t.Helper()
	bindings := s.inspect().NetworkSettings.Ports[network.MustParsePort(port+"/tcp")]
	if len(bindings) == 0 {
		s.t.Fatalf("port %s is not published; log:\n%s", port, s.logs(s.t.Context()))
	}
	return net.JoinHostPort("127.0.0.1", bindings[0].HostPort)
}

func (s *server) logs(ctx context.Context) string {
	r, err := s.eng.ContainerLogs(ctx, s.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, r); err != nil {
		fmt.Fprintln(&out, err)
	}
	if err := r.Close(); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

// waitForLog waits until the log holds a line at least that many times.
func (s *server) waitForLog(line string, times int) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("%d times %q in the log", times, line), func() error {
		if !s.inspect().State.Running {
			s.t.Fatalf("the container has ended; log:\n%s", s.logs(s.t.Context()))
		}
		if got := strings.Count(s.logs(s.t.Context()), line); got < times {
			return fmt.Errorf("%d times", got)
		}
		return nil
	})
}

func (s *server) waitFor(what string, check func() error) {
	s.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited a minute for %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// processes returns the user id of each process of the container, by command.
func processes(t *testing.T, eng *engine.Engine, id string) map[string][]string {
	t.Helper()
	top, err := eng.ContainerTop(t.Context(), id, client.ContainerTopOptions{Arguments: []string{"-eo", "uid,pid,comm"}})
	if err != nil {
		t.Fatal(err)
	}
	users := make(map[string][]string)
	for _, process := range top.Processes {
		command := process[len(process)-1]
		users[command] = append(users[command], process[0])
	}
	if len(users) == 0 {
		t.Fatal("the container has no processes")
	}
	return users
}

// requireUser checks that every process runs as that user.
func requireUser(t *testing.T, eng *engine.Engine, id, uid string) {
	t.Helper()
	for command, users := range processes(t, eng, id) {
		for _, user := range users {
			if user != uid {
				t.Errorf("%s runs as user %s, want %s", command, user, uid)
			}
		}
	}
}

// stop stops the container by the image's own signal, and requires exit code 0.
func (s *server) stop(wantSignal string) {
	s.t.Helper()
	if got := s.inspect().Config.StopSignal; got != wantSignal {
		s.t.Errorf("stop signal is %q, want %q", got, wantSignal)
	}
	grace := 30
	if _, err := s.eng.ContainerStop(s.t.Context(), s.id, client.ContainerStopOptions{Timeout: &grace}); err != nil {
		s.t.Fatal(err)
	}
	if code := s.inspect().State.ExitCode; code != 0 {
		s.t.Errorf("the server ended with status %d after its stop signal; log:\n%s", code, s.logs(s.t.Context()))
	}
}
