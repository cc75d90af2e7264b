package images

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

// staticUser is the user of the workshop's programs, which distroless images use too.
const staticUser = "65532:65532"

// staticFiles is the whole file system of the Static image.
func staticFiles() []tarFile {
	return []tarFile{
		{name: "etc/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/:/nologin\nworkshop:x:65532:65532:workshop:/tmp:/nologin\n")},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nworkshop:x:65532:\n")},
		{name: "tmp/", mode: 0o1777},
	}
}

func staticConfig(label string) []string {
	return []string{"USER " + staticUser, "ENV HOME=/tmp", imageLabel(label)}
}

func buildStatic(ctx context.Context, eng *engine.Engine, ref Ref, step *progress.Step) error {
	return importTar(ctx, eng, bytes.NewReader(makeTar(staticFiles())), ref, staticConfig(string(Static)), step)
}

// importTar makes an image of one layer from a tar.
func importTar(ctx context.Context, eng *engine.Engine, layer io.Reader, ref Ref, changes []string, step *progress.Step) error {
	result, err := eng.ImageImport(ctx,
		client.ImageImportSource{Source: layer, SourceName: "-"}, string(ref),
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import %s: %w", ref, err)
	}
	return follow(result, step)
}

// imageLabel is a Dockerfile instruction that marks an image of the workshop. It is not one
// of the owner's labels, because containers inherit the labels of their image.
func imageLabel(name string) string { return fmt.Sprintf("LABEL %s=%q", LabelImage, name) }

// LabelImage is the label that holds the kind of a local image, such as postgres.
const LabelImage = "bytebites.image"
