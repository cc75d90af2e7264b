// Package engine finds the Docker engine, reports its problems with a remedy for each, and
// installs an engine on a machine without one.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// connectTimeout bounds the answer of one engine address, on the reference machine.
const connectTimeout = 5 * time.Second

// Engine is a Docker engine that answered. The embedded client is the official one; it
// negotiates the API version.
type Engine struct {
	*client.Client
	host string
}

// Host is the engine's address in the form of DOCKER_HOST, such as
// unix:///var/run/docker.sock.
func (e *Engine) Host() string { return e.host }

// Connect returns the engine that the docker command would use. In this order: DOCKER_HOST,
// DOCKER_CONTEXT, the current docker context, the first default socket that answers. It
// changes no environment variable. The error is an *Unavailable.
func Connect(ctx context.Context) (*Engine, error) {
	return connect(ctx, newFinder())
}

func connect(ctx context.Context, f finder) (*Engine, error) {
	endpoints, err := f.endpoints()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, endpoint := range endpoints {
		e, err := open(ctx, endpoint)
		if err == nil {
			return e, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", endpoint.host, err))
	}
	return nil, unreachable(f, errs)
}

func open(ctx context.Context, endpoint endpoint) (*Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(connectTimeout))
	defer cancel()
	var options []client.Opt
	// The certificates of the environment go with an engine on the network. A socket has none.
	if endpoint.fromEnv && strings.HasPrefix(endpoint.host, "tcp://") {
		options = append(options, client.WithTLSClientConfigFromEnv()) // first: it replaces the transport
	}
	options = append(options, client.WithHost(endpoint.host)) // the version of the API is negotiated
	if endpoint.ca != "" || endpoint.cert != "" {
		options = append(options, client.WithTLSClientConfig(endpoint.ca, endpoint.cert, endpoint.key))
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("ping engine: %w", err), api.Close())
	}
	return &Engine{Client: api, host: endpoint.host}, nil
}

// unreachable says why no engine answered. A socket without permission and a missing socket
// have different remedies.
func unreachable(f finder, errs []error) *Unavailable {
	err := errors.Join(errs...)
	if errors.Is(err, fs.ErrPermission) || strings.Contains(strings.ToLower(fmt.Sprint(err)), "permission denied") {
		return &Unavailable{
			Problem: "this user may not talk to the Docker engine",
			Remedy:  "run: sudo usermod -aG docker " + f.user() + " and log in again (or start this command as root)",
			Err:     err,
		}
	}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT"} {
		if f.getenv(name) != "" {
			return &Unavailable{
				Problem: "no Docker engine answers where " + name + " points",
				Remedy:  "start that engine, or unset " + name + " and run this again",
				Err:     err,
			}
		}
	}
	return &Unavailable{Problem: "no Docker engine answers", Remedy: installRemedy(f.goos, f.root, f.debian), Err: err}
}

// installRemedy says how to install an engine by hand.
func installRemedy(goos string, root, debian bool) string {
	switch {
	case goos == "darwin":
		return "install Docker Desktop (https://docs.docker.com/desktop/setup/install/mac-install/) or run: brew install colima docker && colima start --cpu 2 --memory 6"
	case goos == "windows":
		return "install WSL 2 (wsl --install), and inside it Docker Engine, or Docker Desktop with the WSL 2 backend; then run the workshop inside WSL"
	case goos == "linux" && debian && root:
		return "run `go tool workshop doctor --yes`, which installs docker.io, or: apt-get install docker.io && service docker start"
	case goos == "linux" && debian:
		return "run: sudo apt-get install docker.io && sudo service docker start && sudo usermod -aG docker $USER, then log in again"
	}
	return "install Docker Engine 20.10 or later (https://docs.docker.com/engine/install/) and start it"
}

// newFinder describes this computer.
func newFinder() finder {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		release = nil
	}
	return finder{
		goos:   runtime.GOOS,
		home:   home,
		getenv: os.Getenv,
		root:   os.Geteuid() == 0,
		debian: isDebian(string(release)),
	}
}

func (f finder) user() string {
	if name := f.getenv("USER"); name != "" {
		return name
	}
	return "$USER"
}

// isDebian reports whether /etc/os-release names Debian or a system derived from it.
func isDebian(release string) bool {
	for _, line := range strings.Split(release, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
			if id == "debian" || id == "ubuntu" {
				return true
			}
		}
	}
	return false
}
