package images

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

const (
	// probeTimeout bounds the one probe of the registry.
	probeTimeout = 5 * time.Second
	pullTimeout  = 10 * time.Minute // of one image
	buildTimeout = 10 * time.Minute // of one image
	// buildsAtOnce is how many images are built in parallel. While one build waits for the
	// mirror or the disk, the other uses the processor.
	buildsAtOnce = 2
)

// EnvBundle names the environment variable that holds the path of a bundle file.
const EnvBundle = "BYTEBITES_IMAGES"

// Options change the sources of images.
type Options struct {
	// Bundle is the path of a file that Save wrote. When empty, EnvBundle holds the path.
	// When that is empty too, the bundle is the module's file .workshop/images.tar*, if
	// present.
	Bundle string
}

// Ensure makes sure that the engine has the wanted images, and returns their names. Each
// image comes from the first source that has it:
//
//  1. the engine (official or local);
//  2. a bundle file;
//  3. the registry, which is probed once, for at most 5 s;
//  4. a build on this machine.
//
// A machine-wide lock makes parallel callers build an image once. The error is an
// *engine.Unavailable when no source can provide an image.
func Ensure(ctx context.Context, eng *engine.Engine, p *progress.Reporter, want ...Name) (map[Name]Ref, error) {
	return EnsureWith(ctx, eng, p, Options{}, want...)
}

// EnsureWith is Ensure with options.
func EnsureWith(ctx context.Context, eng *engine.Engine, p *progress.Reporter, o Options, want ...Name) (map[Name]Ref, error) {
	return newEnsurer(eng, p, o).ensure(ctx, want, imagesLock(p))
}

// EnsureSeeded makes sure that the engine has the wanted images, and seeded databases of
// these sizes; see Ensure and EnsureDataset. A database takes as long as an image, and needs
// only PostgreSQL's image. So that image comes first, and then databases and the other
// images are made in parallel.
func EnsureSeeded(ctx context.Context, eng *engine.Engine, p *progress.Reporter, sizes []seed.Size, want ...Name) error {
	e := newEnsurer(eng, p, Options{})
	if len(sizes) > 0 {
		if _, err := e.ensure(ctx, []Name{Postgres}, imagesLock(p)); err != nil {
			return err
		}
	}
	making, ctx := errgroup.WithContext(ctx)
	making.Go(func() error {
		_, err := e.ensure(ctx, want, imagesLock(p))
		return err
	})
	making.Go(func() error {
		for _, size := range sizes {
			if _, err := EnsureDataset(ctx, eng, p, size); err != nil {
				return err
			}
		}
		return nil
	})
	return making.Wait()
}

func newEnsurer(eng *engine.Engine, p *progress.Reporter, o Options) *ensurer {
	if o.Bundle == "" {
		o.Bundle = os.Getenv(EnvBundle)
	}
	return &ensurer{store: &engineStore{eng: eng, progress: p}, progress: p, bundle: o.Bundle, found: foundBundle}
}

// imagesLock returns a function that takes the lock under which images are made.
func imagesLock(p *progress.Reporter) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) { return lock(ctx, p, "images") }
}

// lock takes a machine-wide lock under which images are made.
func lock(ctx context.Context, p *progress.Reporter, name string) (func(), error) {
	return hostlock.Lock(ctx, name, func(holder string) { p.Note("%s: waiting for %s", name, holder) })
}

// store is the part of an engine that ensurer uses.
type store interface {
	present(ctx context.Context, ref Ref) (bool, error)
	load(ctx context.Context, path string) error
	// probe looks that image up in the registry; nil means that the registry answers.
	probe(ctx context.Context, ref Ref) error
	pull(ctx context.Context, ref Ref) error
	build(ctx context.Context, n Name, ref Ref) error
}

// ensurer chooses the source of each image.
type ensurer struct {
	store    store
	progress *progress.Reporter
	bundle   string        // the bundle named by Options or EnvBundle, or ""
	found    func() string // returns the module's bundle, or ""
	offline  bool          // the registry has not answered
}

func (e *ensurer) ensure(ctx context.Context, want []Name, lock func(context.Context) (func(), error)) (map[Name]Ref, error) {
	missing, err := entries(want)
	if err != nil {
		return nil, err
	}
	have := make(map[Name]Ref, len(want))
	if missing, err = e.look(ctx, missing, have); err != nil || len(missing) == 0 {
		return have, err
	}
	release, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	// Look again, because the earlier holder of the lock may have made the images.
	for _, source := range []func(context.Context, []entry, map[Name]Ref) ([]entry, error){
		e.look, e.loadBundle, e.pull, e.build,
	} {
		if missing, err = source(ctx, missing, have); err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return have, nil
		}
	}
	return nil, fmt.Errorf("image %s: no source has it", missing[0].name)
}

// entries returns the wanted part of the catalogue, in its order.
func entries(want []Name) ([]entry, error) {
	wanted := make(map[Name]bool, len(want))
	for _, n := range want {
		if _, err := find(n); err != nil {
			return nil, err
		}
		wanted[n] = true
	}
	var chosen []entry
	for _, c := range catalogue {
		if wanted[c.name] {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

// look adds the images that the engine has to have, and returns the others.
func (e *ensurer) look(ctx context.Context, missing []entry, have map[Name]Ref) ([]entry, error) {
	var rest []entry
	for _, c := range missing {
		ref, err := e.lookFor(ctx, c)
		if err != nil {
			return nil, err
		}
		if ref == "" {
			rest = append(rest, c)
			continue
		}
		have[c.name] = ref
	}
	return rest, nil
}

func (e *ensurer) lookFor(ctx context.Context, c entry) (Ref, error) {
	for _, ref := range []Ref{c.official, c.name.Local()} {
		if ref == "" {
			continue
		}
		there, err := e.store.present(ctx, ref)
		if err != nil {
			return "", err
		}
		if there {
			return ref, nil
		}
	}
	return "", nil
}

// loadBundle loads the bundle file, if present. It may lack some of the missing images.
func (e *ensurer) loadBundle(ctx context.Context, missing []entry, have map[Name]Ref) ([]entry, error) {
	bundle := e.bundle
	if bundle == "" {
		bundle = e.found()
	}
	if bundle == "" {
		return missing, nil
	}
	if err := e.store.load(ctx, bundle); err != nil {
		return nil, &engine.Unavailable{
			Problem: "cannot load the image bundle " + bundle,
			Remedy:  "name another bundle in " + EnvBundle + ", or remove it so that images are pulled or built",
			Err:     err,
		}
	}
	return e.look(ctx, missing, have)
}

// pull pulls the official images. A registry without an answer is not an error, because the
// images may still be built.
func (e *ensurer) pull(ctx context.Context, missing []entry, have map[Name]Ref) ([]entry, error) {
	var rest []entry
	probed, answers := e.offline, false
	for _, c := range missing {
		if c.origin != fromDebian {
			rest = append(rest, c)
			continue
		}
		if !probed {
			probed = true
			probing, cancel := context.WithTimeout(ctx, probeTimeout)
			err := e.store.probe(probing, c.official)
			cancel()
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("probe registry: %w", err)
			}
			answers = err == nil
			if !answers {
				e.offline = true
				e.progress.Note("no image registry answers: building from Debian packages (about 90 s, once)")
			}
		}
		if !answers {
			rest = append(rest, c)
			continue
		}
		if err := e.store.pull(ctx, c.official); err != nil {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("pull %s: %w", c.official, err)
			}
			e.progress.Note("pull %s failed, it is built instead: %v", c.official, err)
			rest = append(rest, c)
			continue
		}
		have[c.name] = c.official
	}
	return rest, nil
}

// build builds the images, buildsAtOnce in parallel.
func (e *ensurer) build(ctx context.Context, missing []entry, have map[Name]Ref) ([]entry, error) {
	group, building := errgroup.WithContext(ctx)
	group.SetLimit(buildsAtOnce)
	for _, c := range missing {
		group.Go(func() error {
			timed, cancel := context.WithTimeout(building, hostspeed.Wait(buildTimeout))
			defer cancel()
			if err := e.store.build(timed, c.name, c.name.Local()); err != nil {
				return fmt.Errorf("image %s: %w", c.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, c := range missing {
		have[c.name] = c.name.Local()
	}
	return nil, nil
}
