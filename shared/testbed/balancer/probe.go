package balancer

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// httpProber asks with a GET on a connection of its own: a kept one would not notice
// that the server behind an address has changed, and a replica that takes no new
// connections is not ready.
type httpProber struct{ client *http.Client }

func newHTTPProber() httpProber {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.Proxy = nil // replicas are near; a proxy could not reach them
	return httpProber{client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

const maxProbeBody = 64 << 10 // bytes

func (p httpProber) Probe(ctx context.Context, readyURL string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, readyURL, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxProbeBody)); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: %s", res.Status)
	}
	return nil
}
