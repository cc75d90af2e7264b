package images

import (
	"context"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/gobuild"
)

const (
	toxiproxyVersion = "2.5.0" // as in go.mod
	toxiproxyPackage = "github.com/Shopify/toxiproxy/v2/cmd/server"
)

// buildToxiproxy compiles the server and puts it into an image like Static. Its module is in
// go.mod already, because the test bed uses its client.
func buildToxiproxy(ctx context.Context, eng *engine.Engine, ref Ref, step *progress.Step) error {
	platform, err := gobuild.PlatformOf(ctx, eng)
	if err != nil {
		return err
	}
	binary, err := gobuild.NewBuilder(platform).Binary(ctx, toxiproxyPackage)
	if err != nil {
		return err
	}
	return importProgram(ctx, eng, binary, string(Toxiproxy), ref, []string{"EXPOSE 8474", `CMD ["-host=0.0.0.0"]`}, step)
}
