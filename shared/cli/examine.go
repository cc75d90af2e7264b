package cli

import (
	"context"
	"fmt"
	"go/version"
	"slices"
	"strings"

	"bytebites.example/workshop/shared/spec"
)

// minGo is the oldest Go that the module takes.
const minGo = "go1.26"

func unwell() error { return verdictError{spec.Environment} }

// examine looks at everything, whatever it finds on the way: a person would rather
// mend three things at once than one after the other.
func (a *app) examine(ctx context.Context, w workshop) []finding {
	p := a.progress()
	findings := []finding{a.examineGo(ctx)}
	e, err := a.connect(ctx, p)
	if err != nil {
		findings = append(findings, found("engine", "", err))
	} else {
		defer func() { _ = e.Close() }()
		findings = append(findings, a.examineEngine(ctx, e, p)...)
	}
	c, err := a.findCompose(ctx, w)
	if err == nil {
		findings = append(findings, finding{name: "compose", seen: c.String() + " " + c.version})
	} else {
		// Only the stack to click through needs it.
		f := found("compose", "", err)
		f.harmless = true
		findings = append(findings, f)
	}
	return append(findings, a.examinePorts(ctx, w, c))
}

func (a *app) examineGo(ctx context.Context) finding {
	out, err := a.output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return finding{name: "Go", seen: "the go command cannot be run: " + err.Error(), remedy: "put the folder of the Go installation on the PATH: https://go.dev/doc/install"}
	}
	have, _, _ := strings.Cut(strings.TrimSpace(out), " ") // experiments follow after a space
	if !version.IsValid(have) || version.Compare(have, minGo) < 0 {
		return finding{name: "Go", seen: have, remedy: "install " + minGo + " or newer: https://go.dev/doc/install"}
	}
	return finding{name: "Go", seen: have}
}

// examinePorts looks at the ports that `up` publishes; the labs take any free ones.
func (a *app) examinePorts(ctx context.Context, w workshop, c *compose) finding {
	f := finding{name: "ports", harmless: true}
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		f.seen, f.remedy = err.Error(), "correct or remove .env"
		return f
	}
	var running []string
	if c != nil {
		c.env = append(c.env, a.placeholders(file)...)
		// Without an engine nothing of ours can run, and the ports are still worth a look.
		if running, err = c.running(ctx, everyProfile()); err != nil {
			running = nil
		}
	}
	if err := a.portsFree(ctx, file, everyProfile(), running); err != nil {
		taken := found("ports", "", err)
		taken.harmless = true
		return taken
	}
	var ports []string
	for _, p := range publishedPorts() {
		state := "free"
		if slices.Contains(running, p.service) {
			state = "ours"
		}
		ports = append(ports, fmt.Sprintf("%s %s", a.port(file, p.variable), state))
	}
	f.seen = strings.Join(ports, ", ")
	return f
}
