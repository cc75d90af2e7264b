package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns the address of a request's client. It is the peer's address or, if the peer
// is a trusted proxy, the address that the proxy reports. A proxy appends the address of its peer
// to X-Forwarded-For, so only the last entry is trustworthy. The entries before it came with the
// request, and any client can forge them.
func (a *api) clientAddress(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // not a TCP connection, as in tests
	}
	address := peer.Addr().Unmap()
	trusted := slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
	if !trusted {
		return address.String()
	}
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	last := strings.TrimSpace(forwarded[strings.LastIndexByte(forwarded, ',')+1:])
	if client, err := netip.ParseAddr(last); err == nil {
		return client.Unmap().String()
	}
	return address.String() // the proxy reports no valid address
}
