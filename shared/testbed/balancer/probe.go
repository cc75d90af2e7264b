package balancer

import (
	"context"
	"fmt"
	"net/http"

	"bytebites.example/workshop/shared/bytebites/client"
)

// httpProber sends a GET on a new connection. A kept connection hides two faults: another
// server has taken the address, or the replica accepts no new connections.
type httpProber struct{ client *http.Client }

func newHTTPProber() httpProber {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.Proxy = nil // a proxy cannot reach this machine's replicas
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
