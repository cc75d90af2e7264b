package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

// partialSuffix ends the name of a bundle that is still being written.
const partialSuffix = ".partial"

// Save writes images to one tar file, compressed when the path ends in .gz, for machines
// that reach neither a registry nor a Debian mirror. Without names, these are all that
// the engine has of the workshop's and that are in use, datasets included. It returns
// what it wrote.
func Save(ctx context.Context, eng *engine.Engine, p *progress.Reporter, path string, only ...Ref) (saved []Ref, err error) {
	saved = only
	if len(only) == 0 {
		list, err := List(ctx, eng)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.Origin != Missing && e.Origin != Program && !e.Stale {
				saved = append(saved, e.Ref)
			}
		}
	}
	if len(saved) == 0 {
		return nil, &engine.Unavailable{Problem: "there is no workshop image to save", Remedy: "run: go tool workshop images build"}
	}
	names := make([]string, 0, len(saved))
	for _, ref := range saved {
		names = append(names, string(ref))
	}
	step := p.Step("save %d images to %s", len(names), path)
	defer func() { step.End(err) }()
	result, err := eng.ImageSave(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("save images: %w", err)
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	if err := writeBundle(path, result, step); err != nil {
		return nil, err
	}
	return saved, nil
}

// writeBundle writes to a file beside path and renames it in the end, so that a bundle
// is whole or not there.
func writeBundle(path string, from io.Reader, step *progress.Step) (err error) {
	partial := path + partialSuffix
	file, err := os.Create(partial)
	if err != nil {
		return fmt.Errorf("create bundle: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(partial)
		}
	}()
	to, finish := io.Writer(file), func() error { return nil }
	if strings.HasSuffix(path, ".gz") {
		// Level 1: the others take minutes to save a tenth.
		compressor, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
		if err != nil {
			return errors.Join(fmt.Errorf("compress bundle: %w", err), file.Close())
		}
		to, finish = compressor, compressor.Close
	}
	counted := &counter{to: to, step: step}
	_, err = io.Copy(counted, from)
	if err := errors.Join(err, finish(), file.Close()); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("finish bundle: %w", err)
	}
	return nil
}

// Load loads a bundle that Save wrote.
func Load(ctx context.Context, eng *engine.Engine, p *progress.Reporter, path string) (err error) {
	step := p.Step("load images from %s", path)
	defer func() { step.End(err) }()
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open bundle: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("open bundle: %w", errors.Join(err, errNotRegular))
	}
	// Hidden behind the tee, the file is not closed by the HTTP client. The engine unpacks.
	result, err := eng.ImageLoad(ctx, io.TeeReader(file, &counter{to: io.Discard, step: step}))
	if err != nil {
		return fmt.Errorf("load bundle: %w", err)
	}
	return follow(result, step)
}

// counter passes data on and shows how much it was.
type counter struct {
	to    io.Writer
	step  *progress.Step
	total int64
	shown int64
}

const mebibyte = 1 << 20

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.total += int64(n)
	if c.total-c.shown >= 16*mebibyte {
		c.shown = c.total
		c.step.Detail(fmt.Sprintf("%d MiB", c.total/mebibyte))
	}
	return n, err
}

// Origin says where an image came from.
type Origin string

// The origins.
const (
	Official Origin = "official" // pulled, or loaded from a bundle of such
	Local    Origin = "local"    // built here, or loaded from a bundle of such
	Dataset  Origin = "dataset"  // a seeded database
	Program  Origin = "program"  // one of our own programs, for docker compose
	Missing  Origin = "missing"
)

// Entry is an image as List shows it.
type Entry struct {
	Name   Name // of the catalogue; for others what the image's label says
	Ref    Ref
	Origin Origin
	// Size is in bytes and includes layers shared with other images.
	Size int64
	// Stale marks a local image whose recipe has changed since; it is no longer used.
	Stale bool
}

// List returns the catalogue, with what the engine has of it, and the other images that
// the workshop made.
func List(ctx context.Context, eng *engine.Engine) ([]Entry, error) {
	all, err := taggedImages(ctx, eng)
	if err != nil {
		return nil, err
	}
	var list []Entry
	current := make(map[Ref]bool)
	for _, c := range catalogue {
		current[c.name.Local()] = true
		found := false
		for ref, origin := range map[Ref]Origin{c.official: Official, c.name.Local(): Local} {
			if size, there := all[ref]; there && ref != "" {
				list = append(list, Entry{Name: c.name, Ref: ref, Origin: origin, Size: size})
				found = true
			}
		}
		if !found {
			ref := c.official
			if ref == "" {
				ref = c.name.Local()
			}
			list = append(list, Entry{Name: c.name, Ref: ref, Origin: Missing})
		}
	}
	current[baseRef()] = true
	for ref, size := range all {
		name, isOurs := strings.CutPrefix(string(ref), localPrefix)
		if !isOurs || (current[ref] && ref != baseRef()) {
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		e := Entry{Name: Name(name), Ref: ref, Origin: Local, Size: size}
		switch name {
		case datasetName:
			e.Origin = Dataset
		case "service", "mailsink":
			e.Origin = Program
		default:
			e.Stale = !current[ref]
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return strings.Compare(string(a.Name)+string(a.Ref), string(b.Name)+string(b.Ref))
	})
	return list, nil
}
