package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"bytebites.example/workshop/shared/workshop/course"
)

// published is a port of the stack on the loopback address.
type published struct {
	service  string
	profiles []string // each of them starts the service
	variable string   // of docker-compose.yml
	standard string   // the port unless the variable names another
}

func publishedPorts(labs course.Course) []published {
	var all []published
	for _, s := range labs.Servers() {
		for _, p := range s.Ports {
			all = append(all, published{s.Service, s.Profiles, p.Variable, p.Standard})
		}
	}
	return all
}

// port returns a published port. The environment goes before .env, as in compose.
func (s *Stack) port(file *envFile, variable string) string {
	for _, value := range []string{s.Getenv(variable), file.get(variable)} {
		if value != "" {
			return value
		}
	}
	for _, p := range publishedPorts(s.Course) {
		if p.variable == variable {
			return p.standard
		}
	}
	return ""
}

// address returns the URL at which a port of the stack is published.
func (s *Stack) address(file *envFile, variable string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", s.port(file, variable))
}

// anyOf reports whether one of the names is among the chosen.
func anyOf(names, chosen []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(chosen, name) })
}

// portsFree returns an error for the first port of the profiles that another program holds,
// because compose's own message names no remedy.
func (s *Stack) portsFree(ctx context.Context, file *envFile, chosen, running []string) error {
	for _, p := range publishedPorts(s.Course) {
		if !anyOf(p.profiles, chosen) || slices.Contains(running, p.service) {
			continue
		}
		port := s.port(file, p.variable)
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return unavailable(fmt.Sprintf("%s=%s is not a port number", p.variable, port), "set it to a number from 1 to 65535 in .env")
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			return unavailable(
				fmt.Sprintf("port %s, which %s needs, is in use", port, p.service),
				fmt.Sprintf("stop the program that uses it, or set another port in .env: %s=1%s", p.variable, p.standard),
			)
		}
		if err == nil { // any other error is left to the engine, which may listen on another machine
			err = listener.Close()
		}
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
