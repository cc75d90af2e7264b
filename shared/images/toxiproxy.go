package images

import (
	"context"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/program"
	"bytebites.example/workshop/shared/progress"
)

const (
	toxiproxyVersion = "2.5.0" // as in go.mod
	toxiproxyPackage = "github.com/Shopify/toxiproxy/v2/cmd/server"
)

// buildToxiproxy compiles the server, whose source is a module of ours anyway, and puts
// it into an image like Static.
func buildToxiproxy(ctx context.Context, eng *engine.Engine, ref Ref, step *progress.Step) error {
	platform, err := program.PlatformOf(ctx, eng)
	if err != nil {
		return err
	}
	binary, err := program.NewBuilder(platform).Binary(ctx, toxiproxyPackage)
	if err != nil {
		return err
	}
	return importProgram(ctx, eng, binary, string(Toxiproxy), ref, []string{"EXPOSE 8474", `CMD ["-host=0.0.0.0"]`}, step)
}
