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

// port returns a published port. Only .env counts: the shell's SERVICE_PORT belongs to another
// program.
func (s *Stack) port(file *envFile, variable string) string {
	if value := file.get(variable); value != "" {
		return value
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

// portsFree returns an error for the first port of the profiles that another program holds or
// another server of the stack has, because compose's own message names no remedy.
func (s *Stack) portsFree(ctx context.Context, file *envFile, chosen, running []string) error {
	taken := map[string]string{} // variables by port
	for _, p := range publishedPorts(s.Course) {
		port := s.port(file, p.variable)
		if !isPort(port) {
			if !anyOf(p.profiles, chosen) {
				continue
			}
			return unavailable(fmt.Sprintf("%s=%s is not a port number", p.variable, port), "set it to a number from 1 to 65535 in .env")
		}
		if other := taken[port]; other != "" && anyOf(p.profiles, chosen) {
			return unavailable(fmt.Sprintf("%s and %s are both %s", other, p.variable, port), s.anotherPort(ctx, file, p))
		}
		if anyOf(p.profiles, chosen) || slices.Contains(running, p.service) {
			taken[port] = p.variable
		}
		if !anyOf(p.profiles, chosen) || slices.Contains(running, p.service) {
			continue
		}
		err := listen(ctx, port)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, syscall.EADDRINUSE) { // any other error is left to the engine, which may listen on another machine
			return unavailable(
				fmt.Sprintf("port %s, which %s needs, is in use", port, p.service),
				"stop the program that uses it, or "+s.anotherPort(ctx, file, p),
			)
		}
	}
	return nil
}

const (
	maxPort = 65535
	// portStep is the distance from a taken port to the first one that is tried instead.
	portStep = 10000
)

// isPort reports whether a text is the number of a port.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= maxPort
}

// anotherPort returns a remedy with a port that is free and that no other server of the stack has.
func (s *Stack) anotherPort(ctx context.Context, file *envFile, p published) string {
	used := map[string]bool{}
	for _, other := range publishedPorts(s.Course) {
		used[s.port(file, other.variable)] = true
	}
	remedy := "set another port in .env: " + p.variable + "="
	standard, err := strconv.Atoi(p.standard)
	if err != nil {
		return remedy + "PORT"
	}
	for n := standard + portStep; n <= maxPort; n++ {
		port := strconv.Itoa(n)
		if !used[port] && listen(ctx, port) == nil {
			return remedy + port
		}
		if ctx.Err() != nil {
			break
		}
	}
	return remedy + "PORT"
}

// listen reports whether this process can listen at a port of the loopback address.
func listen(ctx context.Context, port string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	return listener.Close()
}
