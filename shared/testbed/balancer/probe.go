package balancer

import (
	"context"
	"fmt"
	"net/http"

	"bytebites.example/workshop/shared/bytebites/client"
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

func (p httpProber) Probe(ctx context.Context, readyURL string) error {
	if err := client.Probe(ctx, p.client, readyURL); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}
