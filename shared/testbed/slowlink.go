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

// SlowLinkOptions say where a link leads.
type SlowLinkOptions struct {
	Name string // "link-to-" and the server's name when empty
	To   *Server
	Port int // of the server
}

// SlowLink is a way to a server that can be made slow, narrow or cut while it is used:
// a Toxiproxy. A fresh one is fast. It has no quota, so that it is never what is slow.
type SlowLink struct {
	*Server
	port int
}

// SlowLink starts a link. Clients have to be told its InternalAddress in place of the
// server's.
func (b *Bed) SlowLink(ctx context.Context, o SlowLinkOptions) (*SlowLink, error) {
	if o.To == nil || o.Port == 0 {
		return nil, errors.New("start slow link: no server or no port to lead to")
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
	// The address, not the name: a name is not known while its server is stopped.
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

// The names of the toxics, of which a link has at most one each.
const (
	latencyToxic   = "latency"
	bandwidthToxic = "bandwidth"
	timeoutToxic   = "timeout"
)

// SetLatency delays each packet by latency, give or take jitter, in both directions
// together: half on the way there, half on the way back. Zero ends it.
func (l *SlowLink) SetLatency(ctx context.Context, latency, jitter time.Duration) error {
	half := toxiproxy.Attributes{
		"latency": latency.Milliseconds() / 2,
		"jitter":  jitter.Milliseconds() / 2,
	}
	return l.set(ctx, latencyToxic, latency > 0 || jitter > 0, half, "upstream", "downstream")
}

// SetBandwidth limits each direction to so many kilobytes a second. Zero ends it.
func (l *SlowLink) SetBandwidth(ctx context.Context, kilobytesPerSecond int) error {
	return l.set(ctx, bandwidthToxic, kilobytesPerSecond > 0, toxiproxy.Attributes{"rate": kilobytesPerSecond}, "upstream", "downstream")
}

// Swallow has what is sent to the server vanish on its way, without an error for who sends it, until
// it is ended; that closes the connections.
func (l *SlowLink) Swallow(ctx context.Context, on bool) error {
	return l.set(ctx, timeoutToxic, on, toxiproxy.Attributes{"timeout": 0}, "upstream")
}

// set puts a toxic of that type on the directions, in place of the one there is.
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

// Restore lets connections through again, as slow as the link was set.
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

// client talks to Toxiproxy's control port. Its calls take no context; each is a small
// request over the loopback interface.
func (l *SlowLink) client() *toxiproxy.Client {
	return toxiproxy.NewClient("http://" + l.Server.Address(toxiproxyControl))
}
