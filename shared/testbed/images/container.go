package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
)

// buildFromRecipe runs a recipe's Dockerfile in one container and one commit. The classic
// builder commits after each of a dozen instructions. Each commit takes seconds on storage
// drivers that compare whole file systems (fuse-overlayfs, vfs).
func buildFromRecipe(ctx context.Context, eng *engine.Engine, n Name, ref Ref, step *progress.Step) (err error) {
	config, err := readConfig(string(n))
	if err != nil {
		return err
	}
	created, err := eng.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      string(baseRef()),
			Cmd:        []string{"sleep", "infinity"},
			StopSignal: config.stopSignal,
			Labels:     hostlock.Owner(),
		},
		HostConfig: &container.HostConfig{
			NetworkMode: "host", // often works where the bridge has no route to the mirror
			// Downloaded packages are read once, so keep them out of the storage driver.
			Tmpfs: map[string]string{"/var/cache/apt": ""},
		},
	})
	if err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	defer func() { err = errors.Join(err, removeContainer(eng, created.ID)) }()
	if _, err := eng.CopyToContainer(ctx, created.ID, client.CopyToContainerOptions{
		DestinationPath: "/",
		Content:         bytes.NewReader(makeTar(mustRootFS(string(n)))),
	}); err != nil {
		return fmt.Errorf("copy recipe: %w", err)
	}
	if _, err := eng.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	if err := install(ctx, eng, created.ID, step); err != nil {
		return err
	}
	if _, err := eng.ContainerKill(ctx, created.ID, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		return fmt.Errorf("stop container: %w", err)
	}
	step.Detail("commit")
	return commit(ctx, eng, created.ID, string(n), ref, config.changes)
}

// install runs the recipe's script. Only the script gets the proxy variables of this
// process, because the container's own variables would become a part of the image.
func install(ctx context.Context, eng *engine.Engine, id string, step *progress.Step) error {
	options := client.ExecCreateOptions{Cmd: []string{"/install.sh"}, AttachStdout: true, AttachStderr: true}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value := os.Getenv(name); value != "" {
				options.Env = append(options.Env, name+"="+value)
			}
		}
	}
	created, err := eng.ExecCreate(ctx, id, options)
	if err != nil {
		return fmt.Errorf("run recipe: %w", err)
	}
	attached, err := eng.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return fmt.Errorf("run recipe: %w", err)
	}
	// ctx does not end a read of a hijacked connection, so close it.
	stop := context.AfterFunc(ctx, attached.Close)
	out := &tail{step: step}
	_, err = stdcopy.StdCopy(out, out, attached.Reader)
	stop()
	attached.Close()
	if ctx.Err() != nil {
		return fmt.Errorf("run recipe: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("read the recipe's output: %w", err)
	}
	code, err := exitCode(ctx, eng, created.ID)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("install.sh ended with status %d, after:\n%s", code, out)
	}
	return nil
}

// exitCode waits for a command to end, because its output may end a moment earlier.
func exitCode(ctx context.Context, eng *engine.Engine, execID string) (int, error) {
	for {
		inspected, err := eng.ExecInspect(ctx, execID, client.ExecInspectOptions{})
		if err != nil {
			return 0, fmt.Errorf("run recipe: %w", err)
		}
		if !inspected.Running {
			return inspected.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("run recipe: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// commit makes an image of a stopped container, configured by Dockerfile instructions.
func commit(ctx context.Context, eng *engine.Engine, id, name string, ref Ref, changes []string) error {
	changes = append(slices.Clone(changes), imageLabel(name))
	// A commit copies the container's labels to the image, and containers inherit them. So
	// clear the owner's labels, else a sweep removes the image's containers when the
	// process that built it has ended.
	for _, label := range slices.Sorted(maps.Keys(hostlock.Owner())) {
		changes = append(changes, "LABEL "+label+`=""`)
	}
	if _, err := eng.ContainerCommit(ctx, id, client.ContainerCommitOptions{Reference: string(ref), Changes: changes}); err != nil {
		return fmt.Errorf("commit %s: %w", ref, withoutURL(err))
	}
	return nil
}

// withoutURL returns the cause of a request to the engine that got no answer. The URL of a commit has
// every label of the image, which hides the cause.
func withoutURL(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		return request.Err
	}
	return err
}

// removeContainer has a timeout of its own, so that it also works after the caller's context
// has ended.
func removeContainer(eng *engine.Engine, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := eng.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove container: %w", err)
	}
	return nil
}
