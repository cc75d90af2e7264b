package images

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
)

// taggedImages returns the size of every image that has a name, in bytes.
func taggedImages(ctx context.Context, eng *engine.Engine) (map[Ref]int64, error) {
	result, err := eng.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	sizes := make(map[Ref]int64)
	for _, image := range result.Items {
		for _, tag := range image.RepoTags {
			sizes[Ref(tag)] = image.Size
		}
	}
	return sizes, nil
}
