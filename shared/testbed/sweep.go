package testbed

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
)

// Swept counts what a sweep removed.
type Swept struct{ Containers, Networks, Volumes int }

// Sweep removes the containers, networks and volumes of dead owners. It leaves the things of
// living processes, and of processes whose state is not known.
func Sweep(ctx context.Context, docker *engine.Engine) (Swept, error) {
	// Without the lock, two sweeps remove the same container and one of them fails.
	release, err := hostlock.Lock(ctx, "sweep", nil)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	defer release()
	var swept Swept
	dead := func(labels map[string]string) bool { return hostlock.Owned(labels) && !hostlock.Alive(labels) }
	if err := removeContainers(ctx, docker, func(labels map[string]string) bool {
		if !dead(labels) {
			return false
		}
		swept.Containers++
		return true
	}); err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	networks, err := docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours()})
	if err != nil {
		return swept, fmt.Errorf("sweep: list networks: %w", err)
	}
	for _, n := range networks.Items {
		if !dead(n.Labels) {
			continue
		}
		if _, err := docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return swept, fmt.Errorf("sweep: remove network %s: %w", n.Name, err)
		}
		swept.Networks++
	}
	if err := removeVolumes(ctx, docker, func(labels map[string]string) bool {
		if !dead(labels) {
			return false
		}
		swept.Volumes++
		return true
	}); err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	return swept, nil
}

// removeContainers kills and removes the workshop's containers whose labels are chosen,
// with their anonymous volumes. It works in parallel.
func removeContainers(ctx context.Context, docker *engine.Engine, chosen func(labels map[string]string) bool) error {
	list, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours()})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var group errgroup.Group
	for _, c := range list.Items {
		if !chosen(c.Labels) {
			continue
		}
		group.Go(func() error {
			_, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			if err != nil && !gone(err) {
				return fmt.Errorf("remove container %v: %w", c.Names, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// gone reports whether the error means that the container is removed already, or is being
// removed, which the engine calls a conflict.
func gone(err error) bool { return errdefs.IsNotFound(err) || errdefs.IsConflict(err) }

func ours() client.Filters {
	return make(client.Filters).Add("label", hostlock.LabelWorkshop+"=1")
}
