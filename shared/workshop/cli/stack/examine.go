package stack

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/testbed/engine"
)

// Examination is what `doctor` learns about the stack.
type Examination struct {
	// Ports are those that Up would publish, without those that the running stack holds. The
	// caller examines them. Labs use any free ports.
	Ports    []int
	Findings []engine.Finding
}

// Examine looks at the ports and at the compose tool. The error is that of reading .env; all
// others are findings.
func (s *Stack) Examine(ctx context.Context) (Examination, error) {
	file, err := s.readEnv()
	if err != nil {
		return Examination{}, err
	}
	c, composeErr := s.findCompose(ctx, file)
	running := s.runningIfAny(ctx, file)
	var x Examination
	for _, p := range publishedPorts(s.Course) {
		port := s.port(file, p.variable)
		switch {
		case !isPort(port):
			x.Findings = append(x.Findings, engine.Finding{
				Name: p.variable, Status: engine.Warn, Detail: port + " is not a port number", Remedy: "set it to a number from 1 to 65535 in .env",
			})
		case slices.Contains(running, p.service):
			x.Findings = append(x.Findings, engine.Finding{Name: "port " + port, Status: engine.OK, Detail: "held by the running stack"})
		default:
			number, err := strconv.Atoi(port)
			if err != nil {
				return Examination{}, err // isPort has accepted it
			}
			x.Ports = append(x.Ports, number)
		}
	}
	x.Findings = append(x.Findings, composeFinding(c, composeErr))
	return x, nil
}

// runningIfAny returns the services that run. An error means that no engine answers. Then the stack does
// not run, and another finding of `doctor` reports it.
func (s *Stack) runningIfAny(ctx context.Context, file *envFile) []string {
	e, err := engine.Connect(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = e.Close() }()
	running, _ := s.running(ctx, e, file)
	return running
}

// composeFinding warns at most, because only the stack needs compose and the labs do not.
func composeFinding(c *compose, err error) engine.Finding {
	const name = "compose"
	var missing *engine.Unavailable
	switch {
	case err == nil:
		return engine.Finding{Name: name, Status: engine.OK, Detail: strings.TrimSpace(c.String() + " " + c.version)}
	case errors.As(err, &missing):
		return engine.Finding{Name: name, Status: engine.Warn, Detail: missing.Problem, Remedy: missing.Remedy}
	default:
		return engine.Finding{Name: name, Status: engine.Warn, Detail: err.Error(), Remedy: composeRemedy}
	}
}
