package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/testbed/hostlock"

	"bytebites.example/workshop/shared/workshop/cli"
)

type runner func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int

// program is the body of the command's main.
func program(run runner) func() {
	return func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
	}
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"workshop": program(cli.Run),
		// The same on a computer whose engine and images need no preparing.
		"workshop-ready": program(cli.RunWhereAllIsReady),
		// The same on one that need not have the full-size database.
		"workshop-untimed": program(cli.RunWhereNothingIsTimed),
	})
}

// TestScripts runs the scripts that need no Docker. In them no engine answers.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-such.sock"))
			return passGoOn(env)
		},
		Cmds: commands(),
	})
}

// TestScriptsWithDocker runs those that start real containers.
func TestScriptsWithDocker(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs real servers")
	}
	// Two runs at once would share the names of their stacks.
	release, err := hostlock.Lock(t.Context(), "command scripts", func(holder string) { t.Logf("waiting for %s", holder) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/docker",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Locks and images are the machine's, so the real home; a clone of its own, so
			// that the developer's .env and stack are left alone.
			env.Setenv("HOME", os.Getenv("HOME"))
			project := testProject + filepath.Base(env.WorkDir)
			env.Setenv("COMPOSE_PROJECT_NAME", project)
			env.Defer(func() { removeStack(t, env.WorkDir, project) })
			for _, name := range []string{"go.mod", "go.sum", "shared", "labs", "solutions", "docker-compose.yml"} {
				if err := os.Symlink(filepath.Join(root, name), filepath.Join(env.WorkDir, name)); err != nil {
					return err
				}
			}
			return passGoOn(env)
		},
		Cmds: commands(),
	})
}

// testProject starts the names of the scripts' stacks, so that they leave a developer's
// alone. The script's own name follows: scripts run side by side, and each ends by
// removing its stack. The names are the same in every run, so that a run removes what a
// killed one left.
const testProject = "bytebites-test-"

// removeStack removes what a script that failed half-way has left running.
func removeStack(t *testing.T, dir, project string) {
	down := exec.Command("workshop", "down") // one of the programs of TestMain
	down.Dir = dir
	down.Env = append(os.Environ(), "COMPOSE_PROJECT_NAME="+project)
	if said, err := down.CombinedOutput(); err != nil {
		t.Errorf("workshop down: %v\n%s", err, said)
	}
}

// commands are what the scripts know beside the standard ones.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exitcode": exitCode, "await": await, "gone": gone,
		"get": get, "monitored": monitored, "refused": refused, "freeports": freePorts, "hold": hold,
		"order": order, "effects": effects, "watched": watched,
	}
}

// passGoOn gives a script the go command's caches, which lie in the home that a script
// does not have.
func passGoOn(env *testscript.Env) error {
	out, err := exec.CommandContext(context.Background(), "go", "env", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY").Output()
	if err != nil {
		return err
	}
	values := strings.Split(string(out), "\n")
	for i, key := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
		env.Setenv(key, strings.TrimSpace(values[i]))
	}
	// The environment of whoever runs the tests must not change what they see.
	for _, key := range []string{"CI", "NO_COLOR", "DOCKER_CONTEXT"} {
		env.Setenv(key, "")
	}
	return nil
}

// exitCode runs a command that must end with the exit code named first.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s ended with %s, want %s\nstdout:\n%s\nstderr:\n%s", strings.Join(args[1:], " "), code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// TestImportsNoLab keeps the command quick to build and safe from half-typed labs.
func TestImportsNoLab(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../cmd/workshop")
	var diagnosis bytes.Buffer
	list.Stderr = &diagnosis
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, diagnosis.String())
	}
	packages := strings.Fields(string(out))
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages: %v", len(packages), packages)
	}
	for _, p := range packages {
		for _, banned := range []string{"workshop/labs/", "workshop/solutions/", "testcontainers"} {
			if strings.Contains(p, banned) {
				t.Errorf("the command imports %s", p)
			}
		}
	}
}
