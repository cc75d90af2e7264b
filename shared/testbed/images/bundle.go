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

// partialSuffix ends the name of an unfinished bundle.
const partialSuffix = ".partial"

// Save writes images to one tar file, for machines that reach neither a registry nor a
// Debian mirror. It compresses the file when the path ends in .gz. Without names it saves
// every current image of the workshop that the engine has, datasets included. It returns
// the names of the saved images.
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

// writeBundle writes to a file beside path and then renames it, so that path never holds a
// part of a bundle.
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
		// The fastest level: the others take minutes and make the file a tenth smaller.
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
	// The tee hides the file's Close from the HTTP client. The engine decompresses.
	result, err := eng.ImageLoad(ctx, io.TeeReader(file, &counter{to: io.Discard, step: step}))
	if err != nil {
		return fmt.Errorf("load bundle: %w", err)
	}
	return follow(result, step)
}

// counter is a writer that shows the number of written bytes as the step's detail.
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

// Origin says how an image was made.
type Origin string

// The origins.
const (
	Official Origin = "official" // pulled, here or on the machine that saved the bundle
	Local    Origin = "local"    // built, here or on the machine that saved the bundle
	Dataset  Origin = "dataset"  // a seeded database
	Program  Origin = "program"  // a program of the workshop, for docker compose
	Missing  Origin = "missing"
)

// Entry is an image as List shows it.
type Entry struct {
	Name   Name // of the catalogue, or the value of the image's label
	Ref    Ref
	Origin Origin
	// Size is in bytes and includes layers shared with other images.
	Size int64
	// Stale marks a local image whose recipe has changed; the workshop no longer uses it.
	Stale bool
}

// List returns an entry for every image of the catalogue, missing ones included, and for the
// workshop's other images in the engine.
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
