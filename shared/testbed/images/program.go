package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
)

// Service returns an image of the service for docker compose: the static program
// binary, as /app in the file system of the Static image, run as user 65532,
// listening on 8080. The name is a hash of the program, so an unchanged one is not made
// again. It takes about a second and no network.
func Service(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binary []byte) (Ref, error) {
	return programImage(ctx, eng, p, "service", binary, []string{"EXPOSE 8080 6060"})
}

// MailSink returns an image of the mail sink as Service does of the service: SMTP on
// 2525, control on 8025.
func MailSink(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binary []byte) (Ref, error) {
	return programImage(ctx, eng, p, "mailsink", binary, []string{"EXPOSE 2525 8025"})
}

func programImage(ctx context.Context, eng *engine.Engine, p *progress.Reporter, name string, binary []byte, config []string) (ref Ref, err error) {
	sum := sha256.New()
	sum.Write(binary)
	fmt.Fprint(sum, config, Static.Local())
	ref = localRef(name, "dev", hex.EncodeToString(sum.Sum(nil))[:12])
	switch there, err := present(ctx, eng, ref); {
	case err != nil:
		return "", err
	case there:
		return ref, nil
	}
	step := p.Step("make image %s", ref)
	defer func() { step.End(err) }()
	return ref, importProgram(ctx, eng, binary, name, ref, config, step)
}

// importProgram makes an image of one layer: what Static has, and the program. A builder
// would commit after every instruction, and the newer engines' need a plugin.
func importProgram(ctx context.Context, eng *engine.Engine, binary []byte, name string, ref Ref, config []string, step *progress.Step) error {
	files := append(staticFiles(), tarFile{name: "app", mode: 0o755, data: binary})
	config = append(append(staticConfig(name), `ENTRYPOINT ["/app"]`), config...)
	return importTar(ctx, eng, bytes.NewReader(makeTar(files)), ref, config, step)
}
