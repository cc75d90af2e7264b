package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
)

// The ports that servers listen on, on the bed's network.
const (
	PostgresPort = 5432
	RedisPort    = 6379
	AMQPPort     = 5672
	SMTPPort     = 2525
	ServicePort  = 8080
)

// Published ports lie below the ephemeral port range (32768 and up on Linux, 49152 and up
// elsewhere). A load generator uses thousands of ephemeral ports. If one of them were the
// port of a stopped server, that server could not start again.
const (
	firstPort = 12000
	lastPort  = 32000
)

// ports hands out free ports of the loopback interface.
type ports struct {
	mu    sync.Mutex
	taken map[int]bool // by this bed, whether or not its server runs now
}

// next returns a port that no process listens on. Another process may still take the port
// before the container does, so the caller must try again then.
func (p *ports) next() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		p.taken = make(map[int]bool)
	}
	const tries = 100
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if p.taken[port] || !free(port) {
			continue
		}
		p.taken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("find a free port: %d tries between %d and %d", tries, firstPort, lastPort)
}

func free(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not block
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// addresses hands out addresses of the bed's private network, which only this bed uses.
type addresses struct {
	mu     sync.Mutex
	subnet netip.Prefix
	last   netip.Addr
}

// firstHost leaves the low addresses to the gateway and to the engine.
const firstHost = 16

func newAddresses(subnet netip.Prefix) (*addresses, error) {
	a := &addresses{subnet: subnet.Masked(), last: subnet.Masked().Addr()}
	for range firstHost {
		a.last = a.last.Next()
	}
	if !a.subnet.Contains(a.last) {
		return nil, fmt.Errorf("network %v: too small", subnet)
	}
	return a, nil
}

func (a *addresses) next() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.last.Next()
	// The last address of a subnet is its broadcast address.
	if !a.subnet.Contains(next) || !a.subnet.Contains(next.Next()) {
		return netip.Addr{}, errors.New("no address left on the network")
	}
	a.last = next
	return next, nil
}
