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

// Published ports come from below the range that operating systems take the local ports
// of outgoing connections from (32768 and up on Linux, 49152 elsewhere). A load
// generator opens thousands of those; one of them on the port of a stopped server would
// keep that server from starting again.
const (
	firstPort = 12000
	lastPort  = 32000
)

// ports hands out free ports of the loopback interface.
type ports struct {
	mu    sync.Mutex
	taken map[int]bool // by this bed, whether or not its server runs now
}

// next returns a port that nothing listens on. Another process may still take it before
// the container does: the caller must be ready for that.
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
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // it waits for nothing
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

// firstHost leaves the low addresses to the gateway and to whatever the engine itself
// may place there.
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
