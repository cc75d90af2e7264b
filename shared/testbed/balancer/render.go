package balancer

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"text/template"
)

// NginxServers is a template of the server lines of an nginx upstream block. The block reads
// them with include, so it keeps its own balancing method and keepalive. nginx rejects an
// upstream block without a server. So an empty list holds one server that is marked down,
// and nginx answers 502 at once.
const NginxServers = `# Written by the balancer's controller.
{{- range .Servers}}
server {{.}};
{{- else}}
server 127.0.0.1:1 down;
{{- end}}
`

// list is the data of a template.
type list struct {
	Servers []string // host:port of the ready replicas, in the order of registration
}

func render(t *template.Template, servers []string) ([]byte, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, list{Servers: servers}); err != nil {
		return nil, fmt.Errorf("render upstream list: %w", err)
	}
	return out.Bytes(), nil
}

// checkUpstream rejects an address that is not exactly one server in a configuration.
func checkUpstream(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("upstream %q: want host:port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("upstream %q: bad port", address)
	}
	plain := strings.IndexFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_:", r)
	}) < 0
	if host == "" || !plain {
		return fmt.Errorf("upstream %q: bad host", address)
	}
	return nil
}
