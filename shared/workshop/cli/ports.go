package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
)

// published is a port of the stack on the loopback address.
type published struct {
	service  string
	profiles []string // with any of which the service comes
	variable string   // of docker-compose.yml
	standard string   // the port unless the variable says otherwise
}

func publishedPorts() []published {
	return []published{
		{"service", []string{"baseline"}, "SERVICE_PORT", "8080"},
		{"service", []string{"baseline"}, "PPROF_PORT", "6060"},
		{"nginx", replicaProfiles(), "BALANCER_PORT", "8081"},
		{"mailsink", append([]string{"baseline"}, replicaProfiles()...), "MAILSINK_PORT", "8025"},
		{"rabbitmq", []string{queueProfile}, "RABBITMQ_PORT", "15672"},
		{"prometheus", []string{"monitoring"}, "PROMETHEUS_PORT", "9090"},
	}
}

// port returns a published port. The environment goes before .env, as it does for
// compose.
func (a *app) port(file *envFile, variable string) string {
	for _, value := range []string{a.getenv(variable), file.get(variable)} {
		if value != "" {
			return value
		}
	}
	for _, p := range publishedPorts() {
		if p.variable == variable {
			return p.standard
		}
	}
	return ""
}

// address is where a port of the stack is published.
func (a *app) address(file *envFile, variable string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", a.port(file, variable))
}

// comesWith reports whether any of the profiles publishes the port.
func (p published) comesWith(profiles []string) bool {
	return anyOf(p.profiles, profiles)
}

// anyOf reports whether one of the names is among the chosen.
func anyOf(names, chosen []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(chosen, name) })
}

// portsFree says which port of the profiles is held by another program: compose's own
// message does not tell what to do about it.
func (a *app) portsFree(ctx context.Context, file *envFile, chosen, running []string) error {
	for _, p := range publishedPorts() {
		if !p.comesWith(chosen) || slices.Contains(running, p.service) {
			continue
		}
		port := a.port(file, p.variable)
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return unavailable(fmt.Sprintf("%s=%s is no port", p.variable, port), "set it to a number up to 65535 in .env")
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			return unavailable(
				fmt.Sprintf("port %s, which the %s would get, is taken", port, p.service),
				fmt.Sprintf("stop what holds it, or put another into .env: %s=1%s", p.variable, p.standard),
			)
		}
		if err == nil { // any other error is for the engine to judge, which may listen elsewhere
			err = listener.Close()
		}
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
