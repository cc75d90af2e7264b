package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrNotLoopback says that the target is another machine. This package attacks loopback
// addresses only.
var ErrNotLoopback = errors.New("the load generator only attacks this machine's loopback addresses")

// parseTarget parses a base URL and rejects a host that is not a loopback address. It accepts
// the name localhost; refuseRemote checks the address when a connection is dialled.
func parseTarget(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("target %q: want http://host:port", base)
	}
	if host := u.Hostname(); host != "localhost" {
		address, err := netip.ParseAddr(host)
		if err != nil || !address.Unmap().IsLoopback() {
			return nil, fmt.Errorf("target %q: %w", base, ErrNotLoopback)
		}
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// refuseRemote is a net.Dialer's Control. It checks the address of each connection after the
// name is resolved.
func refuseRemote(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("dial %q: %w", address, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() {
		return fmt.Errorf("dial %q: %w", address, ErrNotLoopback)
	}
	return nil
}
