package testbed

import (
	"context"
	"fmt"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/testbed/images"
)

// Images makes sure of several images, which goes faster than one server's after
// another's where they have to be built. It is not needed: every server asks for its own.
func (b *Bed) Images(ctx context.Context, names ...images.Name) error {
	if _, err := images.Ensure(ctx, b.docker, b.progress, names...); err != nil {
		return fmt.Errorf("get images: %w", err)
	}
	return nil
}

// image makes sure of an image when the first server that needs it is started.
func (b *Bed) image(ctx context.Context, name images.Name) (string, error) {
	refs, err := images.Ensure(ctx, b.docker, b.progress, name)
	if err != nil {
		return "", fmt.Errorf("get image %s: %w", name, err)
	}
	return string(refs[name]), nil
}

// datasetImage makes sure of a PostgreSQL image that holds the data, and returns who may
// log in there: that is part of the data.
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
