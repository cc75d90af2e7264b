package testbed

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

const (
	programDir  = "/program"
	programPath = programDir + "/run"
)

// program is a static program of the workshop, and the image that it runs in.
type program struct {
	pkg    string // main package
	binary []byte
	image  string
}

// programMount returns a mount of a volume with the program, which the first call makes. All
// servers that run the program share it: a copy in each of them would be written, and read
// back, through the engine's file system.
func (b *Bed) programMount(ctx context.Context, p program) (mount.Mount, error) {
	b.programs.Lock()
	defer b.programs.Unlock()
	name, made := b.volumes[p.pkg]
	if !made {
		name = fmt.Sprintf("%s-program-%d", b.network, len(b.volumes)+1)
		if err := b.makeProgram(ctx, name, p); err != nil {
			return mount.Mount{}, err
		}
		b.volumes[p.pkg] = name
	}
	m := programVolume(name)
	m.ReadOnly = true
	return m, nil
}

func programVolume(name string) mount.Mount {
	return mount.Mount{Type: mount.TypeVolume, Source: name, Target: programDir, VolumeOptions: &mount.VolumeOptions{NoCopy: true}}
}

// makeProgram makes a volume and copies a program into it. The engine copies only into a
// container, which never starts. The bed's Close removes the volume, also after an error.
func (b *Bed) makeProgram(ctx context.Context, name string, p program) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep %s in a volume: %w", p.pkg, err)
		}
	}()
	if _, err := b.docker.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: b.labels}); err != nil {
		return err
	}
	made, err := b.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: p.image, Entrypoint: []string{programPath}, Labels: b.labels},
		HostConfig: &container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{programVolume(name)}},
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostspeed.Wait(cleanupTimeout))
		defer cancel()
		_, removeErr := b.docker.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{Force: true})
		err = errors.Join(err, removeErr)
	}()
	archive, err := archived(map[string]file{programPath: {content: p.binary, mode: 0o755}})
	if err != nil {
		return err
	}
	_, err = b.docker.CopyToContainer(ctx, made.ID, client.CopyToContainerOptions{DestinationPath: "/", Content: archive})
	return err
}

// removeVolumes removes the workshop's volumes whose labels are chosen. No container may use them.
func removeVolumes(ctx context.Context, docker *engine.Engine, chosen func(labels map[string]string) bool) error {
	list, err := docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours()})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range list.Items {
		if !chosen(v.Labels) {
			continue
		}
		if _, err := docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove volume %s: %w", v.Name, err)
		}
	}
	return nil
}
