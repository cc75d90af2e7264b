package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"

	apiclient "bytebites.example/workshop/shared/bytebites/client"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// readiness says how to find out whether a server is ready.
type readiness struct {
	within  time.Duration                              // on the reference machine, see hostspeed.Wait
	attempt func(ctx context.Context, s *Server) error // nil: the server is ready
}

const (
	attemptTimeout = 2 * time.Second
	firstPause     = 20 * time.Millisecond
	longestPause   = 200 * time.Millisecond
)

// awaitReady tries until the server is ready, has ended, or its time is up.
func (s *Server) awaitReady(ctx context.Context) error {
	within := hostspeed.Wait(s.ready.within)
	late := &LateError{What: "not ready", Within: within}
	ctx, cancel := context.WithTimeoutCause(ctx, within, late)
	defer cancel()
	pause := firstPause
	for {
		attempt, done := context.WithTimeout(ctx, hostspeed.Wait(attemptTimeout))
		err := s.ready.attempt(attempt, s)
		done()
		if err == nil {
			return nil
		}
		if ended := s.ended(ctx); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), late) {
				late.Err = err
				return late
			}
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

// LateError says that a server did not get to a state within a time limit.
type LateError struct {
	What   string // such as "not ready"
	Within time.Duration
	Err    error // of the last attempt; may be nil
}

func (e *LateError) Error() string {
	text := fmt.Sprintf("%s within %v", e.What, e.Within)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *LateError) Unwrap() error { return e.Err }

// Timeout returns true, as that of a net.Error does.
func (e *LateError) Timeout() bool { return true }

// ended returns an error that says how the server ended, or nil while it runs.
func (s *Server) ended(ctx context.Context) error {
	res, err := s.bed.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	if err != nil || res.Container.State == nil || res.Container.State.Running {
		return nil // running, or not known: the next attempt shows it
	}
	if res.Container.State.OOMKilled {
		return fmt.Errorf("ended: out of memory, its limit is %d MiB", s.Type().MemoryMiB)
	}
	return fmt.Errorf("ended with exit code %d", res.Container.State.ExitCode)
}

// AwaitReady waits until a running server is ready, as Start does.
func (s *Server) AwaitReady(ctx context.Context) error {
	if err := s.awaitReady(ctx); err != nil {
		return fmt.Errorf("wait for %s: %w", s.name, err)
	}
	return nil
}

// httpReady is ready when a GET answers 200.
func httpReady(port int, path string, within time.Duration) readiness {
	return readiness{within: within, attempt: func(ctx context.Context, s *Server) error {
		return apiclient.Probe(ctx, readyClient, "http://"+s.Address(port)+path)
	}}
}

// readyClient opens a connection for each request, because a kept connection would outlive
// the server.
var readyClient = newReadyClient()

func newReadyClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{Transport: transport}
}

// logReady is ready when the server has logged text since its last start.
func logReady(text string, within time.Duration) readiness {
	return readiness{within: within, attempt: func(ctx context.Context, s *Server) error {
		res, err := s.bed.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("inspect: %w", err)
		}
		if res.Container.State == nil {
			return errors.New("no state")
		}
		logs, err := s.logs(ctx, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Since: res.Container.State.StartedAt})
		if err != nil {
			return err
		}
		if !strings.Contains(logs, text) {
			return fmt.Errorf("no log line %q yet", text)
		}
		return nil
	}}
}

// listenReady is ready when a process in the container listens on the port. A connection
// from outside proves nothing, because the engine's proxy accepts it before the server
// listens. The container needs the cat command.
func listenReady(port int, within time.Duration) readiness {
	return readiness{within: within, attempt: func(ctx context.Context, s *Server) error {
		table, err := s.Exec(ctx, "cat", "/proc/net/tcp", "/proc/net/tcp6")
		if err != nil && table == "" { // without IPv6 there is no tcp6, but tcp is printed
			return err
		}
		if !listens(table, port) {
			return fmt.Errorf("nothing listens on port %d yet", port)
		}
		return nil
	}}
}

// listens reads a table of sockets as in proc_net_tcp(5).
func listens(table string, port int) bool {
	const local, state = 1, 3
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= state || fields[state] != "0A" {
			continue
		}
		_, hex, found := strings.Cut(fields[local], ":")
		if !found {
			continue
		}
		if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
			return true
		}
	}
	return false
}
