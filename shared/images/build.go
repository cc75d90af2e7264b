package images

import (
	"bytes"
	"context"
	"fmt"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/progress"
)

// buildImage runs the classic builder: BuildKit needs a plugin of the docker command
// that many machines lack, and a frontend image from a registry. It commits after every
// instruction, which is quick only for small images: others use buildFromRecipe.
func buildImage(ctx context.Context, eng *engine.Engine, contextTar []byte, name string, ref Ref, step *progress.Step) error {
	options := client.ImageBuildOptions{
		Version:     build.BuilderV1,
		Tags:        []string{string(ref)},
		Remove:      true,
		ForceRemove: true,
		Labels:      map[string]string{LabelImage: name},
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
