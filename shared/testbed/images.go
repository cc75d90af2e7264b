package testbed

import (
	"context"
	"fmt"

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

// datasetImage gets a PostgreSQL image that holds the data of the options, and returns its
// reference and its login, which is part of the data.
func (b *Bed) datasetImage(ctx context.Context, o PostgresOptions) (ref string, _ login, err error) {
	var got images.Ref
	if o.Share != nil {
		got, err = images.EnsureShare(ctx, b.docker, b.progress, *o.Share)
	} else {
		got, err = images.EnsureDataset(ctx, b.docker, b.progress, *o.Dataset)
	}
	if err != nil {
		return "", login{}, fmt.Errorf("get data set image: %w", err)
	}
	return string(got), login{
		user:     images.DatasetUser,
		password: images.DatasetPassword,
		database: images.DatasetDatabase,
	}, nil
}
