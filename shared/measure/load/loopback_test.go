package load

import (
	"errors"
	"testing"
)

// The dialer rejects a name that resolves to another machine, although the URL is accepted.
func TestRefuseRemote(t *testing.T) {
	for address, remote := range map[string]bool{
		"127.0.0.1:80": false, "127.9.9.9:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false,
		"10.0.0.1:80": true, "[fe80::1]:80": true, "0.0.0.0:80": true, "93.184.215.14:443": true,
	} {
		if err := refuseRemote("tcp", address, nil); errors.Is(err, ErrNotLoopback) != remote {
			t.Errorf("%s: error %v, want refused %v", address, err, remote)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:80", "http://localhost", "http://[::1]:1/", "http://127.0.0.1@x", "http://127.0.0.1.x", "//x", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		u, err := parseTarget(base)
		if err != nil {
			return
		}
		if host := u.Hostname(); u.Scheme != "http" || host != "localhost" && refuseRemote("tcp", hostPort(host), nil) != nil {
			t.Errorf("%q is taken for this machine", base)
		}
	})
}

func hostPort(host string) string {
	if host[0] >= '0' && host[0] <= '9' {
		return host + ":1"
	}
	return "[" + host + "]:1"
}
