package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/progress"
)

// fakeRunner is a machine whose commands succeed or fail as the test sets.
type fakeRunner struct {
	programs []string
	fails    map[string][]error // by command line, one for each time it is run
	ran      []string
	after    func(line string) // the effect of a command
}

func (r *fakeRunner) Look(name string) bool { return slices.Contains(r.programs, name) }

func (r *fakeRunner) Run(_ context.Context, _ *progress.Step, name string, arguments ...string) error {
	return r.note(strings.Join(append([]string{name}, arguments...), " "))
}

func (r *fakeRunner) Start(name, _ string, arguments ...string) error {
	return r.note("start " + strings.Join(append([]string{name}, arguments...), " "))
}

func (r *fakeRunner) note(line string) error {
	r.ran = append(r.ran, line)
	if errs := r.fails[line]; len(errs) > 0 {
		r.fails[line] = errs[1:]
		if errs[0] != nil {
			return errs[0]
		}
	}
	if r.after != nil {
		r.after(line)
	}
	return nil
}

const aptInstall = "apt-get install -y --no-install-recommends docker.io ca-certificates"

func TestSetUp(t *testing.T) {
	broken := errors.New("broken")
	debianRoot := finder{goos: "linux", root: true, debian: true, getenv: func(string) string { return "" }}
	for name, c := range map[string]struct {
		finder   finder
		running  bool // before
		programs []string
		systemd  bool
		fails    map[string][]error
		starts   string // the command after which the engine answers
		declined bool
		want     []string // commands
		problem  string   // of the error; empty for none
	}{
		"an engine answers": {
			finder: debianRoot, running: true,
		},
		"installed and started by the package": {
			finder: debianRoot, programs: []string{"service"}, starts: aptInstall,
			want: []string{aptInstall, "service docker start"},
		},
		"service": {
			finder: debianRoot, programs: []string{"service"}, starts: "service docker start",
			want: []string{aptInstall, "service docker start"},
		},
		"systemd": {
			finder: debianRoot, programs: []string{"service"}, systemd: true, starts: "systemctl start docker",
			want: []string{aptInstall, "systemctl start docker"},
		},
		"service fails": {
			finder: debianRoot, programs: []string{"service"}, starts: "start dockerd",
			fails: map[string][]error{"service docker start": {broken}},
			want:  []string{aptInstall, "service docker start", "start dockerd"},
		},
		"nothing starts services": {
			finder: debianRoot, starts: "start dockerd",
			want: []string{aptInstall, "start dockerd"},
		},
		"installed, not running": {
			finder: debianRoot, programs: []string{"dockerd", "service"}, starts: "service docker start",
			want: []string{"service docker start"},
		},
		"no package lists yet": {
			finder: debianRoot, programs: []string{"service"}, starts: "service docker start",
			fails: map[string][]error{aptInstall: {broken, nil}},
			want:  []string{aptInstall, "apt-get update", aptInstall, "service docker start"},
		},
		"no mirror": {
			finder: debianRoot, fails: map[string][]error{aptInstall: {broken}, "apt-get update": {broken}},
			want: []string{aptInstall, "apt-get update"}, problem: "apt-get update fails",
		},
		"package cannot be installed": {
			finder: debianRoot, fails: map[string][]error{aptInstall: {broken, broken}},
			want: []string{aptInstall, "apt-get update", aptInstall}, problem: "docker.io cannot be installed",
		},
		"never answers": {
			finder: debianRoot, programs: []string{"dockerd", "service"},
			want: []string{"service docker start"}, problem: "does not answer",
		},
		"declined": {
			finder: debianRoot, declined: true, problem: "declined",
		},
		"not root": {
			finder: finder{goos: "linux", debian: true, getenv: func(string) string { return "" }}, problem: "no engine here",
		},
		"mac": {
			finder: finder{goos: "darwin", root: true, getenv: func(string) string { return "" }}, problem: "no engine here",
		},
		"an engine of the user's choice": {
			finder:  finder{goos: "linux", root: true, debian: true, getenv: func(string) string { return "tcp://elsewhere:1" }},
			problem: "no engine here",
		},
	} {
		t.Run(name, func(t *testing.T) {
			running := c.running
			runner := &fakeRunner{programs: c.programs, fails: c.fails}
			runner.after = func(line string) { running = running || line == c.starts }
			asked := 0
			s := setup{
				finder: c.finder,
				runner: runner,
				answers: func(context.Context) error {
					if running {
						return nil
					}
					return &Unavailable{Problem: "no engine here", Remedy: "get one"}
				},
				systemd: func() bool { return c.systemd },
				wait:    time.Millisecond,
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := s.run(ctx, func(string) bool { asked++; return !c.declined }, nil)
			if !slices.Equal(runner.ran, c.want) {
				t.Errorf("it ran %q, want %q", runner.ran, c.want)
			}
			if len(c.want) > 0 && asked != 1 {
				t.Errorf("it asked %d times before changing the machine", asked)
			}
			if c.problem == "" {
				if err != nil {
					t.Errorf("it fails: %v", err)
				}
				return
			}
			var missing *Unavailable
			if !errors.As(err, &missing) || missing.Remedy == "" || !strings.Contains(missing.Problem, c.problem) {
				t.Errorf("the error is %v, want %q and a remedy", err, c.problem)
			}
		})
	}
}

// An engine that the user has chosen is not replaced by another.
func TestCanSetUp(t *testing.T) {
	root := func(home string, env map[string]string) finder {
		f := finderIn(home, env)
		f.root, f.debian = true, true
		return f
	}
	if !canSetUp(root(t.TempDir(), nil)) {
		t.Error("root on Debian cannot set an engine up")
	}
	for name, f := range map[string]finder{
		"DOCKER_HOST":    root(t.TempDir(), map[string]string{"DOCKER_HOST": "unix:///none"}),
		"DOCKER_CONTEXT": root(t.TempDir(), map[string]string{"DOCKER_CONTEXT": "mine"}),
		"context":        root(homeWithContext(t), nil),
		"not root":       finderIn(t.TempDir(), nil),
	} {
		if canSetUp(f) {
			t.Errorf("%s: an engine would be set up", name)
		}
	}
}
