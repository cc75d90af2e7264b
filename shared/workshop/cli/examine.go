package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/images"
)

// minGo is the oldest Go that the module takes.
const minGo = "go1.26"

// examine looks at everything, whatever it finds on the way: a person would rather
// mend three things at once than one after the other.
func (a *app) examine(ctx context.Context, w workshop) ([]engine.Finding, error) {
	p := a.progress()
	checkup := engine.Checkup{Go: minGo, Registry: string(images.Postgres.Official())}
	// Sets an engine up where there is none, if it may. Why it could not is then told by
	// the diagnosis, among the rest.
	e, err := a.connect(ctx, p)
	if err == nil {
		checkup.Shell, err = imageWithShell(ctx, e)
		if err = errors.Join(err, e.Close()); err != nil {
			return nil, err
		}
	}
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		return nil, err
	}
	c, composeErr := a.findCompose(ctx, w)
	var ours []engine.Finding
	checkup.Ports, ours = a.portsToExamine(ctx, file, c)

	step := p.Step("examine the machine")
	findings := engine.Diagnose(ctx, checkup)
	step.End(ctx.Err())
	return append(append(findings, ours...), composeFinding(c, composeErr)), nil
}

// imageWithShell returns an image that is there and has a shell, or "".
func imageWithShell(ctx context.Context, e *engine.Engine) (string, error) {
	have, err := there(ctx, e)
	if err != nil {
		return "", err
	}
	for _, entry := range have {
		if slices.Contains([]images.Name{images.Postgres, images.Redis, images.Nginx}, entry.Name) {
			return string(entry.Ref), nil
		}
	}
	return "", nil
}

// portsToExamine returns the ports that `up` would publish and that its own stack does
// not hold already. The labs take any free ones.
func (a *app) portsToExamine(ctx context.Context, file *envFile, c *compose) (ports []int, ours []engine.Finding) {
	var running []string
	if c != nil {
		// An error means that there is no engine, so nothing of ours runs: that is told
		// elsewhere.
		running, _ = c.running(ctx, everyProfile())
	}
	for _, p := range publishedPorts() {
		port := a.port(file, p.variable)
		number, err := strconv.Atoi(port)
		switch {
		case err != nil:
			ours = append(ours, engine.Finding{Name: p.variable, Status: engine.Warn, Detail: port + " is no port", Remedy: "set it to a number in .env"})
		case slices.Contains(running, p.service):
			ours = append(ours, engine.Finding{Name: "port " + port, Status: engine.OK, Detail: "held by the running stack"})
		default:
			ports = append(ports, number)
		}
	}
	return ports, ours
}

// composeFinding only warns: nothing but the stack to click through needs compose.
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
