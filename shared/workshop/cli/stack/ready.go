package stack

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bytebites.example/workshop/shared/bytebites/client"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

const (
	// readyInterval is the pause between two requests for /readyz.
	readyInterval = 250 * time.Millisecond
	// readyRequestTimeout bounds one request for /readyz.
	readyRequestTimeout = 2 * time.Second
	// runningInterval is the pause between two questions whether the service still runs.
	runningInterval = 3 * time.Second
)

// ReadyTimeout bounds the wait for the service after compose has started it: 2 minutes, and
// more on a slow machine.
func ReadyTimeout() time.Duration { return hostspeed.Wait(2 * time.Minute) }

// awaitReady asks a URL until the service behind it is ready, has stopped, or ReadyTimeout is
// over.
func (s *Stack) awaitReady(ctx context.Context, e *engine.Engine, file *envFile, service, url string) (err error) {
	step := s.Progress.Step("wait for %s", url)
	defer func() { step.End(err) }()
	limit := ReadyTimeout()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asker := &http.Client{Timeout: readyRequestTimeout}
	for looked := time.Now(); ; {
		last := client.Probe(ctx, asker, url+"/readyz")
		if last == nil {
			return nil
		}
		if time.Since(looked) > runningInterval {
			running, err := s.running(ctx, e, file)
			if err == nil && !slices.Contains(running, service) {
				return fmt.Errorf("start %s: the container has stopped", service)
			}
			looked = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready after %v: %w", service, limit, last)
		case <-time.After(readyInterval):
		}
	}
}
