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

// Service returns an image of the service for docker compose. It is the Static image with
// the program binary as /app, which runs as user 65532 and listens on 8080. The image's name
// is a hash of the program, so that an unchanged program needs no new image. A build takes
// about a second and no network.
func Service(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binary []byte) (Ref, error) {
	return programImage(ctx, eng, p, "service", binary, []string{"EXPOSE 8080 6060"})
}

// MailSink returns an image of the mail sink, see Service. It listens for SMTP on 2525 and
// for control requests on 8025.
func MailSink(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binary []byte) (Ref, error) {
	return programImage(ctx, eng, p, "mailsink", binary, []string{"EXPOSE 2525 8025"})
}

// EngineStats returns an image of the exporter of containers, see Service. It listens on 9465.
func EngineStats(ctx context.Context, eng *engine.Engine, p *progress.Reporter, binary []byte) (Ref, error) {
	return programImage(ctx, eng, p, "enginestats", binary, []string{"EXPOSE 9465"})
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

// importProgram makes an image of one layer: the files of Static and the program. The
// classic builder would commit after every instruction, and the builder of newer engines
// needs a plugin.
func importProgram(ctx context.Context, eng *engine.Engine, binary []byte, name string, ref Ref, config []string, step *progress.Step) error {
	files := append(staticFiles(), tarFile{name: "app", mode: 0o755, data: binary})
	config = append(append(staticConfig(name), `ENTRYPOINT ["/app"]`), config...)
	return importTar(ctx, eng, bytes.NewReader(makeTar(files)), ref, config, step)
}
