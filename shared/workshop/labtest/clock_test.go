package labtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/workshop/lab"
)

// envLock names the lock that a lab needs.
const envLock = "SPECTEST_LOCK"

// TestMain gives the tests a folder of locks of their own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "labtest")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		if os.Getenv(envSubject) == "" {
			_ = os.Setenv(name, dir) // it fails for a bad name only
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// waiting returns a lab that needs a lock for its one check.
func waiting(work func(context.Context) error) lab.Lab {
	l := toy(nil)
	l.Files = fstest.MapFS{} // nothing is left to do, so go test runs it too
	l.Claim = func(ctx context.Context, _ *lab.Run) (func(), error) {
		return hostlock.Lock(ctx, os.Getenv(envLock), nil)
	}
	l.Stages = []lab.Stage{{Name: "servers", Starts: "servers", Start: func(context.Context, *lab.Run) (func() error, error) { return nil, nil }}}
	l.Checks[0].Needs = []string{"servers"}
	l.Checks[0].Run = func(ctx context.Context, _ *lab.Run) error { return work(ctx) }
	return l
}

// Another run holds the machine for longer than the whole run may take, or for less.
func TestWaitingForTheMachine(t *testing.T) {
	const limit = 2 * time.Second
	for _, tt := range []struct {
		name    string
		subject string
		mode    lab.Mode
		timeout string        // in the environment, as the command line gives it; empty for go test
		flag    string        // -test.timeout
		held    time.Duration // the lock, by another
		verdict lab.Verdict   // empty without a result
		says    string
	}{
		{"check waits for longer than it may run", "waits", lab.ModeCheck, limit.String(), "1h", 2 * limit, lab.Pass, "PASS"},
		{"an answer waits for longer than it may run", "an answer waits", lab.ModeVerify, limit.String(), "1h", 2 * limit, "", "PASS"},
		// A quarter of the time is for ending: enough of it for a busy machine.
		{"the work counts", "waits and works", lab.ModeCheck, (4 * limit).String(), "1h", 2 * limit, lab.Inconclusive, "the time of the run was over"},
		{"a hang ends", "waits and hangs", lab.ModeCheck, limit.String(), "1h", 2 * limit, "", "panic: test timed out after 2s"},
		{"go test waits while there is time", "waits", lab.ModeTest, "", "1m", limit, lab.Pass, "PASS"},
		{"go test gives up in time", "waits", lab.ModeTest, "", "8s", time.Minute, lab.Inconclusive, "go test -timeout 30m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			release, err := hostlock.Lock(t.Context(), tt.name, nil)
			if err != nil {
				t.Fatal(err)
			}
			held := time.AfterFunc(tt.held, release)
			defer func() {
				if held.Stop() {
					release()
				}
			}()
			file := filepath.Join(t.TempDir(), "result.json")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubject$", "-test.v", "-test.short=false", "-test.timeout="+tt.flag)
			cmd.Env = append(os.Environ(), envSubject+"="+tt.subject, envLock+"="+tt.name, lab.EnvMode+"="+string(tt.mode), lab.EnvResult+"="+file)
			if tt.timeout != "" {
				cmd.Env = append(cmd.Env, lab.EnvTimeout+"="+tt.timeout)
			}
			output, err := cmd.CombinedOutput()
			if !strings.Contains(string(output), tt.says) {
				t.Errorf("ended with %v, want %q in\n%s", err, tt.says, output)
			}
			if tt.verdict == "" {
				return
			}
			result, err := lab.ReadResult(file)
			if err != nil {
				t.Fatal(err)
			}
			if result.Verdict != tt.verdict {
				t.Errorf("verdict %q, want %q: %v", result.Verdict, tt.verdict, result.Err())
			}
		})
	}
}
