package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bytebites.example/workshop/shared/workshop/cli/report"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/images"
)

func (a *app) images() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "images",
		Short: "Make, list, save or load the images that the labs use",
		Long: `Make, list, save or load the images of the servers and of the seeded databases. An
image comes from the first of these sources that has it: the engine, a bundle file,
the registry, a build from Debian packages (Linux, as root). Labs make their images
themselves; these commands prepare a machine in advance.`,
		Example: `  go tool workshop images build
  go tool workshop images save workshop-images.tar.gz
  go tool workshop images load workshop-images.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "build", Short: "Make the images that are missing",
			Example: "  go tool workshop images build",
			Args:    cobra.NoArgs,
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.imagesBuild(cmd.Context()) },
		},
		&cobra.Command{
			Use: "list", Short: "List the images with their source and their size",
			Example: "  go tool workshop images list",
			Args:    cobra.NoArgs,
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.imagesList(cmd.Context()) },
		},
		&cobra.Command{
			Use: "save FILE", Short: "Write the images of the engine to one file",
			Example: "  go tool workshop images save workshop-images.tar.gz   compressed, because its name ends in .gz",
			Args:    exactly(1, "the FILE to write"),
			RunE:    func(cmd *cobra.Command, args []string) error { return a.imagesSave(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use: "load FILE", Short: "Load the images from a file that `images save` wrote",
			Example: "  go tool workshop images load workshop-images.tar.gz",
			Args:    exactly(1, "the FILE to load"),
			RunE:    func(cmd *cobra.Command, args []string) error { return a.imagesLoad(cmd.Context(), args[0]) },
		},
	)
	return cmd
}

func (a *app) imagesBuild(ctx context.Context) error {
	p := a.progress()
	e, err := a.connect(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	before, err := there(ctx, e)
	if err != nil {
		return err
	}
	if err := images.EnsureSeeded(ctx, e, p, a.host.sizes(), images.Names()...); err != nil {
		return err
	}
	after, err := there(ctx, e)
	if err != nil {
		return err
	}
	if made := len(after) - len(before); made > 0 {
		a.printf("%d images made or pulled.\n", made)
	} else {
		a.printf("Nothing to do: the engine has all images.\n")
	}
	a.next("go tool workshop tour", "go tool workshop images save FILE   writes them to a file for another machine")
	return nil
}

// there returns the images of the workshop that the engine has.
func there(ctx context.Context, e *engine.Engine) ([]images.Entry, error) {
	all, err := images.List(ctx, e)
	if err != nil {
		return nil, err
	}
	var have []images.Entry
	for _, entry := range all {
		if entry.Origin != images.Missing {
			have = append(have, entry)
		}
	}
	return have, nil
}

func (a *app) imagesList(ctx context.Context) error {
	e, err := engine.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	list, err := images.List(ctx, e)
	if err != nil {
		return err
	}
	s := a.styles(a.out)
	var rows [][]string
	missing, stale := 0, 0
	for _, entry := range list {
		origin, size := string(entry.Origin), fmt.Sprintf("%d MB", entry.Size/1_000_000)
		switch {
		case entry.Origin == images.Missing:
			missing++
			origin, size = s.Bad.Render(origin), ""
		case entry.Stale:
			stale++
			origin = s.Faint.Render(origin + ", outdated")
		}
		rows = append(rows, []string{string(entry.Name), origin, size, string(entry.Ref)})
	}
	a.printf("%s\nA layer that several images share is counted in the size of each.\n", report.Table([]string{"image", "from", "size", "name"}, rows, s.Faint, map[int]bool{2: true}))
	var next []string
	if missing > 0 {
		next = append(next, "go tool workshop images build   makes the missing ones")
	}
	if stale > 0 {
		next = append(next, "docker rmi NAME                 removes an outdated image")
	}
	a.next(append(next, "go tool workshop tour")...)
	return nil
}

func (a *app) imagesSave(ctx context.Context, path string) error {
	e, err := engine.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	saved, err := images.Save(ctx, e, a.progress(), path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("size of the bundle: %w", err)
	}
	names := make([]string, 0, len(saved))
	for _, ref := range saved {
		names = append(names, string(ref))
	}
	a.printf("Saved %d images, %d MB:\n  %s\n", len(saved), info.Size()/1_000_000, strings.Join(names, "\n  "))
	a.next("on another machine of the same architecture: go tool workshop images load " + path)
	return nil
}

func (a *app) imagesLoad(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, fs.ErrInvalid)
	}
	if err != nil {
		return unavailable(fmt.Sprintf("load a bundle: %v", err), "write a bundle on a machine that has the images: go tool workshop images save FILE")
	}
	p := a.progress()
	e, err := a.connect(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	if err := images.Load(ctx, e, p, path); err != nil {
		return err
	}
	have, err := there(ctx, e)
	if err != nil {
		return err
	}
	a.printf("Loaded. The engine has %d images.\n", len(have))
	a.next("go tool workshop images list", "go tool workshop tour")
	return nil
}
