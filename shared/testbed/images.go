package testbed

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// Images gets several images in parallel, which is faster where images must be built. A
// call is optional, because every server gets its own image.
func (b *Bed) Images(ctx context.Context, names ...images.Name) error {
	if _, err := images.Ensure(ctx, b.docker, b.progress, names...); err != nil {
		return fmt.Errorf("get images: %w", err)
	}
	return nil
}

// image gets an image and returns its reference.
func (b *Bed) image(ctx context.Context, name images.Name) (string, error) {
	refs, err := images.Ensure(ctx, b.docker, b.progress, name)
	if err != nil {
		return "", fmt.Errorf("get image %s: %w", name, err)
	}
	return string(refs[name]), nil
}

// datasetImage gets a PostgreSQL image that holds the data, and returns its reference and
// its login, which is part of the data.
func (b *Bed) datasetImage(ctx context.Context, size seed.Size) (string, login, error) {
	ref, err := images.EnsureDataset(ctx, b.docker, b.progress, size)
	if err != nil {
		return "", login{}, fmt.Errorf("get data set image: %w", err)
	}
	return string(ref), login{
		user:     images.DatasetUser,
		password: images.DatasetPassword,
		database: images.DatasetDatabase,
	}, nil
}
