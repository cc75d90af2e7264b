package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/progress"
)

// buildImage runs the classic builder: BuildKit needs a plugin of the docker command
// that many machines lack, and a frontend image from a registry.
func buildImage(ctx context.Context, eng *engine.Engine, contextTar []byte, name string, ref Ref, arguments map[string]string, step *progress.Step) error {
	options := client.ImageBuildOptions{
		Version:     build.BuilderV1,
		Tags:        []string{string(ref)},
		Remove:      true,
		ForceRemove: true,
		NetworkMode: "host",
		BuildArgs:   make(map[string]*string),
		Labels:      map[string]string{LabelImage: name},
	}
	for k, v := range arguments {
		options.BuildArgs[k] = &v
	}
	// The builder knows these by itself; they reach no layer.
	for _, k := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, k := range []string{k, strings.ToUpper(k)} {
			if v := os.Getenv(k); v != "" {
				options.BuildArgs[k] = &v
			}
		}
	}
	result, err := eng.ImageBuild(ctx, bytes.NewReader(contextTar), options)
	if err != nil {
		return fmt.Errorf("build %s: %w", ref, err)
	}
	if err := follow(result.Body, step); err != nil {
		return fmt.Errorf("build %s: %w", ref, err)
	}
	return nil
}
