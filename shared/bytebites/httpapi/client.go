package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress returns the address that a request came from: the peer's, or, when the
// peer is a trusted proxy, the one that the proxy says. A proxy adds the address that it
// saw at the end of X-Forwarded-For, so only the last entry is its word. What stands
// before that came with the request, and anybody can write it.
func (a *api) clientAddress(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // not a connection over TCP, as in tests
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
	return address.String() // a proxy that does not say
}
