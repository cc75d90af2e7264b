// Package clitest runs testscript scripts of the command line, with or without Docker. The Docker
// scripts are spread over several test packages, because `go test` bounds the time of a package.
package clitest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bytebites.example/workshop/shared/modroot"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/cli"
	"bytebites.example/workshop/shared/workshop/cli/stack"
)

// Runner is the body of the command: cli.Run, or a variant of it.
type Runner func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int

// Main is the TestMain of a package of scripts. The scripts can call the command as `workshop`,
// and its variants by their names. Unless the tests are short, Main first waits for a core of the
// machine. It also waits for another run of the same package, whose stacks have the same names.
// It waits before the package's test timeout begins to count.
func Main(m *testing.M, name string, variants map[string]Runner) {
	programs := map[string]func(){"workshop": program(cli.Run)}
	for variant, run := range variants {
		programs[variant] = program(run)
	}
	testscript.Main(claimed{m, name}, programs)
}

// program returns the body of the command's main function.
func program(run Runner) func() {
	return func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
	}
}

// claimed runs tests that use the machine.
type claimed struct {
	*testing.M
	name string
}

// environmentExitCode is the exit code of a package whose claim failed.
const environmentExitCode = 3

// Run claims the machine and runs the tests.
func (c claimed) Run() int {
	flag.Parse()
	if testing.Short() {
		return c.M.Run()
	}
	onWait := func(holder string) { fmt.Fprintf(os.Stderr, "waiting for the machine, held by %s\n", holder) }
	ctx, cancel := hostlock.BeforeTests(context.Background())
	defer cancel()
	unlock, err := hostlock.Lock(ctx, "scripts "+c.name, onWait)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return environmentExitCode
	}
	defer unlock()
	release, err := hostlock.Core(ctx, onWait)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return environmentExitCode
	}
	defer release()
	return c.M.Run()
}

// Scripts runs the scripts of a folder that need no Docker. No engine answers in them.
func Scripts(t *testing.T, dir string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-such.sock"))
			return passGoOn(t.Context(), env)
		},
		Cmds: commands(t.Context()),
	})
}

// DockerScripts runs the scripts of a folder that start real containers, unless the tests are
// short. The names of scripts must differ between packages, because a script's name is part of
// the name of its stack.
func DockerScripts(t *testing.T, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers")
	}
	root, err := modroot.Root()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Locks and images belong to the machine, so a script gets the real home. It gets a
			// clone of its own, so that the developer's .env and stack are left alone.
			env.Setenv("HOME", os.Getenv("HOME"))
			project := testProject + filepath.Base(env.WorkDir)
			env.Setenv(stack.StackEnv, project)
			env.Defer(func() { removeStack(t, env.WorkDir, project) })
			for _, name := range []string{"go.mod", "go.sum", "shared", "labs", "solutions", "docker-compose.yml"} {
				if err := os.Symlink(filepath.Join(root, name), filepath.Join(env.WorkDir, name)); err != nil {
					return err
				}
			}
			return passGoOn(t.Context(), env)
		},
		Cmds: commands(t.Context()),
	})
}

// testProject is the first part of the names of the scripts' stacks, so that they never touch a
// developer's stack. The script's name follows, because scripts run side by side and each removes
// its stack at its end. The names are the same in every run, so that a run removes the stack of a
// killed run.
const testProject = "bytebites-test-"

// downTimeout bounds the removal of a stack.
const downTimeout = 2 * time.Minute

// removeStack removes the stack of a script that failed before its end. It also works after the
// end of the test's context.
func removeStack(t *testing.T, dir, project string) {
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	down := exec.CommandContext(ctx, "workshop", "down") // one of Main's programs
	down.Dir = dir
	down.Env = append(os.Environ(), stack.StackEnv+"="+project)
	if output, err := down.CombinedOutput(); err != nil {
		t.Errorf("workshop down: %v\n%s", err, output)
	}
}

// commands are the script commands beside the standard ones. They stop when ctx ends.
func commands(ctx context.Context) map[string]func(*testscript.TestScript, bool, []string) {
	w := waiter{ctx}
	s := servers{w}
	e := engines{ctx}
	return map[string]func(*testscript.TestScript, bool, []string){
		"exitcode": exitCode, "await": w.await, "gone": w.gone,
		"get": s.get, "monitored": s.monitored, "refused": s.refused, "freeports": s.freePorts, "hold": s.hold,
		"engine": e.fake, "theirs": e.theirs, "dotenv": dotenv,
		"order": s.order, "effects": s.effects, "watched": s.watched, "panels": s.panels,
	}
}

// passGoOn gives a script the caches of the go command, because a script's home lacks them. It
// clears the variables of the developer that would change the output.
func passGoOn(ctx context.Context, env *testscript.Env) error {
	keys := []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"}
	out, err := exec.CommandContext(ctx, "go", append([]string{"env"}, keys...)...).Output()
	if err != nil {
		return err
	}
	values := strings.Split(string(out), "\n")
	for i, key := range keys {
		env.Setenv(key, strings.TrimSpace(values[i]))
	}
	for _, key := range []string{"CI", "NO_COLOR", "DOCKER_CONTEXT"} {
		env.Setenv(key, "")
	}
	return nil
}

// exitCode runs a command and demands an exit code, which is the first argument.
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
