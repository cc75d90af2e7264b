package testbed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/client"
)

// roleMetricsPort is the port on which a role serves its metrics.
const roleMetricsPort = 9464

// RoleOptions describe a role of a service.
type RoleOptions struct {
	// Service describes the program and the servers that it uses. The role's arguments come
	// after its Args. Its Name, Aliases and Ready are ignored.
	Service ServiceOptions
	Name    string // Role when empty
	Role    string
	Args    []string // for the role
}

// Role is a program of the workshop that does a job and ends. Its container stays until
// Remove or until the bed is closed. After its end, or a kill, Start runs it again with the
// same arguments.
type Role struct{ *Server }

// Role builds the program for the engine's platform and starts it in a role. It does not
// wait until the role is ready. The error is a *gobuild.CompileError when the program does
// not build.
func (b *Bed) Role(ctx context.Context, o RoleOptions) (*Role, error) {
	if o.Name == "" {
		o.Name = o.Role
	}
	o.Service.Name = o.Name
	env := b.roleEnv(o.Service)
	s, err := b.static(ctx, o.Service.Package, spec{
		kind:        "role",
		name:        o.Name,
		cmd:         slices.Concat(o.Service.Args, []string{"--role", o.Role}, o.Args),
		env:         env,
		labels:      o.Service.Labels,
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

// roleEnv returns the environment of a role. It has no secret of the API.
func (b *Bed) roleEnv(o ServiceOptions) map[string]string {
	env := b.serviceEnv(o)
	delete(env, "BYTEBITES_STAFF_TOKEN")
	delete(env, "BYTEBITES_PAYMENT_SECRET")
	if env["BYTEBITES_METRICS_ADDR"] == "" {
		env["BYTEBITES_METRICS_ADDR"] = ":" + strconv.Itoa(roleMetricsPort)
	}
	return env
}

// MetricsURL is the address of the role's metrics for this process. It answers while the
// role runs, from a moment after its start.
func (r *Role) MetricsURL() string { return "http://" + r.Address(roleMetricsPort) + "/metrics" }

// Wait waits until the role has ended, and returns its exit code and its last log lines. A
// killed role has exit code 137.
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
