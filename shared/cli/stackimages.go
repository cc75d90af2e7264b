package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/dataset"
	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/images"
	"bytebites.example/workshop/shared/progress"
)

const mailSinkPackage = "./shared/cmd/mailsink"

// stackImages makes the images of the chosen profiles and returns their names by the
// variables of docker-compose.yml, and the engine's address.
func (a *app) stackImages(ctx context.Context, w workshop, p *progress.Reporter, servicePackage string, size dataset.Size, chosen []string) (refs map[string]string, host string, err error) {
	e, err := a.connect(ctx, p)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = e.Close() }()
	want := []images.Name{images.Postgres, images.Static}
	if slices.Contains(chosen, "monitoring") {
		want = append(want, images.Prometheus)
	}
	ensured, err := images.Ensure(ctx, e, p, want...)
	if err != nil {
		return nil, "", err
	}
	refs = map[string]string{}
	if ref, ok := ensured[images.Prometheus]; ok {
		refs["PROMETHEUS_IMAGE"] = string(ref)
	}
	seeded, err := images.EnsureDataset(ctx, e, p, size)
	if err != nil {
		return nil, "", err
	}
	refs["DATABASE_IMAGE"] = string(seeded)
	for _, program := range []struct {
		variable, pkg string
		image         func(context.Context, *engine.Engine, *progress.Reporter, string) (images.Ref, error)
	}{
		{"SERVICE_IMAGE", servicePackage, images.Service},
		{"MAILSINK_IMAGE", mailSinkPackage, images.MailSink},
	} {
		ref, err := a.programImage(ctx, w, e, p, program.pkg, program.image)
		if err != nil {
			return nil, "", err
		}
		refs[program.variable] = string(ref)
	}
	return refs, e.Host(), nil
}

// programImage compiles a program for the engine's platform and puts it into an image.
func (a *app) programImage(ctx context.Context, w workshop, e *engine.Engine, p *progress.Reporter, pkg string,
	image func(context.Context, *engine.Engine, *progress.Reporter, string) (images.Ref, error),
) (images.Ref, error) {
	arch, err := goArch(ctx, e)
	if err != nil {
		return "", err
	}
	scratch, remove, err := w.scratch()
	if err != nil {
		return "", err
	}
	defer remove()
	binary := filepath.Join(scratch, "app")
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}
	// As the test bed compiles it, so that what is in the build cache serves both; and
	// without paths, so that the same program gives the same image in every clone.
	if err := a.goTool(ctx, w, p, env, "build", "-trimpath", "-buildvcs=false", "-o", binary, pkg); err != nil {
		return "", err
	}
	return image(ctx, e, p, binary)
}

// goArch is the engine's architecture as the go command names it.
func goArch(ctx context.Context, e *engine.Engine) (string, error) {
	version, err := e.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the engine for its platform: %w", err)
	}
	switch arch := strings.ToLower(version.Arch); arch {
	case "x86_64":
		return "amd64", nil
	case "aarch64":
		return "arm64", nil
	default:
		return arch, nil
	}
}

// imageVariables are the variables of docker-compose.yml that name images.
func imageVariables() []string {
	return []string{"DATABASE_IMAGE", "SERVICE_IMAGE", "MAILSINK_IMAGE", "PROMETHEUS_IMAGE"}
}
