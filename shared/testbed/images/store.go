package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

// engineStore is a store with a real engine.
type engineStore struct {
	eng      *engine.Engine
	progress *progress.Reporter
	// baseLock lets the first build make the base image while the others wait.
	baseLock sync.Mutex
}

func (s *engineStore) present(ctx context.Context, ref Ref) (bool, error) {
	return present(ctx, s.eng, ref)
}

func present(ctx context.Context, eng *engine.Engine, ref Ref) (bool, error) {
	_, err := eng.ImageInspect(ctx, string(ref))
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", ref, err)
	}
	return true, nil
}

func (s *engineStore) load(ctx context.Context, path string) error {
	return Load(ctx, s.eng, s.progress, path)
}

// probe sends the request through the engine, because the engine pulls: it may have its own
// proxy or mirror.
func (s *engineStore) probe(ctx context.Context, ref Ref) (err error) {
	step := s.progress.Step("ask the image registry for %s", ref)
	defer step.Done()
	if _, err := s.eng.DistributionInspect(ctx, string(ref), client.DistributionInspectOptions{}); err != nil {
		return fmt.Errorf("probe registry: %w", err)
	}
	return nil
}

func (s *engineStore) pull(ctx context.Context, ref Ref) (err error) {
	step := s.progress.Step("pull %s", ref)
	defer func() { step.End(err) }()
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	response, err := s.eng.ImagePull(ctx, string(ref), client.ImagePullOptions{})
	if err != nil {
		return err
	}
	return follow(response, step)
}

func (s *engineStore) build(ctx context.Context, n Name, ref Ref) (err error) {
	switch n {
	case Static, Toxiproxy:
	default:
		if err := s.ensureBase(ctx); err != nil {
			return err
		}
	}
	step := s.progress.Step("build image %s", ref)
	defer func() { step.End(err) }()
	switch n {
	case Static:
		return buildStatic(ctx, s.eng, ref, step)
	case Toxiproxy:
		return buildToxiproxy(ctx, s.eng, ref, step)
	}
	return buildFromRecipe(ctx, s.eng, n, ref, step)
}

func (s *engineStore) ensureBase(ctx context.Context) error {
	s.baseLock.Lock()
	defer s.baseLock.Unlock()
	there, err := s.present(ctx, baseRef())
	if err != nil || there {
		return err
	}
	return buildBase(ctx, s.eng, s.progress, baseRef())
}

// foundBundle returns a bundle file of the module, the first by name, or "".
func foundBundle() string {
	root, err := modroot.Root()
	if err != nil {
		return ""
	}
	found, err := filepath.Glob(filepath.Join(root, ".workshop", "images.tar*"))
	if err != nil {
		return ""
	}
	sort.Strings(found)
	for _, path := range found {
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && filepath.Ext(path) != partialSuffix {
			return path
		}
	}
	return ""
}

// errNotRegular says that a bundle's path is a folder or a device.
var errNotRegular = errors.New("not a regular file")
