package cli

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
	"bytebites.example/workshop/shared/testbed/images"
)

// host is the computer that runs a lab. Tests replace it.
type host interface {
	// reach finds the engine, or sets one up, and returns its platform. The error is an
	// *engine.Unavailable.
	reach(ctx context.Context, a *app, p *progress.Reporter) (gobuild.Platform, error)
	// prepare makes ready the engine, the named images and seeded databases of those sizes. The
	// error is an *engine.Unavailable.
	prepare(ctx context.Context, a *app, p *progress.Reporter, names []images.Name, sizes ...seed.Size) error
	// sizes returns the sizes of all seeded databases that a lab or a test may ask for.
	sizes() []seed.Size
	// buildAhead builds programs that the run needs later, so that its own builds are cached.
	buildAhead(ctx context.Context, p *progress.Reporter, platform gobuild.Platform, packages ...string) error
}

// thisHost is the computer that the command runs on.
type thisHost struct{}

func (thisHost) reach(ctx context.Context, a *app, p *progress.Reporter) (gobuild.Platform, error) {
	e, err := a.connect(ctx, p)
	if err != nil {
		return gobuild.Platform{}, err
	}
	defer func() { _ = e.Close() }()
	return gobuild.PlatformOf(ctx, e)
}

func (thisHost) prepare(ctx context.Context, a *app, p *progress.Reporter, names []images.Name, sizes ...seed.Size) error {
	e, err := a.connect(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	return images.EnsureSeeded(ctx, e, p, sizes, names...)
}

func (thisHost) sizes() []seed.Size {
	return []seed.Size{seed.Full(), seed.Growing(), seed.Early(), seed.Small()}
}

func (thisHost) buildAhead(ctx context.Context, p *progress.Reporter, platform gobuild.Platform, packages ...string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, pkg := range packages {
		group.Go(func() error {
			_, err := buildProgram(ctx, p, platform, pkg)
			return err
		})
	}
	return group.Wait()
}

// connect finds the engine. If none answers, it sets one up, where that is possible and the user
// agrees.
func (a *app) connect(ctx context.Context, p *progress.Reporter) (*engine.Engine, error) {
	e, err := engine.Connect(ctx)
	var missing *engine.Unavailable
	if err == nil || !errors.As(err, &missing) || ctx.Err() != nil {
		return e, err
	}
	if !engine.CanSetUp() {
		return nil, err
	}
	if err := engine.SetUp(ctx, a.ask, p); err != nil {
		return nil, err
	}
	return engine.Connect(ctx)
}
