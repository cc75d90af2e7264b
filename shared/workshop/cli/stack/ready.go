package stack

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	// ReadyTimeout bounds the wait for the service after compose has started it.
	ReadyTimeout = 2 * time.Minute
	// readyInterval is the pause between two requests for /readyz.
	readyInterval = 250 * time.Millisecond
	// readyRequestTimeout bounds one request for /readyz.
	readyRequestTimeout = 2 * time.Second
	// runningInterval is the pause between two questions whether the service still runs.
	runningInterval = 3 * time.Second
)

// awaitReady asks a URL until the service behind it is ready, has stopped, or ReadyTimeout is
// over.
func (c *compose) awaitReady(ctx context.Context, service, url string) (err error) {
	step := c.stack.Progress.Step("wait for %s", url)
	defer func() { step.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	client := &http.Client{Timeout: readyRequestTimeout}
	for looked := time.Now(); ; {
		last := askReady(ctx, client, url)
		if last == nil {
			return nil
		}
		if time.Since(looked) > runningInterval {
			running, err := c.running(ctx)
			if err == nil && !slices.Contains(running, service) {
				return fmt.Errorf("start %s: the container has stopped", service)
			}
			looked = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready after %v: %w", service, ReadyTimeout, last)
		case <-time.After(readyInterval):
		}
	}
}

// askReady asks once.
func askReady(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("get /readyz: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("get /readyz: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("get /readyz: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get /readyz: status %s", response.Status)
	}
	return nil
}
