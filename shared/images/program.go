package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/progress"
)

// Service returns an image of the service: the static program at binaryPath, as /app on
// the Static image, run as user 65532, listening on 8080. The name is a hash of the
// program, so an unchanged one is not built again. It takes about a second.
func Service(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binaryPath string) (Ref, error) {
	return program(ctx, eng, p, "service", binaryPath, "EXPOSE 8080 6060\nENTRYPOINT [\"/app\"]\n")
}

// MailSink returns an image of the mail sink as Service does of the service: SMTP on
// 2525, control on 8025.
func MailSink(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binaryPath string) (Ref, error) {
	return program(ctx, eng, p, "mailsink", binaryPath, "EXPOSE 2525 8025\nENTRYPOINT [\"/app\"]\n")
}

func program(ctx context.Context, eng *engine.Engine, p *progress.Reporter, name, binaryPath, instructions string) (ref Ref, err error) {
	binary, err := os.ReadFile(binaryPath)
	if err != nil {
		return "", fmt.Errorf("read %s program: %w", name, err)
	}
	if _, err := Ensure(ctx, eng, p, Static); err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(binary)
	fmt.Fprint(sum, instructions, Static.Local())
	ref = localRef(name, "dev", hex.EncodeToString(sum.Sum(nil))[:12])
	switch there, err := present(ctx, eng, ref); {
	case err != nil:
		return "", err
	case there:
		return ref, nil
	}
	step := p.Step("build image %s", ref)
	defer func() { step.End(err) }()
	return ref, buildOnStatic(ctx, eng, binaryPath, name, ref, instructions, step)
}

// buildOnStatic makes an image of the Static one and a program, /app.
func buildOnStatic(ctx context.Context, eng *engine.Engine, binaryPath, name string, ref Ref, instructions string, step *progress.Step) error {
	binary, err := os.ReadFile(binaryPath)
	if err != nil {
		return fmt.Errorf("read %s program: %w", name, err)
	}
	dockerfile := fmt.Sprintf("FROM %s\nCOPY app /app\n%s", Static.Local(), instructions)
	files := makeTar([]tarFile{
		{name: "Dockerfile", mode: 0o644, data: []byte(dockerfile)},
		{name: "app", mode: 0o755, data: binary},
	})
	return buildImage(ctx, eng, files, name, ref, step)
}
