package cli

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/engine"
	"bytebites.example/workshop/shared/progress"
)

// examineEngine looks at an engine that answers.
func (a *app) examineEngine(ctx context.Context, e *engine.Engine, _ *progress.Reporter) []finding {
	version, err := e.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return []finding{found("engine", "", fmt.Errorf("ask the engine: %w", err))}
	}
	return []finding{{name: "engine", seen: fmt.Sprintf("%s at %s, API %s, %s/%s", version.Version, e.Host(), version.APIVersion, version.Os, version.Arch)}}
}
