package spec

import "testing"

func TestActiveOpens(t *testing.T) {
	const table = `Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 5
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens
Tcp: 1 200 120000 -1 417 22
Udp: InDatagrams
Udp: 3
`
	if n, err := activeOpens(table); err != nil || n != 417 {
		t.Errorf("got %d, %v; want 417", n, err)
	}
	for _, bad := range []string{"", "Tcp: ActiveOpens\n", "Tcp: PassiveOpens\nTcp: 3\n", "Tcp: RtoMin ActiveOpens\nTcp: 200\n", "Tcp: ActiveOpens\nTcp: many\n"} {
		if n, err := activeOpens(bad); err == nil {
			t.Errorf("%q: got %d, want an error", bad, n)
		}
	}
}

func TestRefusedClient(t *testing.T) {
	const logs = `not even JSON
{"msg":"request","request_id":"A","client":"10.0.0.1"}
{"msg":"sign-in refused","request_id":"B","client":"10.0.0.2"}
{"msg":"sign-in refused","request_id":"A","client":"10.0.0.3"}
`
	if client, ok := refusedClient(logs, "A"); !ok || client != "10.0.0.3" {
		t.Errorf("got %q, %t; want 10.0.0.3", client, ok)
	}
	if client, ok := refusedClient(logs, "C"); ok {
		t.Errorf("a request that the log does not tell of: got %q", client)
	}
}
