package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/tcsetup"
)

// makeNetwork makes the bed's network. A container keeps its address over a restart only
// when the address was requested. The engine accepts such a request only on a network
// whose subnet was requested too. Only the engine knows the free subnets, so freeSubnet
// first lets it choose one.
func (b *Bed) makeNetwork(ctx context.Context) error {
	b.network = "bytebites-" + b.id
	const tries = 5 // another bed may take the same subnet between the two steps
	for range tries {
		subnet, err := b.freeSubnet(ctx)
		if err != nil {
			return err
		}
		made, err := b.docker.NetworkCreate(ctx, b.network, client.NetworkCreateOptions{
			Driver: "bridge",
			Labels: b.labels,
			IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}},
		})
		if overlaps(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("make network: %w", err)
		}
		b.networkID = made.ID
		b.addresses, err = newAddresses(subnet)
		return err
	}
	return fmt.Errorf("make network: %w", noSubnet(nil))
}

// freeSubnet makes a network and removes it again. For an internal one the engine changes
// fewer rules of the firewall.
func (b *Bed) freeSubnet(ctx context.Context) (netip.Prefix, error) {
	probe, err := b.docker.NetworkCreate(ctx, b.network+"-probe",
		client.NetworkCreateOptions{Driver: "bridge", Internal: true, Labels: b.labels})
	if err != nil {
		if overlaps(err) || strings.Contains(err.Error(), "non-overlapping") {
			err = noSubnet(err)
		}
		return netip.Prefix{}, fmt.Errorf("make network: %w", err)
	}
	res, err := b.docker.NetworkInspect(ctx, probe.ID, client.NetworkInspectOptions{})
	if _, removeErr := b.docker.NetworkRemove(ctx, probe.ID, client.NetworkRemoveOptions{}); err == nil {
		err = removeErr
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("make network: %w", err)
	}
	for _, c := range res.Network.IPAM.Config {
		if c.Subnet.Addr().Is4() {
			return c.Subnet, nil
		}
	}
	return netip.Prefix{}, errors.New("make network: the engine chose no IPv4 subnet")
}

func overlaps(err error) bool { return err != nil && strings.Contains(err.Error(), "overlaps") }

func noSubnet(err error) error {
	return &engine.Unavailable{
		Problem: "the engine has no subnet left for another network",
		Remedy:  "remove networks that are not in use: docker network ls, docker network rm NAME",
		Err:     err,
	}
}

func (b *Bed) removeNetwork(ctx context.Context) error {
	if b.networkID == "" {
		return nil
	}
	_, err := b.docker.NetworkRemove(ctx, b.networkID, client.NetworkRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network: %w", err)
	}
	return nil
}

// prepareTestcontainers points testcontainers at the bed's engine.
func (b *Bed) prepareTestcontainers() error {
	if err := reachable(b.docker.Host(), b.addresses.subnet); err != nil {
		return err
	}
	return tcsetup.Use(b.docker.Host())
}

const loopback = tcsetup.Host

// reachable returns an error when this process cannot reach the ports that the engine
// publishes on its loopback interface.
func reachable(host string, subnet netip.Prefix) error {
	if !local(host) {
		return &engine.Unavailable{
			Problem: "the Docker engine at " + host + " is on another machine, and published ports stay on that machine's loopback interface",
			Remedy:  "use an engine on this machine: unset DOCKER_HOST, or docker context use default",
		}
	}
	// In a container with the engine's socket mounted, loopback is the container's own. The
	// file /.dockerenv alone proves nothing. So check that the gateway of the bed's network
	// is an address of this machine.
	if _, err := os.Stat("/.dockerenv"); err != nil || runtime.GOOS != "linux" {
		return nil
	}
	gateway := subnet.Masked().Addr().Next()
	l, err := net.Listen("tcp4", net.JoinHostPort(gateway.String(), "0")) //nolint:noctx // does not block
	if err != nil {
		return &engine.Unavailable{
			Problem: "this runs in a container with another machine's Docker engine, so published ports cannot be reached",
			Remedy:  "run it on the engine's machine, or in a container with --network host",
			Err:     err,
		}
	}
	return l.Close()
}

// local reports whether an engine's address belongs to this machine.
func local(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "unix", "npipe":
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}
