package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bytebites.example/workshop/shared/userenv"
	"bytebites.example/workshop/shared/workshop/cli/subprocess"
)

const (
	composeFile = "docker-compose.yml"
	envFileName = ".env"
	// defaultProject names the stack's containers, in whichever folder the clone is.
	defaultProject = "bytebites"
)

// StackEnv is the variable that names the stack's compose project, before .env. The shell's
// COMPOSE_PROJECT_NAME does not count, because it names a stack of the user's.
const StackEnv = "WORKSHOP_STACK"

// project returns the name of the stack's compose project.
func (s *Stack) project(file *envFile) string {
	for _, name := range []string{s.Getenv(StackEnv), file.get("COMPOSE_PROJECT_NAME")} {
		if name != "" {
			return name
		}
	}
	return defaultProject
}

// projectName matches names that every compose tool accepts and does not change.
var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// compose is the tool that reads docker-compose.yml: `docker compose` (version 2 or later), or
// docker-compose 1.28 or later, because 1.28 is the first version with profiles.
type compose struct {
	program string
	before  []string // the words between the program and all others
	version string
	project string
	stack   *Stack
	env     []string
}

const composeRemedy = "install one of them: on Debian and Ubuntu `apt-get install docker-compose`, elsewhere https://docs.docker.com/compose/install/"

// findCompose looks for a tool that is new enough, and adds env to its environment.
func (s *Stack) findCompose(ctx context.Context, file *envFile, env ...string) (*compose, error) {
	own, err := s.environment()
	if err != nil {
		return nil, err
	}
	seen := ""
	for _, candidate := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		out, err := s.output(ctx, candidate[0], append(candidate[1:], "version", "--short")...)
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
			program: candidate[0], before: candidate[1:], version: version, project: s.project(file),
			stack: s, env: slices.Concat(own, env),
		}, nil
	}
	return nil, unavailable("neither `docker compose` nor docker-compose 1.28 or newer is installed"+seen, composeRemedy)
}

// readEnv reads .env. A file that is missing is empty.
func (s *Stack) readEnv() (*envFile, error) { return readEnvFile(filepath.Join(s.Root, envFileName)) }

// output runs a short command and returns its standard output.
func (s *Stack) output(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	err := subprocess.Command{Env: s.Env, Stdout: &out}.Run(ctx, program, args...)
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

// run runs a compose command and shows its output to the user.
func (c *compose) run(ctx context.Context, profiles []string, args ...string) error {
	err := subprocess.Command{Dir: c.stack.Root, Env: c.env, Stdout: c.stack.Stderr, Stderr: c.stack.Stderr}.
		Run(ctx, c.program, c.args(profiles, args...)...)
	return c.wrap(err, args[0])
}

// attach runs a compose command that the user talks to.
func (c *compose) attach(ctx context.Context, profiles []string, args ...string) error {
	return subprocess.Command{
		Dir: c.stack.Root, Env: c.env, Foreground: true,
		Stdin: c.stack.Stdin, Stdout: c.stack.Stdout, Stderr: c.stack.Stderr,
	}.Run(ctx, c.program, c.args(profiles, args...)...)
}

func (c *compose) wrap(err error, verb string) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s %s: %w", c, verb, err)
	}
	return err
}

// variable finds the variables of docker-compose.yml: ${NAME}, also with a default, and $NAME.
var variable = regexp.MustCompile(`\$\$|\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// variables returns the variables of docker-compose.yml.
func (s *Stack) variables() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(s.Root, composeFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", composeFile, err)
	}
	var names []string
	for _, match := range variable.FindAllStringSubmatch(string(text), -1) {
		if match[1] != "" {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// environment returns the environment of compose. Compose would prefer a variable of the shell to
// that of .env. The shell's POSTGRES_PASSWORD or SERVICE_PORT belong to another program. Compose
// talks to the engine only, so it needs no proxy; docker-compose 1 does not even start with a SOCKS
// proxy.
func (s *Stack) environment() ([]string, error) {
	ours, err := s.variables()
	if err != nil {
		return nil, err
	}
	env := userenv.Without(userenv.Clean(s.Env), ours...)
	for _, name := range []string{"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY"} {
		env = userenv.Without(env, name, strings.ToLower(name))
	}
	// The variable is set here because .env may have it too. With it, compose refuses to remove the
	// services of an older docker-compose.yml.
	return append(env, "COMPOSE_IGNORE_ORPHANS=false"), nil
}

// overridden returns the variables of docker-compose.yml that the shell sets to another value than
// .env.
func (s *Stack) overridden(file *envFile) ([]string, error) {
	ours, err := s.variables()
	return slices.DeleteFunc(ours, func(name string) bool {
		value := s.Getenv(name)
		return value == "" || value == file.get(name)
	}), err
}

// engineFor points compose at the engine's address, because docker-compose 1 knows no docker
// contexts. A socket needs no certificates. An address that needs some is left to compose.
func engineFor(host string) []string {
	if strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://") {
		return []string{"DOCKER_HOST=" + host, "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY=", "DOCKER_CERT_PATH="}
	}
	return nil
}

// placeholders returns values for the secrets that .env does not have. Verbs that only look at the
// stack or remove it must also work without .env.
func (s *Stack) placeholders(f *envFile) []string {
	var env []string
	for _, key := range s.Course.Secrets() {
		if f.get(key) == "" {
			env = append(env, key+"=unused")
		}
	}
	return env
}
