package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/hostspeed"
)

// startTimeout bounds the wait for a new engine's first answer, on the reference machine.
const startTimeout = time.Minute

// Runner runs commands of this machine.
type Runner interface {
	// Look reports whether a program is on the PATH.
	Look(name string) bool
	// Run runs a program to its end and writes its output to the step.
	Run(ctx context.Context, step *progress.Step, name string, arguments ...string) error
	// Start starts a program that outlives this process and writes its output to a file.
	Start(name, logFile string, arguments ...string) error
}

// CanSetUp reports whether SetUp would install an engine. It does so for root, on Debian or
// a system derived from it, unless the user has chosen an engine: by DOCKER_HOST, DOCKER_CONTEXT
// or the current docker context.
func CanSetUp() bool { return canSetUp(newFinder()) }

func canSetUp(f finder) bool {
	if f.goos != "linux" || !f.root || !f.debian || f.getenv("DOCKER_HOST") != "" || f.getenv("DOCKER_CONTEXT") != "" {
		return false
	}
	chosen, err := f.currentContext()
	return chosen == nil && err == nil
}

// SetUp installs Debian's docker.io and starts it, after ask has agreed. It does nothing
// when an engine answers already. Where CanSetUp is false, or when ask declines, it returns
// an *Unavailable that says what to install.
func SetUp(ctx context.Context, ask func(question string) bool, p *progress.Reporter) error {
	s := setup{
		finder: newFinder(),
		runner: hostRunner{},
		answers: func(ctx context.Context) error {
			e, err := Connect(ctx)
			if err != nil {
				return err
			}
			return e.Close()
		},
		systemd: func() bool {
			// The test of sd_booted(3).
			info, err := os.Stat("/run/systemd/system")
			return err == nil && info.IsDir()
		},
		wait: 500 * time.Millisecond,
	}
	return s.run(ctx, ask, p)
}

// setup is SetUp with its dependencies, which a test replaces.
type setup struct {
	finder  finder
	runner  Runner
	answers func(ctx context.Context) error // nil when the engine answers
	systemd func() bool
	wait    time.Duration // between two calls of answers
}

const dockerdLog = "/var/log/bytebites-dockerd.log"

func (s setup) run(ctx context.Context, ask func(question string) bool, p *progress.Reporter) error {
	err := s.answers(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("look for an engine: %w", ctx.Err())
	}
	if !canSetUp(s.finder) {
		return err // its remedy says what to install on this machine
	}
	installed := s.runner.Look("dockerd")
	question := "No Docker engine answers. Start the one that is installed?"
	if !installed {
		question = "There is no Docker engine. Install Debian's docker.io with apt-get and start it?"
	}
	if !ask(question) {
		return &Unavailable{Problem: "there is no Docker engine, and setting one up was declined", Remedy: installRemedy(s.finder.goos, s.finder.root, s.finder.debian), Err: err}
	}
	if !installed {
		if err := s.install(ctx, p); err != nil {
			return err
		}
	}
	return s.start(ctx, p)
}

func (s setup) install(ctx context.Context, p *progress.Reporter) (err error) {
	step := p.Step("install docker.io from apt")
	defer func() { step.End(err) }()
	install := []string{"install", "-y", "--no-install-recommends", "docker.io", "ca-certificates"}
	if s.runner.Run(ctx, step, "apt-get", install...) == nil {
		return nil
	}
	// The usual reason for a failure is that a fresh machine has no package lists.
	if err := s.runner.Run(ctx, step, "apt-get", "update"); err != nil {
		return &Unavailable{Problem: "apt-get update fails", Remedy: "make the Debian mirror reachable, then run this command again", Err: err}
	}
	if err := s.runner.Run(ctx, step, "apt-get", install...); err != nil {
		return &Unavailable{Problem: "docker.io cannot be installed", Remedy: "run: apt-get install docker.io, and correct the errors that it prints", Err: err}
	}
	return nil
}

// start starts the engine by systemd or by the service command, else it runs dockerd. Then
// it waits until the engine answers. The package's installation may have started it already.
func (s setup) start(ctx context.Context, p *progress.Reporter) (err error) {
	step := p.Step("start the Docker engine")
	defer func() { step.End(err) }()
	var tried []error
	if s.systemd() {
		tried = append(tried, s.runner.Run(ctx, step, "systemctl", "start", "docker"))
	} else if s.runner.Look("service") {
		tried = append(tried, s.runner.Run(ctx, step, "service", "docker", "start"))
	}
	if len(tried) == 0 || tried[0] != nil {
		if s.answers(ctx) != nil {
			tried = append(tried, s.runner.Start("dockerd", dockerdLog))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, hostspeed.Wait(startTimeout))
	defer cancel()
	for {
		err := s.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return &Unavailable{
				Problem: "the Docker engine was started but does not answer",
				Remedy:  "read " + dockerdLog + " (or: journalctl -u docker), and run dockerd by hand to see why",
				Err:     errors.Join(append(tried, err)...),
			}
		case <-time.After(s.wait):
		}
	}
}

// hostRunner is the Runner of this machine.
type hostRunner struct{}

func (hostRunner) Look(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

func (hostRunner) Run(ctx context.Context, step *progress.Step, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out := step.Writer()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", name, arguments, err)
	}
	return nil
}

func (hostRunner) Start(name, logFile string, arguments ...string) error {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := exec.Command(name, arguments...) //nolint:noctx // the program outlives this process
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	return errors.Join(cmd.Process.Release(), log.Close())
}
