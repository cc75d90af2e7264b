package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed/images"
)

const (
	toxiproxyControl = 8474
	proxyName        = "link"
)

// SlowLinkOptions describe a link.
type SlowLinkOptions struct {
	Name string // "link-to-" and the server's name when empty
	To   *Server
	Port int // of the server
}

// SlowLink is a Toxiproxy in front of a server. While it is in use, its latency and its
// bandwidth can be changed, and it can be cut. A new link adds no delay. Its container has
// no CPU quota, so that the link itself is never the bottleneck.
type SlowLink struct {
	*Server
	port int
}

// SlowLink starts a link. Clients must use its InternalAddress and not the server's.
func (b *Bed) SlowLink(ctx context.Context, o SlowLinkOptions) (*SlowLink, error) {
	if o.To == nil || o.Port == 0 {
		return nil, errors.New("start slow link: no server or no port")
	}
	if o.Name == "" {
		o.Name = "link-to-" + o.To.Name()
	}
	image, err := b.image(ctx, images.Toxiproxy)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	s, err := b.create(ctx, spec{
		kind:  "toxiproxy",
		name:  o.Name,
		image: image,
		user:  serviceUser,
		cmd:   []string{"-host=0.0.0.0", "-port=" + strconv.Itoa(toxiproxyControl)},
		env:   map[string]string{"LOG_LEVEL": "warn"},
		ports: []int{toxiproxyControl, o.Port},
		typ:   instance.Type{MemoryMiB: 256},
		ready: httpReady(toxiproxyControl, "/version", staticReady),
	})
	if err != nil {
		return nil, err
	}
	l := &SlowLink{Server: s, port: o.Port}
	// The link uses the server's address, because a stopped server's name does not resolve.
	upstream := net.JoinHostPort(o.To.IP().String(), strconv.Itoa(o.Port))
	_, err = l.client().CreateProxy(proxyName, net.JoinHostPort("0.0.0.0", strconv.Itoa(o.Port)), upstream)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	return l, nil
}

// InternalAddress is the near end of the link for servers on the bed.
func (l *SlowLink) InternalAddress() string { return l.Server.InternalAddress(l.port) }

// Address is the near end of the link for this process.
func (l *SlowLink) Address() string { return l.Server.Address(l.port) }

// The names of the toxics. A link has at most one of each in a direction.
const (
	latencyToxic   = "latency"
	bandwidthToxic = "bandwidth"
	timeoutToxic   = "timeout"
)

// SetLatency delays a round trip by latency, plus or minus jitter. Each direction gets
// half of both. Zero for both ends the delay.
func (l *SlowLink) SetLatency(ctx context.Context, latency, jitter time.Duration) error {
	half := toxiproxy.Attributes{
		"latency": latency.Milliseconds() / 2,
		"jitter":  jitter.Milliseconds() / 2,
	}
	return l.set(ctx, latencyToxic, latency > 0 || jitter > 0, half, "upstream", "downstream")
}

// SetBandwidth limits each direction to kilobytesPerSecond. Zero ends the limit.
func (l *SlowLink) SetBandwidth(ctx context.Context, kilobytesPerSecond int) error {
	return l.set(ctx, bandwidthToxic, kilobytesPerSecond > 0, toxiproxy.Attributes{"rate": kilobytesPerSecond}, "upstream", "downstream")
}

// Swallow discards all data on its way to the server; the client sees no error. Ending it
// with on = false closes the connections.
func (l *SlowLink) Swallow(ctx context.Context, on bool) error {
	return l.set(ctx, timeoutToxic, on, toxiproxy.Attributes{"timeout": 0}, "upstream")
}

// set adds, updates or removes the toxic of that kind in each of the streams.
func (l *SlowLink) set(ctx context.Context, kind string, on bool, attributes toxiproxy.Attributes, streams ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("set %s of %s: %w", kind, l.Name(), context.Cause(ctx))
	}
	proxy, err := l.client().Proxy(proxyName)
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", kind, l.Name(), err)
	}
	present := make(map[string]bool)
	for _, t := range proxy.ActiveToxics {
		present[t.Name] = true
	}
	for _, stream := range streams {
		name := kind + "-" + stream
		switch {
		case on && present[name]:
			_, err = proxy.UpdateToxic(name, 1, attributes)
		case on:
			_, err = proxy.AddToxic(name, kind, stream, 1, attributes)
		case present[name]:
			err = proxy.RemoveToxic(name)
		}
		if err != nil {
			return fmt.Errorf("set %s of %s: %w", kind, l.Name(), err)
		}
	}
	return nil
}

// Cut closes all connections over the link and refuses new ones.
func (l *SlowLink) Cut(ctx context.Context) error { return l.enable(ctx, false) }

// Restore accepts connections again. Latency, bandwidth and Swallow keep their settings.
func (l *SlowLink) Restore(ctx context.Context) error { return l.enable(ctx, true) }

func (l *SlowLink) enable(ctx context.Context, enabled bool) error {
	verb := map[bool]string{true: "restore", false: "cut"}[enabled]
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", verb, l.Name(), context.Cause(ctx))
	}
	proxy, err := l.client().Proxy(proxyName)
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, l.Name(), err)
	}
	proxy.Enabled = enabled
	if err := proxy.Save(); err != nil {
		return fmt.Errorf("%s %s: %w", verb, l.Name(), err)
	}
	return nil
}

// client returns a client of Toxiproxy's control port. Its calls take no context; each is
// a small request over the loopback interface.
func (l *SlowLink) client() *toxiproxy.Client {
	return toxiproxy.NewClient("http://" + l.Server.Address(toxiproxyControl))
}
