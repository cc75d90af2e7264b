package httpapi

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	a := &api{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}}
	for _, test := range []struct {
		name      string
		peer      string
		forwarded []string
		want      string
	}{
		{"no proxy in between", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"a stranger's word", "192.0.2.1:1234", []string{"203.0.113.7"}, "192.0.2.1"},
		{"the proxy's word", "10.0.0.9:1234", []string{"192.0.2.1"}, "192.0.2.1"},
		{"forged, and added to", "10.0.0.9:1234", []string{"203.0.113.7, 192.0.2.1"}, "192.0.2.1"},
		{"in two lines", "10.0.0.9:1234", []string{"203.0.113.7", "192.0.2.1"}, "192.0.2.1"},
		{"a proxy that says nothing", "10.0.0.9:1234", nil, "10.0.0.9"},
		{"nonsense", "10.0.0.9:1234", []string{"192.0.2.1, unknown"}, "10.0.0.9"},
		{"an empty end", "10.0.0.9:1234", []string{"203.0.113.7,"}, "10.0.0.9"},
		{"IPv6", "[2001:db8::1]:1234", nil, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.9]:1234", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"no address", "@", []string{"192.0.2.1"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
			if got := a.clientAddress(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
