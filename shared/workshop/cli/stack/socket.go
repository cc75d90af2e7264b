package stack

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/engine"
)

// socket is where a container finds the engine.
type socket struct {
	path  string // on the engine's machine
	group string // number of the group that may use it, as a container sees it
}

// standardSocket is where the engine listens unless it is told otherwise. Docker Desktop has it in
// its virtual machine, where it belongs to root.
const (
	standardSocket = "/var/run/docker.sock"
	rootGroup      = "0"
)

// findSocket returns the socket of an engine. The service engine-stats uses it.
func findSocket(ctx context.Context, e *engine.Engine) (socket, error) {
	info, err := e.Info(ctx, client.InfoOptions{})
	if err != nil {
		return socket{}, fmt.Errorf("ask the engine about itself: %w", err)
	}
	rootless := slices.ContainsFunc(info.Info.SecurityOptions, func(option string) bool { return strings.Contains(option, "name=rootless") })
	return engineSocket(e.Host(), rootless), nil
}

// engineSocket returns the socket of an engine at that host. Only on Linux does the engine see the
// same files as this program. In a rootless engine, the user's own group is the group of root.
func engineSocket(host string, rootless bool) socket {
	path, found := strings.CutPrefix(host, "unix://")
	if !found || runtime.GOOS != "linux" {
		return socket{standardSocket, rootGroup}
	}
	if rootless {
		return socket{path, rootGroup}
	}
	return socket{path, groupOf(path)}
}
