package testbed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Found is a service's container as the engine knows it.
type Found struct {
	*Service
	// Running is false for a container that was created and not started, one that ended, and one
	// that is being removed. It is also false when the bed has no handle of the container and the
	// engine names no address of it.
	Running bool
	// Created is the time at which the engine created the container, in whole seconds of the
	// engine's clock.
	Created time.Time
}

// FindServices asks the engine for the bed's containers that have all labels of the options, in
// the order of their creation. It also finds a container whose start failed and could not be
// cleaned up, because the engine answered too late. Such a container is not among Servers. The
// options must be those of the start, because Type and Ready are not read from the engine. Their
// Name is not used. They must have a label.
func (b *Bed) FindServices(ctx context.Context, o ServiceOptions) ([]Found, error) {
	if len(o.Labels) == 0 {
		return nil, errors.New("find services: no label")
	}
	filters := ours().Add("label", labelBed+"="+b.id)
	for key, value := range o.Labels {
		filters.Add("label", key+"="+value)
	}
	list, err := b.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("find services: %w", err)
	}
	known := make(map[string]*Server)
	for _, s := range b.Servers() {
		known[s.ContainerID()] = s
	}
	var found []Found
	for i := len(list.Items) - 1; i >= 0; i-- { // the engine lists the newest first
		c := list.Items[i]
		s := known[c.ID]
		if s == nil {
			if s = b.serviceOf(c, o); s == nil {
				continue // not a name of the bed
			}
		}
		_, published := s.ports[ServicePort]
		found = append(found, Found{
			Service: &Service{Server: s},
			Running: (c.State == container.StateRunning || c.State == container.StatePaused) && published && s.ip.IsValid(),
			Created: time.Unix(c.Created, 0),
		})
	}
	return found, nil
}

// serviceOf returns a handle of a container that the bed has no handle of. It returns nil when the
// container has no name that the bed gives. A container that does not run has no ports and no
// address.
func (b *Bed) serviceOf(c container.Summary, o ServiceOptions) *Server {
	ready := o.Ready
	if ready == "" {
		ready = "/readyz"
	}
	s := &Server{bed: b, kind: "service", typ: o.Type, id: c.ID, ports: make(map[int]int),
		ready: httpReady(ServicePort, ready, serviceReady)}
	for _, name := range c.Names {
		if server, ok := strings.CutPrefix(strings.TrimPrefix(name, "/"), b.containerName("")); ok {
			s.name = server
		}
	}
	if s.name == "" {
		return nil
	}
	s.aliases = append([]string{s.name}, o.Aliases...)
	for _, port := range c.Ports {
		if port.PublicPort != 0 {
			s.ports[int(port.PrivatePort)] = int(port.PublicPort)
		}
	}
	if c.NetworkSettings != nil {
		if endpoint := c.NetworkSettings.Networks[b.network]; endpoint != nil {
			s.ip = endpoint.IPAddress
		}
	}
	return s
}
