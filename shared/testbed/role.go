package testbed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/client"
)

// roleMetricsPort is where a role has its metrics while it runs.
const roleMetricsPort = 9464

// RoleOptions say which role of a service to run.
type RoleOptions struct {
	// Service says which program, and with what. The role comes after its Args. Its Name,
	// Aliases and Ready are not used.
	Service ServiceOptions
	Name    string // the role's when empty
	Role    string
	Args    []string // for the role
}

// Role is a program of ours that does a job and ends. It has a container as a service has,
// which stays until it is removed, or the bed closed. When it has ended or was killed, Start
// runs it once more, with the same arguments.
type Role struct{ *Server }

// Role builds the program for the engine's platform and starts it in a role. It does not wait
// for anything that the role does. The error is a *program.CompileError when it does not build.
func (b *Bed) Role(ctx context.Context, o RoleOptions) (*Role, error) {
	if o.Name == "" {
		o.Name = o.Role
	}
	o.Service.Name = o.Name
	env := map[string]string{"BYTEBITES_METRICS_ADDR": ":" + strconv.Itoa(roleMetricsPort)}
	maps.Copy(env, b.serviceEnv(o.Service))
	s, err := b.static(ctx, o.Service.Package, spec{
		kind:        "role",
		name:        o.Name,
		cmd:         slices.Concat(o.Service.Args, []string{"--role", o.Role}, o.Args),
		env:         env,
		ports:       []int{roleMetricsPort},
		typ:         o.Service.Type,
		ready:       readiness{within: time.Second, attempt: func(context.Context, *Server) error { return nil }},
		stopTimeout: 20 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	return &Role{Server: s}, nil
}

// MetricsURL is where this process finds the role's metrics while it runs, and a moment after
// it was started.
func (r *Role) MetricsURL() string { return "http://" + r.Address(roleMetricsPort) + "/metrics" }

// Wait waits until the role has ended, and returns its exit code with the last lines that it
// wrote to its standard output and error. A role that was killed has exit code 137.
func (r *Role) Wait(ctx context.Context) (code int, logs string, err error) {
	ended := r.bed.docker.ContainerWait(ctx, r.id, client.ContainerWaitOptions{})
	select {
	case result := <-ended.Result:
		if result.Error != nil {
			return 0, "", fmt.Errorf("wait for %s: %s", r.name, result.Error.Message)
		}
		code = int(result.StatusCode)
	case err := <-ended.Error:
		return 0, "", fmt.Errorf("wait for %s: %w", r.name, err)
	}
	logs, err = r.Logs(ctx, logLines)
	return code, logs, err
}
