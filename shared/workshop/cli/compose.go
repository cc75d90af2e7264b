package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// composeFile describes the stack.
const composeFile = "docker-compose.yml"

// project names the stack's containers, whatever folder the clone is in, unless the
// variable that compose itself reads says otherwise.
func (a *app) project(file *envFile) string {
	for _, name := range []string{a.getenv("COMPOSE_PROJECT_NAME"), file.get("COMPOSE_PROJECT_NAME")} {
		if name != "" {
			return name
		}
	}
	return "bytebites"
}

// compose is the tool that reads docker-compose.yml: `docker compose` (v2 and later) or
// docker-compose 1.28 and later, the first with profiles.
type compose struct {
	program string
	before  []string // the words that come before every other
	version string
	project string
	app     *app
	dir     string
	env     []string
	blanks  []string // what .env lacks, for commands that only look
}

const composeRemedy = "install one of them: on Debian and Ubuntu `apt-get install docker-compose`, elsewhere https://docs.docker.com/compose/install/"

// findCompose looks for a tool that is new enough. Env is added to its environment.
func (a *app) findCompose(ctx context.Context, w workshop, env ...string) (*compose, error) {
	file, err := readEnvFile(w.path(".env"))
	if err != nil {
		return nil, err
	}
	seen := ""
	for _, candidate := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		out, err := a.output(ctx, candidate[0], append(candidate[1:], "version", "--short")...)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			continue // not installed, or docker without its plugin
		}
		version := strings.TrimPrefix(strings.TrimSpace(out), "v")
		if !profilesKnown(version) {
			seen = fmt.Sprintf("; %s %s is too old", strings.Join(candidate, " "), version)
			continue
		}
		return &compose{
			program: candidate[0], before: candidate[1:], version: version, project: a.project(file),
			app: a, dir: w.root, env: slices.Concat(a.env, env), blanks: a.placeholders(file),
		}, nil
	}
	return nil, unavailable("neither `docker compose` nor docker-compose 1.28 or newer is there"+seen, composeRemedy)
}

// output runs a short command and returns what it wrote to stdout.
func (a *app) output(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	err := child{env: a.env, stdout: &out}.run(ctx, program, args...)
	return out.String(), err
}

var versionNumbers = regexp.MustCompile(`^(\d+)\.(\d+)`)

// profilesKnown reports whether a version of compose knows profiles: 1.28 and later.
func profilesKnown(version string) bool {
	match := versionNumbers.FindStringSubmatch(version)
	if match == nil {
		return false
	}
	major, err := strconv.Atoi(match[1])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(match[2])
	return err == nil && (major > 1 || minor >= 28)
}

func (c *compose) String() string {
	return strings.Join(append([]string{c.program}, c.before...), " ")
}

func (c *compose) args(profiles []string, args ...string) []string {
	all := append(append([]string{}, c.before...), "-p", c.project, "-f", composeFile)
	for _, profile := range profiles {
		all = append(all, "--profile", profile)
	}
	return append(all, args...)
}

// run runs a compose command whose output the user sees.
func (c *compose) run(ctx context.Context, profiles []string, args ...string) error {
	err := child{dir: c.dir, env: c.env, stdout: c.app.err, stderr: c.app.err}.
		run(ctx, c.program, c.args(profiles, args...)...)
	return c.wrap(err, args[0])
}

// attach runs a compose command that talks to the user.
func (c *compose) attach(ctx context.Context, profiles []string, args ...string) error {
	return child{
		dir: c.dir, env: c.env, foreground: true,
		stdin: c.app.in, stdout: c.app.out, stderr: c.app.err,
	}.run(ctx, c.program, c.args(profiles, args...)...)
}

// running returns the names of the services that run.
func (c *compose) running(ctx context.Context, profiles []string) ([]string, error) {
	var out, diagnosis bytes.Buffer
	err := child{dir: c.dir, env: slices.Concat(c.env, c.blanks), stdout: &out, stderr: &diagnosis}.
		run(ctx, c.program, c.args(profiles, "ps", "--services", "--filter", "status=running")...)
	if err != nil {
		if text := strings.TrimSpace(diagnosis.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, c.wrap(err, "ps")
	}
	return strings.Fields(out.String()), nil
}

func (c *compose) wrap(err error, verb string) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s %s: %w", c, verb, err)
	}
	return err
}

// engineFor points compose at the engine that was found, for docker-compose 1 knows
// no docker contexts. An address that needs certificates is left to compose.
func engineFor(host string) []string {
	if strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://") {
		return []string{"DOCKER_HOST=" + host}
	}
	return nil
}

// placeholders fills in what .env would have held, for verbs that only look at the
// stack or remove it, and must also work when the file is gone.
func (a *app) placeholders(f *envFile) []string {
	var env []string
	for _, key := range secrets() {
		if f.get(key) == "" && a.getenv(key) == "" {
			env = append(env, key+"=unused")
		}
	}
	return env
}
