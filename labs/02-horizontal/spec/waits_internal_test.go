package spec

import (
	"slices"
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	const conf = `# configuration file /etc/nginx/nginx.conf:
worker_processes 2; # with a ; and a {
http {
    log_format own '$remote_addr; {"status": $status}';
    proxy_read_timeout 1m;
    server {
        location / { proxy_pass http://bytebites; proxy_read_timeout 15s; proxy_connect_timeout 500ms; }
        location /orders { proxy_pass "http://bytebites"; }
        location /soon { proxy_read_timeout 2; proxy_connect_timeout 1s; location ~ "^/soon/\d{2}$" { proxy_pass http://${upstream}; } }
        location = /metrics { return 404; }
    }
}
# configuration file /etc/nginx/upstreams.conf:
server 10.0.0.2:8080;
`
	root, err := parseConf(conf)
	if err != nil {
		t.Fatal(err)
	}
	got := root.waits(wait{connect: timeoutDefault, read: timeoutDefault})
	want := []wait{
		{"location /", 500 * time.Millisecond, 15 * time.Second},
		{"location /orders", time.Minute, time.Minute},
		{`location ~ ^/soon/\d{2}$`, time.Second, 2 * time.Second},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []string{"http {", "}", "worker_processes 2", "{ }", ";"} {
		if _, err := parseConf(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestWaitsOfNginxItself(t *testing.T) {
	root, err := parseConf("location / { proxy_pass http://bytebites; }")
	if err != nil {
		t.Fatal(err)
	}
	if got := root.waits(wait{connect: timeoutDefault, read: timeoutDefault}); len(got) != 1 || got[0].read != time.Minute || got[0].connect != time.Minute {
		t.Errorf("got %v, want nginx's default", got)
	}
}

func TestConfTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"15": 15 * time.Second, "15s": 15 * time.Second, "1500ms": 1500 * time.Millisecond, "1m30s": 90 * time.Second,
		"1m 30s": 90 * time.Second, "2h": 2 * time.Hour, "1d": 24 * time.Hour, "1d2h": 26 * time.Hour,
	} {
		if got, err := confTime(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := confTime("soon"); err == nil {
		t.Error("soon: no error")
	}
}
